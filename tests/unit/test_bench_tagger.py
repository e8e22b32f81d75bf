"""What the tagger's benchmark rests on: peers that ask what ours asks, and figures that mean what they say."""

import json

from bench.constant_model import HEAD_END, answer_to
from bench.tagger.cost import usd_per_million_rows
from bench.tagger.peers import prompt_of, values_of
from bench.tagger.rows import chunk_bodies, feedback, row
from services.feedback_tagger.messages.chunk import read_chunk
from services.feedback_tagger.planner.injection import trips
from services.feedback_tagger.planner.prompt import packed
from services.feedback_tagger.tasks import task_named
from shared.model.prices import PRICES


def test_peers_send_the_prompt_that_ours_sends() -> None:
    (body,) = chunk_bodies("run", chunks=1, rows_per_chunk=20)
    user, most_tokens = prompt_of(json.loads(body))
    mark = user[len("<rows-") : user.index(">")]
    texts = [task_named("categorise").question(each.feedback) for each in read_chunk(body).rows]
    ours = packed("", texts, token_hex=lambda _: mark)
    assert (user, most_tokens) == (ours.user, ours.max_tokens)


def test_no_row_of_the_benchmark_repeats_another_or_is_asked_alone() -> None:
    texts = [feedback(number).feedback for number in range(2_000)]
    assert len(set(texts)) == len(texts)
    assert not any(trips(text) for text in texts)
    assert len({row(number).identity for number in range(2_000)}) == 2_000


def test_the_constant_model_answers_every_row_of_a_prompt() -> None:
    (body,) = chunk_bodies("run", chunks=1, rows_per_chunk=20)
    user, _ = prompt_of(json.loads(body))
    request = json.dumps({"messages": [{"role": "user", "content": [{"text": user}]}]}).encode()
    reply = json.loads(answer_to(request).split(HEAD_END, 1)[1])
    text = reply["output"]["message"]["content"][0]["text"]
    assert text.splitlines() == [f"{number}:1" for number in range(1, 21)]


def test_a_peer_stores_the_category_that_was_answered_and_unknown_for_the_rest() -> None:
    (body,) = chunk_bodies("run", chunks=1, rows_per_chunk=3)
    columns = values_of(json.loads(body), "1:2\n2:9", ["Payment", "Shipment"])
    assert ["Shipment", "unknown", "unknown"] in columns


def test_the_published_assumption_of_the_reference_costs_4500_dollars() -> None:
    price = PRICES.of("anthropic.claude-3-sonnet-20240229-v1:0")
    assert price is not None
    assert usd_per_million_rows(price, 1000, 100) == 4500.0
