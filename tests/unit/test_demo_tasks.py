"""What the demo makes of the tables of three tasks, and which proposal it takes for the planted theme."""

from typing import Any

import pytest

from local.demo.new_category import NewCategory, proposal_about
from local.demo.other_tasks import as_facts, expected
from local.demo.sample import EMAILS, PAGES, REVIEWS, THEME, read_theme
from services.feedback_tagger.domain.reading import Source
from services.feedback_tagger.domain.upload import Rejected
from services.feedback_tagger.tasks import TASKS

THEME_IDS = {row["id"] for row in read_theme()}


def a_proposal(number: int, *ids: str, name: str = "Colours") -> dict[str, Any]:
    return {"proposal": number, "name": name, "examples": [{"id": each, "text": ""} for each in ids]}


def a_document(*proposals: dict[str, Any], rows: int = 90, waiting: int = 0) -> dict[str, Any]:
    return {"proposals": list(proposals), "discovery": {"row_count": rows, "waiting": waiting}}


def test_the_proposal_with_most_examples_of_the_theme_is_the_one() -> None:
    some = sorted(THEME_IDS)
    document = a_document(a_proposal(1, "F70013", some[0]), a_proposal(2, some[1], some[2]))

    found = proposal_about(THEME_IDS, document, unknown=90)

    assert found is not None
    assert found["proposal"] == 2


def test_no_proposal_is_taken_before_every_row_was_looked_at_or_without_a_name() -> None:
    one = a_proposal(1, *sorted(THEME_IDS)[:3])

    assert proposal_about(THEME_IDS, a_document(one, rows=89), unknown=90) is None
    assert proposal_about(THEME_IDS, a_document(one, waiting=1), unknown=90) is None
    assert proposal_about(THEME_IDS, a_document({**one, "name": ""}), unknown=90) is None
    assert proposal_about(THEME_IDS, a_document(a_proposal(1, "F70013")), unknown=90) is None


@pytest.mark.parametrize(
    ("changed", "of_theme", "with_a_label", "said"),
    [
        (16, 16, 0, ""),
        (15, 15, 0, "only 15 got the new category"),
        (20, 17, 0, "3 of 20 rows got it that are of no theme"),
        (16, 16, 1, "1 rows got it that had a category"),
    ],
)
def test_a_category_that_misses_the_theme_or_takes_other_rows_is_a_problem(
    changed: int, of_theme: int, with_a_label: int, said: str
) -> None:
    category = NewCategory(
        proposed="",
        accepted="",
        planted=20,
        changed=changed,
        changed_planted=of_theme,
        changed_with_a_label=with_a_label,
        before={},
        after={},
    )

    assert said in "; ".join(category.problems)
    assert bool(category.problems) == bool(said)


def test_tables_and_judgements_by_hand_speak_of_the_same_names() -> None:
    sentiment = as_facts("sentiment", [{"ref_id": "R07", "aspect": None, "polarity": "none"}])
    page = as_facts("product_facts", [{"url": "u", "name": None, "value": None, "source": None}])

    assert sentiment["R07"] == expected("sentiment")["R07"] == {"all": "none"}
    assert expected("sentiment")["R03"] == {"price": "negative", "quality": "negative"}
    assert expected("email_routing")["<m03@example.com>"] == {
        "department": "technical",
        "priority": "urgent",
        "language": "de",
    }
    assert page == {"u": {}}


@pytest.mark.parametrize(
    ("task", "file"),
    [("categorise", THEME), ("sentiment", REVIEWS), ("email_routing", EMAILS), ("product_facts", PAGES)],
)
def test_every_row_of_the_samples_can_be_taken_and_is_judged_by_hand(task: str, file: Any) -> None:
    with file.open("rb") as opened:
        rows = list(TASKS.named(task).reader(Source(file=opened, key=file.name)).rows(lambda _: 1))

    assert not any(isinstance(row, Rejected) for row in rows)
    judged = THEME_IDS if task == "categorise" else set(expected(task))
    assert {row.feedback.ref_id for row in rows if not isinstance(row, Rejected)} == judged
