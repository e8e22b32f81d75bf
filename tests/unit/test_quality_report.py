"""A labelled file from its first byte to the report: what is read, asked, compared and shown, and what is refused."""

import io
from html.parser import HTMLParser
from typing import Any

import pytest

from services.feedback_tagger.asking.asker import Asker
from services.feedback_tagger.domain.reading import Source
from services.feedback_tagger.evaluation.judging import judge_of
from services.feedback_tagger.evaluation.labelled import LabelledFile, NoLabels, drawn, read_labelled
from services.feedback_tagger.evaluation.report import Report, as_html, as_json, as_rows
from services.feedback_tagger.evaluation.run import ModelResult, TimedModel, evaluated, question_of
from services.feedback_tagger.tasks import TASKS
from shared.errors import PermanentError
from shared.model.port import Reply, Request, Text, Usage

MODEL_ID = "amazon.nova-lite-v1:0"
CATEGORISE, SENTIMENT = TASKS.named("categorise"), TASKS.named("sentiment")
PAYMENT_AND_DELIVERY = b"id,feedback,kind\n1,charged twice,Payment\n2,box was crushed,Delivery\n3,paid late,payment \n"


def read(content: bytes, column: str, task: Any = CATEGORISE) -> LabelledFile:
    return read_labelled(Source(file=io.BytesIO(content), key="uploads/f.csv"), task, column)


class WordModel:
    """Answers 2 for rows with ``paid`` or ``charged`` and 1 for all others; refuses rows with ``forbidden``."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    async def converse(self, request: Request) -> Reply:
        (block,) = request.turns[0].blocks
        assert isinstance(block, Text)
        self.prompts.append(block.text)
        if "forbidden" in block.text:
            raise PermanentError("will not read that")
        rows = [line.partition("|") for line in block.text.splitlines() if "|" in line]
        lines = [f"{number}:{2 if 'paid' in text or 'charged' in text else 1}" for number, _, text in rows]
        usage = Usage(input_tokens=100, output_tokens=10)
        return Reply(blocks=(Text("\n".join(lines)),), stop_reason="end_turn", usage=usage, latency_ms=5)


async def result_of(
    content: bytes, model: WordModel, *, column: str = "kind", rows_per_prompt: int = 20
) -> ModelResult:
    question = question_of(CATEGORISE, read(content, column).rows)
    clock = iter(float(second) for second in range(10_000))
    watch = TimedModel(model, lambda: next(clock))
    asker = Asker(model=watch, model_id=MODEL_ID, rows_per_prompt=rows_per_prompt, token_hex=lambda n: "ab" * n)
    return await evaluated(question, asker, watch)


def report_of(result: ModelResult, *, stand_in: str = "nobody answered") -> Report:
    return Report(
        file="f.csv",
        task="categorise",
        label="its column 'kind'",
        source="",
        stand_in=stand_in,
        unlabelled=0,
        rejected=0,
        prices_as_of="2026-01-01",
        models=(result,),
    )


class Loads(HTMLParser):
    """Collects what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


async def test_every_labelled_row_is_asked_and_compared() -> None:
    result = await result_of(PAYMENT_AND_DELIVERY, WordModel())

    (field,) = result.fields
    assert field.figures.accuracy == 1.0
    assert field.figures.majority == ("Payment", 2 / 3)
    assert result.spent.calls == len(result.latencies_ms) > 0
    assert set(result.latencies_ms) == {1000.0}


async def test_the_model_is_not_told_the_labels() -> None:
    model = WordModel()
    labelled = b"id,feedback,title\n1,charged twice,Zahlung\n2,box was crushed,Lieferung\n"

    await result_of(labelled, model, column="title")

    assert model.prompts
    assert not any("Zahlung" in prompt or "Lieferung" in prompt for prompt in model.prompts)


async def test_a_row_that_the_model_refuses_counts_as_wrong() -> None:
    refused = PAYMENT_AND_DELIVERY + b"4,forbidden words,Delivery\n"

    result = await result_of(refused, WordModel())

    (field,) = result.fields
    assert result.refused == 1
    assert field.figures.accuracy == 3 / 4
    assert field.figures.confusion["Delivery", "(refused)"] == 1


