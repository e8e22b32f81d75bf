"""Sentiment by aspect: nothing but aspects and signs comes out, and confidence is how many answers agree."""

import re
from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from services.feedback_tagger.asking.asker import Answers, Asker
from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.tasks import TASKS, TaskOptions, tasks_of
from services.feedback_tagger.tasks.sentiment import (
    ASPECTS,
    LONGEST_ASPECT,
    MOST_ASPECTS,
    aspects_in,
    read_sentiment,
    sentiment,
)
from shared.errors import TransientError
from shared.model.port import Model, Request
from tests.support.hostile_rows import BURDENING, SPEAKING
from tests.support.task_desk import RowModel

NOTHING = Taxonomy(())
CANONICAL = re.compile(rf"none|unknown|({'|'.join(ASPECTS)})[+~-](,({'|'.join(ASPECTS)})[+~-])*")


def read(answer: str, rows: int = 9) -> dict[int, str]:
    return read_sentiment(answer, rows=rows, aspects=ASPECTS)


def rows_of(*texts: str) -> list[Row]:
    return [Row(line=n, identity=f"i-{n}", feedback=Feedback(feedback=text)) for n, text in enumerate(texts, start=2)]


async def ask(model: Model, *texts: str, votes: int = 1, **fields: Any) -> Answers:
    asker = Asker(
        model=model,
        model_id="m",
        token_hex=lambda size: "ab" * size,
        price_of=lambda _: None,
        **{"rows_per_prompt": 20, **fields},
    )
    return await asker.labels(sentiment(votes=votes), rows_of(*texts), NOTHING)


@pytest.mark.parametrize(
    ("answer", "read_as"),
    [
        ("1:1-,4+", {1: "price-,service+"}),
        ("1:4+,1-", {1: "price-,service+"}),
        ("1:0", {1: "none"}),
        (" 2 : 3~ , 3~ ", {2: "delivery~"}),
        ("1:5+\n2:0\n\n3:2-\n", {1: "usability+", 2: "none", 3: "quality-"}),
        ("1:1+\n1:1+", {1: "price+"}),
    ],
)
def test_an_answer_is_the_aspects_in_order_with_their_signs(answer: str, read_as: dict[int, str]) -> None:
    assert read(answer) == read_as


@pytest.mark.parametrize(
    "answer",
    [
        "1:1+,1-", "1:6+", "1:0+", "1:1", "1:", "1:+", "1:1+,", "1:1+,0", "1:1\N{MINUS SIGN}",
        "1:\N{FULLWIDTH DIGIT ONE}+",
        "1:1+\n1:1-", "1:1+\n1:0", "0:1+", "10:1+", "1:price+", "1:1+ since it is cheap", "row 1:1+", "1:1+;2-", "",
        "I think that 1:1+ is right", "1:0001+", "1:1++",
    ],
)  # fmt: skip
def test_what_is_no_answer_leaves_the_row_without_one(answer: str) -> None:
    assert read(answer) == {}


def test_whatever_a_model_says_only_aspects_and_signs_come_out() -> None:
    random = Random(5)
    pieces = ["1", "2", "5", "6", "0", "+", "-", "~", ",", ":", "\n", " ", "price", "DROP TABLE x", "unknown", "none"]
    for _ in range(3000):
        answer = "".join(random.choices(pieces, k=random.randint(1, 24)))
        for row, said in read(answer).items():
            assert 1 <= row <= 9
            assert CANONICAL.fullmatch(said), answer


def test_the_prompt_numbers_the_aspects_and_is_the_same_for_every_prompt() -> None:
    task = sentiment(("price", "after-sales"))
    assert "<aspects>\n1 price\n2 after-sales\n</aspects>" in task.system(NOTHING)
    assert task.system(NOTHING) == sentiment(("price", "after-sales")).system(NOTHING)
    assert task.question(Feedback(feedback="late", title="Parcel")) == "Parcel. late"


