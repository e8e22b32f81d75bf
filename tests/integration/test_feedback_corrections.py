"""The loop that makes labels better: wrong labels are corrected, figures say how good they were, the next run's prompts
show the corrections; on both engines, and whatever is killed on the way."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.bedrock import prompt as endpoint
from local.bedrock import tagger as stand_in
from services.feedback_tagger.accuracy import AccuracyKeeper
from services.feedback_tagger.asking.asker import Asker
from services.feedback_tagger.asking.examples import ExampleRules, Examples
from services.feedback_tagger.asking.looking import Outlook
from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.commands.category_set import CategoryFiles
from services.feedback_tagger.correcting import CorrectionFiles
from services.feedback_tagger.domain.accuracy import ACCURACY_DOCUMENT_KEY
from services.feedback_tagger.entrances import Entrances
from services.feedback_tagger.ingest import Ingest
from services.feedback_tagger.pool import Pool
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from shared.model.port import Reply, Request, Text, Usage
from shared.notifications.memory import MemoryNotifications
from shared.queue.memory import MemoryQueue
from shared.queue.message import Message, Outgoing
from shared.queue.port import Failed
from tests.support.databases import Sql
from tests.support.feedback import a_file, a_row
from tests.support.ingesting import Crash, Strikes

ODD = ("The flumox would not grindle", "My flumox grindled all night", "Why does the flumox never grindle")

EMPTIED = (
    "customer_feedback",
    "feedback_run_example",
    "feedback_chunk_label",
    "feedback_chunk",
    "feedback_run",
    "feedback_correction",
    "feedback_correction_upload",
)


class StandIn:
    """The local endpoint's tagger, asked without a wire; keeps the system prompts that it saw."""

    def __init__(self) -> None:
        self.systems: list[str] = []

    async def converse(self, request: Request) -> Reply:
        self.systems.append(request.system or "")
        (text,) = request.turns[-1].blocks
        assert isinstance(text, Text)
        asked = endpoint.read(
            {"system": [{"text": request.system}], "messages": [{"role": "user", "content": [{"text": text.text}]}]}
        )
        assert asked is not None
        tags = stand_in.tag(asked.categories, asked.rows, tuple(asked.examples))
        usage = Usage(input_tokens=9, output_tokens=3)
        return Reply(blocks=(Text(endpoint.written(tags)),), stop_reason="end_turn", usage=usage, latency_ms=1)


class Sent(MemoryQueue):
    def __init__(self) -> None:
        super().__init__("chunks")
        self.bodies: list[str] = []

    async def send(self, messages: Any) -> list[Failed]:
        some: list[Outgoing] = list(messages)
        self.bodies.extend(message.body for message in some)
        return await super().send(some)


class Struck:
    """A store whose caller dies before or after any of its calls."""

    def __init__(self, inner: Any, strikes: Strikes) -> None:
        self._inner, self._strikes = inner, strikes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def called(*arguments: Any, **named: Any) -> Any:
            self._strikes.moment()
            found = await method(*arguments, **named)
            self._strikes.moment()
            return found

        return called


class Desk:
    """All of the tagger that has to do with files, by hand: a life of it for each call."""

    def __init__(self, store: Store, **rules: Any) -> None:
        self.store = store
        self.bucket = MemoryBucket()
        self.mail = MemoryNotifications()
        self.model = StandIn()
        self.queue = Sent()
        self.rules = ExampleRules(**rules)
        self.strikes = Strikes()

    def door(self) -> Entrances:
        struck: Any = Struck(self.store.corrections, self.strikes)
        ingest = Ingest(
            store=self.store.runs,
            bucket=self.bucket,
            chunks=self.queue,
            notifications=self.mail,
            rows_per_prompt=4,
            now=lambda: 0.0,
            uniform=lambda low, _: low,
        )
        return Entrances(
            bucket=self.bucket.name,
            entrances=(
                CategoryFiles(self.store.taxonomy, bucket=self.bucket, commands=self.store.commands),
                CorrectionFiles(
                    store=struck,
                    bucket=self.bucket,
                    notifications=self.mail,
                    keep_accuracy=AccuracyKeeper(store=struck, bucket=self.bucket, now=lambda: 0.0).keep,
                    now=lambda: 0.0,
                    lines_at_once=2,
                ),
            ),
            feedback=ingest.handle,
            bury_feedback=ingest.bury,
        )

    def pool(self) -> Pool:
        rows: Any = Struck(self.store.rows, self.strikes)
        examples: Any = Struck(self.store.examples, self.strikes)
        return Pool(
            store=rows,
            upkeep=self.store.upkeep,
            asker=Asker(model=self.model, model_id="m", rows_per_prompt=4, token_hex=lambda size: "ab" * size),
            taxonomy=self.store.rows.taxonomy,
            outlook=Outlook(runs=self.store.runs, rows=self.store.rows, run_usd=None, now=lambda: 0.0, seconds=5),
            uniform=lambda low, _: low,
            chunks=MemoryQueue("chunks"),
            examples=Examples(store=examples, rules=self.rules, now=lambda: 0.0),
        )

    def news(self, key: str, body: bytes) -> Message:
        self.bucket.objects[key] = body
        thing = {"key": key, "eTag": self.bucket.etag(key), "sequencer": "1"}
        record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": self.bucket.name}, "object": thing}}
        return a_message(json.dumps({"Records": [record]}))

    async def put(self, key: str, body: bytes | str) -> None:
        message = self.news(key, body if isinstance(body, bytes) else body.encode())
        while True:
            try:
                await self.door().handle(message)
                return
            except Crash:
                continue

    async def tag(self) -> None:
        """Every chunk that was sent, each by a task that may die and be followed by another one."""
        while self.queue.bodies:
            try:
                await self.pool().handle(a_message(self.queue.bodies[0]))
            except Crash:
                continue
            self.queue.bodies.pop(0)

    @property
    def accuracy(self) -> dict[str, Any]:
        return dict(json.loads(self.bucket.objects[ACCURACY_DOCUMENT_KEY]))


