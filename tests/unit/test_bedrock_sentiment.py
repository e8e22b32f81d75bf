"""The stand-in for sentiment behind the local Bedrock endpoint: which aspects it finds in a clause, and which sign."""

from typing import Any

import pytest

from local.bedrock import prompt, sentiment, stand_ins
from local.bedrock.settings import ModelSettings
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.tasks.sentiment import ASPECTS, read_sentiment
from services.feedback_tagger.tasks.sentiment import sentiment as the_task

NUMBERED = dict(enumerate(ASPECTS, start=1))
TEXTS = (
    "The parcel arrived two weeks late and the box was crushed.",
    "Great value for the money, but it broke after two days",
    "Support never answered my emails",
    "Easy to use and the delivery was fast",
    "Lovely colours, my daughter is happy.",
)


def a_request(texts: tuple[str, ...] = TEXTS, *, system: str = the_task().system(Taxonomy(()))) -> dict[str, Any]:
    rows = "\n".join(f"{number}|{text}" for number, text in enumerate(texts, start=1))
    return {
        "system": [{"text": system}],
        "messages": [{"role": "user", "content": [{"text": f"<rows-8f3a>\n{rows}\n</rows-8f3a>"}]}],
    }


def said(request: dict[str, Any], **settings: Any) -> tuple[str, str]:
    answer = stand_ins.answer(request, ModelSettings(**settings), lambda: "id")
    return answer.by, str(answer.content[0]["text"])


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (TEXTS[0], "3-"),
        (TEXTS[1], "1+,2-"),
        (TEXTS[2], "4-"),
        (TEXTS[3], "3+,5+"),
        (TEXTS[4], "0"),
        ("The delivery was fast. Then the second parcel was late.", "3~"),
        ("Not worth the price", "1-"),
        ("Das Paket kam zu spät, aber die Qualität ist super", "2+,3-"),
        ("", "0"),
    ],
)
def test_a_clause_is_about_what_its_words_name_and_as_good_as_the_lexicon_says(text: str, answer: str) -> None:
    assert sentiment.judge(NUMBERED, {1: text}) == {1: answer}


def test_an_aspect_that_nothing_is_known_about_is_found_where_a_row_names_it() -> None:
    assert sentiment.judge({1: "fragrance"}, {1: "The fragrance is lovely", 2: "The smell is lovely"}) == {
        1: "1+",
        2: "0",
    }


def test_it_answers_our_prompt_so_that_the_task_can_read_it_and_says_that_it_is_a_stand_in() -> None:
    by, text = said(a_request())
    assert by == "deskhand-stand-in/sentiment"
    read = read_sentiment(text, rows=len(TEXTS), aspects=ASPECTS)
    assert read == {1: "delivery-", 2: "price+,quality-", 3: "service-", 4: "delivery+,usability+", 5: "none"}


def test_it_finds_the_same_whatever_the_order_of_the_aspects() -> None:
    task = the_task(votes=3)
    assert task.again is not None
    for vote in (1, 2):
        again = task.again(vote)
        _, text = said(a_request(system=again.system(Taxonomy(()))))
        assert again.read(text, len(TEXTS), Taxonomy(()))[2] == "price+,quality-"


def test_it_slips_on_demand_and_by_seed() -> None:
    clean = said(a_request())[1]
    slipped = said(a_request(), slips={"wrong": 1.0}, seed=4)[1]
    assert slipped == said(a_request(), slips={"wrong": 1.0}, seed=4)[1]
    pairs = list(zip(clean.split("\n"), slipped.split("\n"), strict=True))
    assert all(one != other for one, other in pairs)
    assert len(read_sentiment(slipped, rows=len(TEXTS), aspects=ASPECTS)) == len(TEXTS)
    assert len(said(a_request(), slips={"dropped": 0.5})[1].split("\n")) < len(TEXTS)


def test_a_constant_answer_costs_no_thought() -> None:
    assert said(a_request(), answer="constant")[1] == "\n".join(f"{number}:1+" for number in range(1, len(TEXTS) + 1))


def test_a_prompt_of_categories_is_still_the_taggers() -> None:
    asked = prompt.read(a_request(system="<categories>\n1 Payment\n</categories>"))
    assert asked is not None
    assert asked.kind == "categories"
