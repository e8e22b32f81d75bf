"""Whatever rows say and whatever a model makes of it: label columns hold categories or unknown, and rows that trip the
injection check mislead about themselves only."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from local.bedrock import prompt as tagging_prompt
from local.bedrock import slips
from local.bedrock.settings import Slips
from services.feedback_tagger.asking.asker import Answers, Asker
from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.domain.taxonomy import UNKNOWN, Category, taxonomy_of
from services.feedback_tagger.planner.injection import trips
from services.feedback_tagger.planner.prompt import as_one_line
from services.feedback_tagger.tasks.categorise import CATEGORISE
from shared.errors import PermanentError
from shared.model.port import Reply, Request, Text, Usage
from tests.support.hostile_rows import BURDENING, EVASIVE, HOSTILE_ROWS, SPEAKING
from tests.unit.bedrock_sentences import SENTENCES

SAMPLE = Path(__file__).parents[2] / "local" / "sample" / "feedback.csv"
NAMES = ("Application issues", "Cloud backup issues", "Payment", "Package shipment", "Hardware failures")
TAXONOMY = taxonomy_of([Category(place, name) for place, name in enumerate(NAMES, start=1)])
HARMLESS = tuple(dict.fromkeys(text for _, text in SENTENCES if not trips(text)))
ORDERS = tuple(text for family in SPEAKING.values() for text in family)


@dataclass(slots=True)
class HostileModel:
    """Answers with what ``answer`` makes of the rows (by number) and the whole text; remembers the rows of prompts."""

    answer: Callable[[Mapping[int, str], str], str]
    asked: list[list[str]] = field(default_factory=list)

    async def converse(self, request: Request) -> Reply:
        (text,) = request.turns[0].blocks
        assert isinstance(text, Text)
        asked = tagging_prompt.read(
            {"system": [{"text": request.system}], "messages": [{"content": [{"text": text.text}]}]}
        )
        assert asked is not None
        self.asked.append(list(asked.rows.values()))
        answer = self.answer(asked.rows, text.text)
        return Reply(
            blocks=(Text(answer),),
            stop_reason="end_turn",
            usage=Usage(input_tokens=1, output_tokens=1),
            latency_ms=1,
        )


def rows_of(texts: Sequence[str]) -> list[Row]:
    return [Row(line=n, identity=f"row-{n}", feedback=Feedback(feedback=text)) for n, text in enumerate(texts, start=2)]


async def ask(model: HostileModel, texts: Sequence[str], *, seed: int = 1) -> Answers:
    asker = Asker(
        model=model,
        model_id="m",
        rows_per_prompt=20,
        token_hex=lambda size: Random(seed).randbytes(size).hex(),
        prompt_tokens=8000,
        unsure_model_id="stronger",
        agreement_share=0.1,
        price_of=lambda _: None,
    )
    return await asker.labels(CATEGORISE, rows_of(texts), TAXONOMY, seen=())


def obeying(rows: Mapping[int, str], _: str) -> str:
    """Category 1, except where a row's order says otherwise, for as many rows as the order names."""
    asked = tagging_prompt.TaggingPrompt(categories=dict(enumerate(NAMES, start=1)), rows=rows)
    return tagging_prompt.written(slips.slipped(dict.fromkeys(rows, 1), asked, Slips(obeys_rows=True), Random(1)))


def led_by_any_order(rows: Mapping[int, str], _: str) -> str:
    """The most that an order can do: if one of the rows is hostile, all of them get category 5, else 1."""
    misled = any(row in _ORDERS_AS_ASKED for row in rows.values())
    return "\n".join(f"{number}:{5 if misled else 1}" for number in rows)


_ORDERS_AS_ASKED = frozenset(map(as_one_line, (*ORDERS, *EVASIVE)))


def garbled(rows: Mapping[int, str], _: str) -> str:
    random = Random(len(rows))
    return "".join(random.choice("0123456789:|\n ,aP\u0661\uff11\x00") for _ in range(30 * len(rows)))


