"""Which header names which column, and aliases that say it twice or to nobody are refused by name."""

import re

import pytest

from services.feedback_tagger.domain.headers import Headers, read_aliases
from services.feedback_tagger.settings import TaggerSettings
from shared.settings import BadSettings


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("feedback", "feedback"),
        (" Feed Back ", "feedback"),
        ("PRODUCT-NAME", "product_name"),
        ("ProductName", "product_name"),
        ("Ref ID", "ref_id"),
        ("\uff29\uff24", "ref_id"),
        ("Create Date", "create_date"),
        ("comment", None),
        ("", None),
    ],
)
def test_case_blanks_and_dashes_do_not_count_in_a_header(header: str, column: str | None) -> None:
    assert Headers().column(header) == column


@pytest.mark.parametrize(
    "text",
    [
        '{"Review text": "feedback", "Shop": "store"}',
        "Review text=feedback, Shop=store,",
        "review_text = Feedback,SHOP=store",
    ],
)
def test_aliases_come_as_json_or_as_pairs(text: str) -> None:
    headers = read_aliases(text)
    assert (headers.column("REVIEW TEXT"), headers.column("shop"), headers.column("stars")) == (
        "feedback",
        "store",
        "stars",
    )


def test_an_alias_wins_over_a_name_we_know() -> None:
    assert read_aliases("title=feedback").column("Title") == "feedback"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Comment", "is neither a JSON object nor entries"),
        ("{Comment}", "begins as a JSON object and is none"),
        ('{"Comment": 1}', "gives a header something else"),
        ("Comment=opinion", "'Comment' is to be 'opinion', which is no column of ours"),
        (" =feedback", "an alias of 'feedback' is blank"),
        ("Comment=feedback,comment=title", "'comment' is to be two columns"),
        ('{"Comment": "feedback", "Comment": "title"}', "'Comment' is to be two columns"),
    ],
)
def test_aliases_that_cannot_be_meant_are_refused_at_the_start_by_their_setting(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}"):
        read_aliases(text)
    with pytest.raises(BadSettings) as settings:
        TaggerSettings.from_environment({"HEADER_ALIASES": text})
    assert any(line.startswith("HEADER_ALIASES: ") and says in line for line in settings.value.problems)