def a_message(body: str) -> Message:
    return Message(
        message_id="m",
        receipt_handle="h",
        body=body,
        receive_count=2,
        sent_at=0,
        first_received_at=0,
        sender_id="s",
    )


@pytest.fixture
def sql(any_database: str) -> Sql:
    return Sql(any_database)


@pytest.fixture
async def store(any_database: str) -> AsyncIterator[Store]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=4) as store:
        yield store


def odd_rows(day: int) -> bytes:
    return a_file(
        [
            a_row(id=f"d{day}-{n}", title="", feedback=f"{text} on day {day}.", date=f"2024-03-0{day}")
            for n, text in enumerate(ODD, start=1)
        ]
    )


async def whole_loop(desk: Desk) -> None:
    await desk.put("uploads/one.csv", odd_rows(1))
    await desk.tag()
    lines = [f"d1-{n},hardware FAILURES" for n in (1, 2, 3)]
    await desk.put("uploads/corrections/one.csv", "\n".join(["ref_id,label_correction", *lines]))
    await desk.put("uploads/two.csv", odd_rows(2))
    await desk.tag()


async def test_what_people_correct_is_shown_to_the_next_run_and_labels_get_better(store: Store, sql: Sql) -> None:
    desk = Desk(store)
    await whole_loop(desk)

    assert not any("<examples>" in system for system in desk.model.systems[:1])
    assert "5|The flumox would not grindle on day 1." in desk.model.systems[-1]
    labels = await sql.rows("select ref_id, label, label_source from feedback_latest order by ref_id")
    assert [tuple(row) for row in labels] == [
        *((f"d1-{n}", "Hardware failures", "correction") for n in (1, 2, 3)),
        *((f"d2-{n}", "Hardware failures", "model") for n in (1, 2, 3)),
    ]
    assert (desk.accuracy["corrected"], desk.accuracy["agreed"]) == (3, 0)
    assert await sql.value("select sum(rows_stored) from feedback_run_summary") == 6

    # Now what the second run said is judged too: the figures over time show that it was better.
    await sql.run("update customer_feedback set create_date = '2024-04-01' where ref_id like 'd2-%'")
    lines = [f"d2-{n},Hardware failures" for n in (1, 2, 3)]
    await desk.put("uploads/corrections/two.csv", "\n".join(["ref_id,label_correction", *lines]))
    by_month = {entry["month"]: entry["accuracy"] for entry in desk.accuracy["by_month"]}
    assert by_month == {"2024-03": 0.0, "2024-04": 1.0}


async def test_killed_at_any_moment_the_loop_comes_to_the_same_end(store: Store, sql: Sql) -> None:
    probe = Desk(store)
    await whole_loop(probe)
    expected = await sql.rows("select ref_id, label_llm, label_correction from customer_feedback order by ref_id")
    moments = probe.strikes.moments
    assert moments > 20
    for moment in range(1, moments + 1):
        for table in EMPTIED if sql.engine == "postgres" else (*EMPTIED, "feedback_upload"):
            await sql.run(f"delete from {table}")
        desk = Desk(store)
        desk.strikes.at = moment
        await whole_loop(desk)
        found = await sql.rows("select ref_id, label_llm, label_correction from customer_feedback order by ref_id")
        assert found == expected, moment
        assert await sql.value("select count(*) from feedback_run_example") == 2