def test_rows_of_the_table_are_one_for_each_aspect_or_one_for_none() -> None:
    task = TASKS.named("sentiment")
    feedback = Feedback(feedback="x", product_name="Cam", store="DE")
    row = Row(line=2, identity="i", feedback=feedback)
    common = {"product_name": "Cam", "store": "DE"}
    assert task.records(row, "delivery-,price~", ()) == [
        {**common, "aspect": "delivery", "polarity": "negative", "confidence": None},
        {**common, "aspect": "price", "polarity": "mixed", "confidence": None},
    ]
    for said in ("none", "unknown"):
        assert task.records(row, said, ()) == [{**common, "aspect": None, "polarity": said, "confidence": None}]
    assert task.table is not None
    for said in ("none", "unknown", "price+", "delivery-,price~"):
        task.table.check(task.records(row, said, ()))


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        ("price+", "positive"), ("price+,service+", "positive"), ("price-", "negative"), ("price~", "mixed"),
        ("price+,service-", "mixed"), ("none", "none"), ("unknown", "unknown"),
    ],
)  # fmt: skip
def test_a_run_counts_a_row_as_a_whole(answer: str, counted: str) -> None:
    assert TASKS.named("sentiment").counted(answer) == counted


@pytest.mark.parametrize(
    ("votes", "elected"),
    [
        (["price+", "price+,service-", "service-,price-"], "price+,service-"),
        (["price+", "price-", "price~"], "none"),
        (["price+", "none", "none"], "none"),
        (["price+", "price+"], "price+"),
        (["price+", "price-"], "none"),
        (["none", "none", "none"], "none"),
    ],
)
def test_an_aspect_is_elected_by_more_than_half_of_the_answers(votes: list[str], elected: str) -> None:
    assert sentiment(votes=len(votes)).elected(votes) == elected


def test_confidence_is_the_share_of_answers_that_say_so_and_nothing_where_there_is_one() -> None:
    (row,) = rows_of("x")
    votes = ("price+,service-", "price+", "price+,service~")

    def shares(answer: str, given: Sequence[str]) -> list[Any]:
        return [record["confidence"] for record in sentiment().records(row, answer, given)]

    assert shares("price+", votes) == [Decimal("1.000")]
    assert shares("price+,service-", votes) == [Decimal("1.000"), Decimal("0.333")]
    assert shares("none", ("none", "price+", "none")) == [Decimal("0.667")]
    assert shares("price+", ("price+",)) == shares("price+", ()) == [None]


# Votes, through the asker


async def test_each_row_is_asked_as_often_as_said_in_other_orders_of_rows_and_aspects() -> None:
    model = RowModel(lambda text, _: "1+")
    texts = [f"late parcel {n}" for n in range(12)]
    answers = await ask(model, *texts, votes=3)
    assert [sorted(rows) for rows in model.asked] == [sorted(texts)] * 3
    assert len({tuple(rows) for rows in model.asked}) == 3, "each time in another order"
    firsts = [request.system.split("<aspects>\n1 ")[1].split("\n")[0] for request in model.requests]
    assert firsts == ["price", "quality", "delivery"]
    # A model that always takes the first aspect contradicts itself once the order is another.
    assert set(answers.labels) == {"none"}
    assert answers.votes[0] == ("price+", "quality+", "delivery+")
    assert answers.spent.calls == 3


def by_name(text: str, request: Request) -> str:
    """A model that means the same aspect wherever it stands."""
    numbers = dict(re.findall(r"^(\d+) (\w+)$", request.system, re.MULTILINE)[::-1])
    (number,) = (number for number, name in numbers.items() if name == text)
    return f"{number}-"