MODELS: Mapping[str, Callable[[Mapping[int, str], str], str]] = {
    "says nothing": lambda rows, text: "",
    "repeats the prompt": lambda rows, text: text,
    "writes garbage": garbled,
    "writes labels of its own": lambda rows, text: "\n".join(f"{n}: Hacked {n}" for n in rows),
    "names categories that do not exist": lambda rows, text: "\n".join(f"{n}:{n + 90}" for n in rows),
    "names rows that do not exist": lambda rows, text: "\n".join(f"{n + 1000}:1" for n in rows),
    "leaves out every other row": lambda rows, text: "\n".join(f"{n}:1" for n in rows if n % 2),
    "repeats numbers with other answers": lambda rows, text: "\n".join(f"{n}:{c}" for n in rows for c in (1, 2)),
    "answers twenty times too much": lambda rows, text: "\n".join(f"{n}:2" for n in range(1, 400)),
    "obeys rows": obeying,
    "is led by any order": led_by_any_order,
}


def test_the_hostile_set_is_as_large_as_it_claims() -> None:
    assert len(HOSTILE_ROWS) >= 200
    assert max(map(len, HOSTILE_ROWS)) >= 100_000
    assert len(HARMLESS) >= 40


@pytest.mark.parametrize("name", MODELS)
async def test_nothing_but_categories_and_unknown_becomes_a_label(name: str) -> None:
    texts = [text for pair in zip(HOSTILE_ROWS, HARMLESS * 10, strict=False) for text in pair]
    answers = await ask(HostileModel(MODELS[name]), texts)
    assert len(answers.labels) == len(texts)
    assert set(answers.labels) <= {*NAMES, UNKNOWN}
    assert answers.refusals == {}


@pytest.mark.parametrize("seed", range(5))
async def test_rows_that_trip_the_check_are_asked_alone_and_mislead_about_themselves_only(seed: int) -> None:
    caught = [text for text in ORDERS if trips(text)]
    texts = [*HARMLESS, *caught]
    Random(seed).shuffle(texts)
    model = HostileModel(led_by_any_order)
    answers = await ask(model, texts, seed=seed)
    by_text = dict(zip(texts, answers.labels, strict=True))
    assert {by_text[text] for text in HARMLESS} == {NAMES[0]}
    assert {by_text[text] for text in caught} == {NAMES[4]}
    hostile = set(map(as_one_line, caught))
    assert all(len(rows) == 1 for rows in model.asked if hostile & set(rows))


async def test_a_model_that_refuses_hostile_rows_costs_those_rows_alone() -> None:
    class Prudish(HostileModel):
        async def converse(self, request: Request) -> Reply:
            reply = await HostileModel.converse(self, request)
            if _ORDERS_AS_ASKED & set(self.asked[-1]):
                raise PermanentError("blocked")
            return reply

    texts = [*HARMLESS, *ORDERS]
    answers = await ask(Prudish(MODELS["obeys rows"]), texts)
    labels = dict(zip(texts, answers.labels, strict=True))
    assert all(labels[text] is None for text in ORDERS)
    assert all(labels[text] is not None for text in HARMLESS)


async def test_what_the_check_misses_cannot_leave_the_set_of_categories() -> None:
    missed = [text for text in (*ORDERS, *EVASIVE) if not trips(text)]
    assert missed, "a net without holes: look for harder rows"
    answers = await ask(HostileModel(led_by_any_order), [*HARMLESS, *missed])
    assert set(answers.labels) <= {*NAMES, UNKNOWN}


def test_most_rows_that_speak_to_the_model_are_caught_and_few_harmless_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What speaks to the model was written beside the check, so its share says that the check does what it means to.
    How it fares against others is what the evasive ones show, and nothing is asserted of them."""
    with SAMPLE.open(encoding="utf-8-sig", newline="") as file:
        sample = [f"{row['title']}. {row['feedback']}" for row in csv.DictReader(file)]
    shares = {name: (sum(map(trips, family)), len(family)) for name, family in {**SPEAKING, **BURDENING}.items()}
    false_alarms = sum(map(trips, sample))
    caught = sum(map(trips, ORDERS))
    with capsys.disabled():
        listed = ", ".join(f"{name} {hits}/{of}" for name, (hits, of) in shares.items())
        print(f"\ncaught {caught}/{len(ORDERS)} = {caught / len(ORDERS):.1%} of what speaks to the model ({listed});")  # noqa: T201
        print(f"of {len(EVASIVE)} in words it was not written for: {sum(map(trips, EVASIVE))};")  # noqa: T201
        print(f"false alarms {false_alarms}/{len(sample)} = {false_alarms / len(sample):.1%} of the sample")  # noqa: T201
    assert caught / len(ORDERS) >= 0.95
    assert false_alarms / len(sample) <= 0.02
