"""The asker through the real SDK against the local Bedrock endpoint, whose tagger errs as models do, on demand."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from services.feedback_tagger.asking.asker import Answers, Asker
from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.domain.spent import Agreement
from services.feedback_tagger.domain.taxonomy import UNKNOWN, Category, taxonomy_of
from services.feedback_tagger.planner.agreement import rows_per_prompt
from services.feedback_tagger.tasks.categorise import CATEGORISE
from shared.errors import PermanentError
from shared.model.bedrock import BedrockModel
from tests.support.bedrock_clients import NOVA, opened
from tests.support.hostile_rows import HOSTILE_ROWS
from tests.unit.bedrock_sentences import SENTENCES

NAMES = ("Application issues", "Cloud backup issues", "Payment", "Package shipment", "Hardware failures")
TAXONOMY = taxonomy_of([Category(place, name) for place, name in enumerate(NAMES, start=1)])
TEXTS = [text for _, text in SENTENCES]


@pytest.fixture
async def model(bedrock: BedrockEndpoint) -> AsyncIterator[BedrockModel]:
    async with opened(bedrock, "bedrock-runtime") as client:
        yield BedrockModel(client)


def asker(model: BedrockModel, **fields: Any) -> Asker:
    plain: dict[str, Any] = {"model_id": NOVA, "rows_per_prompt": 20, "token_hex": secrets.token_hex}
    return Asker(model=model, **plain | fields)


def rows_of(texts: list[str]) -> list[Row]:
    return [Row(line=n, identity=f"row-{n}", feedback=Feedback(feedback=text)) for n, text in enumerate(texts, start=2)]


def errs(bedrock: BedrockEndpoint, **slips: Any) -> None:
    bedrock.control(f"models/{NOVA}", {"slips": slips, "seed": 7})


async def sure_labels(model: BedrockModel, texts: list[str]) -> list[str | None]:
    return list((await asker(model, rows_per_prompt=1).labels(CATEGORISE, rows_of(texts), TAXONOMY)).labels)


async def test_rows_together_and_alone_get_the_same_labels_from_a_model_that_does_not_err(model: BedrockModel) -> None:
    answers = await asker(model, agreement_share=0.5).labels(CATEGORISE, rows_of(TEXTS), TAXONOMY, seen=())
    assert list(answers.labels) == await sure_labels(model, TEXTS)
    (agreement,) = answers.agreement
    assert agreement.checked == agreement.agreed > 10
    assert answers.spent.nano_usd > 0


async def test_dropped_and_renumbered_rows_are_asked_again_until_each_has_its_label(
    bedrock: BedrockEndpoint, model: BedrockModel
) -> None:
    sure = await sure_labels(model, TEXTS)
    errs(bedrock, dropped=0.3)
    answers = await asker(model).labels(CATEGORISE, rows_of(TEXTS), TAXONOMY)
    right = sum(given == wanted for given, wanted in zip(answers.labels, sure, strict=True))
    # Left without: rows that were dropped twice, about one in eleven.
    assert right / len(TEXTS) > 0.8
    assert answers.spent.calls > len(TEXTS) / 20


@pytest.mark.parametrize(
    "slips", [{"obeys_rows": True}, {"wrong": 1.0}, {"renumbered": 0.5, "dropped": 0.2, "copied_from_neighbour": 0.5}]
)
async def test_hostile_rows_and_an_erring_model_leave_only_categories(
    bedrock: BedrockEndpoint, model: BedrockModel, slips: dict[str, Any]
) -> None:
    errs(bedrock, **slips)
    texts = [text[:2_000] for text in HOSTILE_ROWS]
    answers = await asker(model).labels(CATEGORISE, rows_of(texts), TAXONOMY)
    assert set(answers.labels) <= {*NAMES, UNKNOWN}


@pytest.mark.parametrize("reason", ["content_filtered", "guardrail_intervened", "model_context_window_exceeded"])
async def test_an_answer_that_was_stopped_once_costs_no_row(
    bedrock: BedrockEndpoint, model: BedrockModel, reason: str
) -> None:
    sure = await sure_labels(model, TEXTS[:20])
    bedrock.control(f"models/{NOVA}/faults", {"kind": "stop_reason", "stop_reason": reason, "next": 1})
    answers = await asker(model).labels(CATEGORISE, rows_of(TEXTS[:20]), TAXONOMY)
    assert list(answers.labels) == sure
    # The prompt, the harmless row, and both halves.
    assert answers.spent.calls == 4


async def test_an_answer_cut_short_is_completed(bedrock: BedrockEndpoint, model: BedrockModel) -> None:
    bedrock.control(f"models/{NOVA}/faults", {"kind": "stop_reason", "stop_reason": "max_tokens", "next": 1})
    answers = await asker(model).labels(CATEGORISE, rows_of(TEXTS[:20]), TAXONOMY)
    assert None not in answers.labels
    assert answers.spent.calls > 1


async def test_a_model_that_does_not_exist_blames_no_row(model: BedrockModel) -> None:
    with pytest.raises(PermanentError, match="ValidationException"):
        await asker(model, model_id="amazon.no-such-model").labels(CATEGORISE, rows_of(TEXTS[:5]), TAXONOMY)


async def test_prompts_shrink_to_where_rows_no_longer_disturb_each_other(
    bedrock: BedrockEndpoint, model: BedrockModel
) -> None:
    """Each further row of a prompt makes 2% of its answers wrong: 38% at 20 rows, 18% at 10, 8% at 5."""
    sure = await sure_labels(model, TEXTS)
    errs(bedrock, wrong_per_row=0.02)
    asking = asker(model, agreement_share=0.3)
    seen: dict[int, Agreement] = {}
    sizes: list[int] = []
    right: list[float] = []
    for turn in range(12):
        known = list(seen.values())
        sizes.append(rows_per_prompt(20, known, least=0.9))
        rows = [Row(line=1000, identity=f"{turn}-{row.identity}", feedback=row.feedback) for row in rows_of(TEXTS)]
        answers = await asking.labels(CATEGORISE, rows, TAXONOMY, seen=known)
        right.append(_share(answers, sure))
        for each in answers.agreement:
            old = seen.get(each.rows_per_prompt, Agreement(rows_per_prompt=each.rows_per_prompt, checked=0, agreed=0))
            seen[each.rows_per_prompt] = Agreement(
                rows_per_prompt=each.rows_per_prompt,
                checked=old.checked + each.checked,
                agreed=old.agreed + each.agreed,
            )
    assert sizes[0] == 20
    assert sizes[-1] <= 10
    assert sizes == sorted(sizes, reverse=True)
    assert right[-1] > right[0] + 0.1


def _share(answers: Answers, sure: list[str | None]) -> float:
    return sum(given == wanted for given, wanted in zip(answers.labels, sure, strict=True)) / len(sure)
