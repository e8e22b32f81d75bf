"""What people order about categories, on both engines: once, whole or not at all, with a version and a reason."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.commands.categories import category_kinds
from services.feedback_tagger.commands.door import CommandDoor
from services.feedback_tagger.domain.command import answer_key, command_document, command_id
from services.feedback_tagger.messages.uploaded import Uploaded
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from tests.support.databases import Sql


@pytest.fixture
def sql(any_database: str) -> Sql:
    return Sql(any_database)


@pytest.fixture
async def store(any_database: str) -> AsyncIterator[Store]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=4) as store:
        yield store


class Orders:
    """A door, and whoever puts commands before it."""

    def __init__(self, store: Store) -> None:
        self.bucket = MemoryBucket()
        self.door = CommandDoor(
            category_kinds(store.taxonomy, lambda texts: ()), bucket=self.bucket, commands=store.commands
        )
        self.sent = 0

    def put(self, kind: str, **fields: Any) -> Uploaded:
        self.sent += 1
        return self.put_text(json.dumps(command_document(kind, "an analyst", fields)))

    def put_text(self, text: str) -> Uploaded:
        self.sent += 1
        key = f"uploads/commands/{self.sent}.json"
        self.bucket.objects[key] = text.encode()
        return Uploaded(
            bucket="bucket",
            key=key,
            etag=self.bucket.etag(key),
            version_id=None,
            sequencer="1",
            principal="AWS:someone",
        )

    def answer_to(self, uploaded: Uploaded) -> dict[str, Any]:
        identity = command_id(uploaded.bucket, uploaded.key, etag=uploaded.etag)
        return dict(json.loads(self.bucket.objects[answer_key(identity)]))

    async def order(self, kind: str, **fields: Any) -> dict[str, Any]:
        uploaded = self.put(kind, **fields)
        await self.door.take(uploaded)
        return self.answer_to(uploaded)


@pytest.fixture
def orders(store: Store) -> Orders:
    return Orders(store)


async def names(store: Store) -> tuple[str, ...]:
    return (await store.rows.taxonomy()).names


async def test_a_category_that_is_added_is_there_with_a_version_and_its_sender(store: Store, orders: Orders) -> None:
    assert (await orders.order("categories.add", name="  Battery   life "))["status"] == "done"

    assert (await names(store))[-1] == "Battery life"
    assert await store.taxonomy.version() == 2
    (event,) = await store.taxonomy.history(latest=5)
    assert (event["kind"], event["name"], event["said_by"], event["principal"], event["version"]) == (
        "added", "Battery life", "an analyst", "AWS:someone", 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["unknown", " UNKNOWN ", "payment", "Pay\nment", "<b>Straps</b>", "12345", "see www.example.com", "x" * 81]
)
async def test_a_name_that_is_taken_reserved_or_no_plain_line_is_refused_and_changes_nothing(
    store: Store, orders: Orders, name: str
) -> None:
    before = await names(store)
    answer = await orders.order("categories.add", name=name)

    assert (answer["status"], answer["field"]) == ("refused", "name")
    assert await names(store) == before
    assert await store.taxonomy.version() == 1


async def test_a_command_that_comes_again_is_answered_again_and_not_carried_out_twice(
    store: Store, orders: Orders
) -> None:
    added = orders.put("categories.add", name="Straps")
    await asyncio.gather(*(orders.door.take(added) for _ in range(4)))
    first = orders.answer_to(added)
    await orders.order("categories.delete", category="Straps")
    await orders.door.take(added)

    assert orders.answer_to(added) == first
    assert "Straps" not in await names(store)


async def test_what_was_refused_once_stays_refused_when_the_notification_comes_again(
    store: Store, orders: Orders
) -> None:
    too_early = orders.put("categories.rename", category="Straps", name="Bands")
    await orders.door.take(too_early)
    await orders.order("categories.add", name="Straps")
    await orders.door.take(too_early)

    assert orders.answer_to(too_early)["status"] == "refused"
    assert "Straps" in await names(store)


async def test_a_deleted_category_comes_back_as_the_same_one(store: Store, orders: Orders, sql: Sql) -> None:
    await orders.order("categories.delete", category="payment")
    assert "Payment" not in await names(store)
    await orders.order("categories.add", name="PAYMENT")

    assert await sql.value("select count(*) from customer_feedback_category") == 5
    assert "PAYMENT" in await names(store)


async def test_rows_follow_a_category_that_is_renamed_corrections_too_and_others_stay(
    store: Store, orders: Orders, sql: Sql
) -> None:
    await sql.run(
        "insert into customer_feedback (feedback, label_llm, label_post_processing, label_correction) values"
        " ('a', 'Payment', null, null), ('b', 'unknown', 'Payment', null), ('c', 'Hardware failures', null, 'Payment'),"
        " ('d', 'Payment', null, 'Hardware failures'), ('e', 'Hardware failures', null, null)"
    )
    await orders.order("categories.rename", category="Payment", name="Billing")
    while await store.taxonomy.relabel_some(rows=2) is not None:
        pass

    labels = await sql.rows("select label from feedback_latest order by id")
    assert [label for (label,) in labels] == ["Billing", "Billing", "Billing", "Hardware failures", "Hardware failures"]
    assert await sql.value("select label_llm from customer_feedback where feedback = 'a'") == "Payment"


async def test_a_category_that_becomes_part_of_another_gives_it_its_rows(
    store: Store, orders: Orders, sql: Sql
) -> None:
    await sql.run("insert into customer_feedback (feedback, label_llm) values ('a', 'Payment')")
    answer = await orders.order("categories.combine", category="Payment", into_category="Package shipment")
    while await store.taxonomy.relabel_some(rows=100) is not None:
        pass

    assert answer["category"] == "Package shipment"
    assert "Payment" not in await names(store)
    assert await sql.rows("select label from feedback_latest") == [("Package shipment",)]


@pytest.mark.parametrize(
    "text",
    [
        "not json", "[]", "{}", '{"version": 1, "kind": "categories.drop", "by": "x"}',
        '{"version": 1, "kind": "categories.add", "by": "x", "name": "A", "colour": "red"}',
        '{"version": 1, "kind": "categories.add", "by": "x"}', '{"version": 2, "kind": "categories.add", "by": "x"}',
        '{"version": 1, "kind": ["categories.add"], "by": "x"}', "[" * 100_000,
    ],
)  # fmt: skip
async def test_a_document_that_is_no_command_is_refused_with_the_field_at_fault(orders: Orders, text: str) -> None:
    uploaded = orders.put_text(text)
    await orders.door.take(uploaded)

    answer = orders.answer_to(uploaded)
    assert answer["status"] == "refused"
    assert answer["field"]
    assert answer["remedy"]


async def test_the_last_category_cannot_be_deleted(store: Store, orders: Orders) -> None:
    answers = [await orders.order("categories.delete", category=name) for name in await names(store)]

    assert [answer["status"] for answer in answers] == ["done"] * 4 + ["refused"]