async def test_a_model_that_means_what_it_says_agrees_with_itself() -> None:
    answers = await ask(RowModel(by_name), "price", "usability", votes=3)
    assert list(answers.labels) == ["price-", "usability-"]
    labelled = answers.labelled(sentiment(votes=3), rows_of("price", "usability"))
    assert [each.records[0]["confidence"] for each in labelled] == [Decimal("1.000")] * 2
    assert [each.counts_as for each in labelled] == ["negative", "negative"]


async def test_equal_rows_have_equal_answers_and_votes() -> None:
    answers = await ask(RowModel(by_name), "price", "price", votes=2)
    assert answers.votes[0] == answers.votes[1] == ("price-", "price-")
    assert answers.spent.calls == 2


async def test_a_vote_that_the_model_is_away_for_is_left_out_and_the_row_keeps_its_answer() -> None:
    class AwayAfterTheFirst(RowModel):
        async def converse(self, request: Request) -> Any:
            if self.asked:
                raise TransientError("throttled")
            return await RowModel.converse(self, request)

    answers = await ask(AwayAfterTheFirst(by_name), "price", votes=3)
    assert (list(answers.labels), answers.votes) == (["price-"], {})
    (labelled,) = answers.labelled(sentiment(votes=3), rows_of("price"))
    assert labelled.records[0]["confidence"] is None


async def test_a_row_without_any_valid_answer_is_unknown_and_gets_no_votes() -> None:
    model = RowModel(lambda text, request: None if text == "bad" else by_name(text, request))
    answers = await ask(model, "bad", "price", votes=2)
    assert (list(answers.labels), answers.votes) == (["unknown", "price-"], {1: ("price-", "price-")})
    assert ["bad"] not in model.asked[2:], "one more try alone, and no vote"


async def test_hostile_rows_bring_nothing_but_aspects_and_signs() -> None:
    """A model that does what rows say: answers with the text itself, or with any number it finds in it."""
    texts = [text for family in (*SPEAKING.values(), *BURDENING.values()) for text in family if text.strip()][:250]
    random = Random(3)

    def obeys(text: str, _: Request) -> str:
        found = re.findall(r"\d+", text)
        return random.choice([text[:40], f"{found[0]}+" if found else "1-", "1+\n2:3-\n3:1~", "0"])

    task = sentiment()
    answers = await ask(RowModel(obeys), *texts)
    assert all(label is not None and CANONICAL.fullmatch(label) for label in answers.labels)
    for each in answers.labelled(task, rows_of(*texts)):
        for record in each.records:
            assert record["aspect"] in (None, *ASPECTS)
            assert record["polarity"] in ("positive", "negative", "mixed", "none", "unknown")
            assert record["product_name"] is record["store"] is None


# Settings


def test_aspects_are_names_separated_by_commas() -> None:
    assert aspects_in(" price , after-sales ,Bedienung der  App,") == ("price", "after-sales", "Bedienung der App")
    assert aspects_in(",".join(ASPECTS)) == ASPECTS


@pytest.mark.parametrize(
    "text",
    [
        "", " , ", "none", "price,Unknown", "price,Price", "price-", "+price", "x" * (LONGEST_ASPECT + 1),
        "price,<b>", "price:1", ",".join(f"a{n}" for n in range(MOST_ASPECTS + 1)),
    ],
)  # fmt: skip
def test_what_cannot_be_told_from_an_answer_is_no_aspect(text: str) -> None:
    with pytest.raises(ValueError, match="aspect"):
        aspects_in(text)


def test_an_answer_with_names_of_several_words_is_read_back() -> None:
    task = tasks_of(TaskOptions(sentiment_aspects=("after-sales", "look & feel"), sentiment_votes=3)).named("sentiment")
    assert task.votes == 3
    said = task.read("1:1-,2~", 1, NOTHING)[1]
    assert said == "after-sales-,look & feel~"
    (row,) = rows_of("x")
    assert [(record["aspect"], record["polarity"]) for record in task.records(row, said, ())] == [
        ("after-sales", "negative"),
        ("look & feel", "mixed"),
    ]