async def test_a_run_under_way_keeps_its_examples_when_corrections_come(store: Store, sql: Sql) -> None:
    desk = Desk(store)
    await desk.put("uploads/one.csv", odd_rows(1))
    await desk.tag()
    rows = [a_row(id=f"x-{n}", title="", feedback=f"The flumox grindles {n}.") for n in range(8)]
    await desk.put("uploads/two.csv", a_file(rows))
    first, second = desk.queue.bodies
    await desk.pool().handle(a_message(first))
    lines = [f"d1-{n},Hardware failures" for n in (1, 2, 3)]
    await desk.put("uploads/corrections/one.csv", "\n".join(["ref_id,label_correction", *lines]))
    await desk.pool().handle(a_message(second))

    assert desk.model.systems[-1] == desk.model.systems[-2]
    assert "<examples>" not in desk.model.systems[-1]


async def test_no_prompt_shows_another_product_s_words_where_products_are_tenants(store: Store, sql: Sql) -> None:
    desk = Desk(store, tenant_column="product_name")
    both = [
        a_row(id=f"{product}-{n}", title="", product_name=product, feedback=f"{text} of {product}.")
        for product in ("Alpha", "Beta")
        for n, text in enumerate(ODD)
    ]
    await desk.put("uploads/one.csv", a_file(both))
    await desk.tag()
    lines = [f"{row['id']},Hardware failures" for row in both]
    await desk.put("uploads/corrections/one.csv", "\n".join(["ref_id,label_correction", *lines]))
    before = len(desk.model.systems)
    await desk.put("uploads/two.csv", a_file([{**row, "id": f"again {row['id']}"} for row in both]))
    await desk.tag()

    shown = [system.partition("<examples>")[2] for system in desk.model.systems[before:]]
    assert all(shown)
    assert not [system for system in shown if "of Alpha." in system and "of Beta." in system]
    assert len({system for system in shown if "of Alpha." in system}) == 1


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[]", "categories"),
        ('{"categories": "Payment"}', "categories"),
        ('["Payment", "  payMENT "]', "categories[1]"),
        ('["Payment", "x", ""]', "categories[2]"),
        ('["Payment", "unknown"]', "categories[1]"),
        ('["Payment", "a\\u0007b"]', "categories[1]"),
        ('["Payment", "a\\tb"]', "categories[1]"),
        (json.dumps(["Payment", "long " * 40]), "categories[1]"),
        ('["Payment", 7]', "categories[1]"),
        ('[{"name": "Payment", "colour": "red"}]', "categories[0].colour"),
        ("not json", "body"),
        (json.dumps([f"Name {n}" for n in range(501)]), "categories"),
    ],
)
async def test_a_set_with_a_fault_changes_nothing_and_names_the_entry(store: Store, text: str, field: str) -> None:
    desk = Desk(store)
    before = await store.rows.taxonomy()
    await desk.put("uploads/categories/set.json", text)
    answer = the_answer(desk)
    assert (answer["status"], answer["field"]) == ("refused", field)
    assert await store.rows.taxonomy() == before
    assert await store.taxonomy.version() == 1


def the_answer(desk: Desk) -> dict[str, Any]:
    (key,) = [key for key in desk.bucket.objects if key.startswith("runs/command-")]
    return dict(json.loads(desk.bucket.objects.pop(key)))


async def test_the_set_is_made_what_the_file_says_with_one_version_and_the_same_again_changes_nothing(
    store: Store, sql: Sql
) -> None:
    desk = Desk(store)
    await desk.put("uploads/one.csv", odd_rows(1))
    await desk.tag()
    await sql.run("update customer_feedback set label_llm = 'Payment'")
    names = ["application ISSUES", "Package shipment", "Noise"]
    await desk.put("uploads/categories/a.json", json.dumps(names))
    answer = the_answer(desk)
    assert answer["added"] == ["Noise"]
    assert answer["deleted"] == ["Cloud backup issues", "Payment", "Hardware failures"]
    assert answer["other_spelling"] == ["application ISSUES"]
    assert (await store.rows.taxonomy()).names == ("Application issues", "Package shipment", "Noise")
    assert await store.taxonomy.version() == 2
    # Rows keep the label of a deleted category: what was said about them stays said.
    assert await sql.rows("select distinct label from feedback_latest") == [("Payment",)]

    await desk.put("uploads/categories/b.json", json.dumps({"categories": [{"id": 1, "name": n} for n in names]}))
    assert the_answer(desk)["unchanged"] == 3
    assert await store.taxonomy.version() == 2

    await desk.put("uploads/categories/c.json", json.dumps([*names, "PAYMENT"]))
    assert the_answer(desk)["revived"] == ["PAYMENT"]
    assert (
        await sql.value("select count(*) from customer_feedback_category where lower(category_name) = 'payment'") == 1
    )
    kinds = [event["kind"] for event in await store.taxonomy.history(latest=20)]
    assert sorted(kinds) == ["added", "deleted", "deleted", "deleted", "revived"]