async def test_the_report_shows_the_same_figures_in_every_form() -> None:
    report = report_of(await result_of(PAYMENT_AND_DELIVERY, WordModel()))

    document = as_json(report)["models"][0]["fields"]["label"]
    assert (document["accuracy"], document["majority"]["accuracy"]) == (1.0, 0.6667)
    assert as_rows(report)[0][3] == "100.0%"
    page = as_html(report)
    assert "100.0%" in page
    assert "66.7%" in page
    assert "nobody answered" in page
    assert "nobody answered" not in as_html(report_of(report.models[0], stand_in=""))


async def test_the_page_loads_nothing_and_takes_no_text_for_markup() -> None:
    hostile = b"id,feedback,kind\n1,charged twice,<img src=x>\n2,box was crushed,Delivery\n"
    page = as_html(report_of(await result_of(hostile, WordModel())))

    loads = Loads()
    loads.feed(page)
    assert loads.found == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page


def test_rows_without_a_label_and_rejects_are_counted_and_left_out() -> None:
    found = read(PAYMENT_AND_DELIVERY + b"4,no label,\n5,,Payment\n", "kind")

    assert (len(found.rows), found.unlabelled, found.rejected) == (3, 1, 1)


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        (PAYMENT_AND_DELIVERY, "label", "its columns beside the tagger's own are: kind"),
        (PAYMENT_AND_DELIVERY, "feedback", "which is no label"),
        (b"id,feedback,kind\n1,charged twice,\n", "kind", "has nothing in a column 'kind'"),
    ],
)
def test_a_column_without_labels_is_refused_with_what_there_is(content: bytes, column: str, said: str) -> None:
    with pytest.raises(NoLabels, match=said):
        read(content, column)


def test_one_label_alone_is_refused() -> None:
    with pytest.raises(NoLabels, match="one label alone"):
        question_of(CATEGORISE, read(b"id,feedback,kind\n1,a,Payment\n2,b, payment\n", "kind").rows)


def test_a_label_that_no_answer_could_equal_is_refused_with_its_line() -> None:
    labelled = read(b"id,feedback,mood\n1,a,positive\n2,b,happy\n", "mood", SENTIMENT)

    with pytest.raises(NoLabels, match="line 3: 'happy'"):
        question_of(SENTIMENT, labelled.rows)


def test_some_rows_are_drawn_alike_each_time_and_stay_in_order() -> None:
    content = b"id,feedback,kind\n" + b"".join(b"%d,text %d,kind %d\n" % (n, n, n // 50) for n in range(100))
    found = read(content, "kind").rows

    chosen = drawn(found, 20)

    assert chosen == drawn(found, 20)
    assert [each.row.line for each in chosen] == sorted(each.row.line for each in chosen)
    assert {each.label for each in chosen} == {"kind 0", "kind 1"}


def test_categories_are_the_labels_whatever_their_case_and_order() -> None:
    assert question_of(CATEGORISE, read(PAYMENT_AND_DELIVERY, "kind").rows).taxonomy.names == ("Delivery", "Payment")


def test_sentiment_is_compared_as_a_whole_where_labels_are_polarities() -> None:
    judge = judge_of(SENTIMENT, ["positive", "Negative", "neutral"])
    row = read(PAYMENT_AND_DELIVERY, "kind").rows[0].row

    assert judge.truth("Negative") == {"overall": "negative"}
    assert judge.truth("neutral") == {"overall": "none"}
    assert judge.said(SENTIMENT, row, "delivery-,price-")["overall"] == "negative"
    assert judge.said(SENTIMENT, row, "delivery-,price+")["overall"] == "mixed"


def test_sentiment_is_compared_by_aspect_where_labels_name_them() -> None:
    judge = judge_of(SENTIMENT, ["delivery-,price+", "none"])
    row = read(PAYMENT_AND_DELIVERY, "kind").rows[0].row

    assert judge.truth("none")["delivery"] == "none"
    truth, said = judge.truth("price+, delivery-"), judge.said(SENTIMENT, row, "delivery-,price-")
    assert (truth["delivery"], said["delivery"]) == ("negative", "negative")
    assert (truth["price"], said["price"]) == ("positive", "negative")
    assert truth["all aspects together"] != said["all aspects together"]
