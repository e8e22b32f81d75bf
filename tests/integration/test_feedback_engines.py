"""The same files through ingest, pool and finaliser on both engines: the same rows, results and views."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.feedback_tagger.asking.asker import Asker
from services.feedback_tagger.asking.looking import Outlook
from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.domain.run import Terms
from services.feedback_tagger.finaliser import Finaliser
from services.feedback_tagger.ingest import Ingest
from services.feedback_tagger.messages.chunk import read_chunk
from services.feedback_tagger.pool import Pool
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from shared.model.port import Reply, Request, Text, Usage
from shared.notifications.memory import MemoryNotifications
from shared.queue.memory import MemoryQueue
from shared.queue.message import DeadLetter, Message, Outgoing
from shared.queue.port import Failed
from tests.support.databases import Sql
from tests.support.feedback import a_file, a_row, many_rows

VIEWS = (
    "feedback_latest",
    "feedback_by_category",
    "feedback_by_month",
    "feedback_unknown_by_month",
    "feedback_accuracy",
    "feedback_run_summary",
    "feedback_cost_by_month",
)
# What differs between any two runs: when they ran, and the numbers that the database gives.
OF_THE_MOMENT = {"id", "started_at", "finished_at", "last_updated_time", "seconds", "waiting_until"}
FILE = [
    *many_rows(30),
    many_rows(1)[0],
    a_row(id="R-1", feedback="An id in capitals \U0001f4a5 with \\ and ' and \"", date="1/2/1970 00:00"),
    a_row(id="r-1", feedback="The same id again, later", date="13/12/2024 23:59", stars="4.5"),
    a_row(id="", feedback="Nobody's", stars="", store=""),
    a_row(id="x", feedback="", date="1/1/2024"),
    a_row(id="y", date="never"),
]


class EveryThird:
    """A model that gives each row a category by its place: 1, 2, then none."""

    async def converse(self, request: Request) -> Reply:
        (text,) = request.turns[0].blocks
        assert isinstance(text, Text)
        rows = text.text.count("\n") - 1
        answer = "\n".join(f"{row}:{row % 3}" for row in range(1, rows + 1))
        usage = Usage(input_tokens=90 + rows, output_tokens=3 * rows)
        return Reply(blocks=(Text(answer),), stop_reason="end_turn", usage=usage, latency_ms=1)


class SentChunks(MemoryQueue):
    """A queue that hands over what was sent, in order."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._bodies: list[str] = []

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        self._bodies.extend(message.body for message in messages)
        return []

    def take(self) -> list[str]:
        bodies, self._bodies = self._bodies, []
        return bodies


@dataclass(slots=True)
class Side:
    """One engine and everything around it."""

    store: Store
    sql: Sql
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    mail: MemoryNotifications = field(default_factory=MemoryNotifications)
    chunks: "SentChunks" = field(default_factory=lambda: SentChunks("chunks"))

    async def tag(self, name: str, body: bytes, *, sequencer: str = "1", lose: int | None = None) -> None:
        self.bucket.objects[f"uploads/{name}"] = body
        place = {
            "key": f"uploads/{name}",
            "eTag": self.bucket.etag(f"uploads/{name}"),
            "sequencer": sequencer,
        }
        record = {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.bucket.name}, "object": place},
        }
        ingest = Ingest(
            store=self.store.runs,
            bucket=self.bucket,
            chunks=self.chunks,
            notifications=self.mail,
            rows_per_prompt=7,
            now=lambda: 1_700_000_000.0,
            uniform=lambda low, high: low,
        )
        await ingest.handle(a_message(json.dumps({"Records": [record]})))
        pool = self._pool()
        for sent in self.chunks.take():
            if read_chunk(sent).number == lose:
                await pool.bury(a_message(sent), DeadLetter("lost on purpose", "PermanentError"))
            else:
                await pool.handle(a_message(sent))
        await self._finaliser().turn()

    async def seen(self) -> dict[str, Any]:
        """Everything that anybody reads, without what belongs to the moment."""
        rows = await self._table(
            "select product_name, store, ref_id, stars, title, feedback, label_llm, create_date, execution_id, run_id,"
            " chunk_no, line_no, row_identity, extra from customer_feedback"
        )
        results = [plain(json.loads(each.body)) for each in self.mail.published]
        documents = {
            key: plain(json.loads(body))
            for key, body in self.bucket.objects.items()
            if key.startswith("runs/") and key.endswith(".json")
        }
        rejects = {key: body for key, body in self.bucket.objects.items() if key.startswith("rejects/")}
        views = {view: await self._table(f"select * from {view}") for view in VIEWS}
        return {"rows": rows, "results": results, "documents": documents, "rejects": rejects, "views": views}

    async def _table(self, sql: str) -> list[dict[str, Any]]:
        found = [{name: value_of(value) for name, value in row.items() if name not in OF_THE_MOMENT}
                 for row in await self.sql.dicts(sql)]  # fmt: skip
        return sorted(found, key=lambda row: json.dumps(row, default=str, sort_keys=True))

    def _pool(self) -> Pool:
        asker = Asker(model=EveryThird(), model_id="m", rows_per_prompt=7, token_hex=lambda size: "ab" * size)
        runs, rows = self.store.runs, self.store.rows
        return Pool(
            store=rows,
            upkeep=self.store.upkeep,
            asker=asker,
            taxonomy=rows.taxonomy,
            outlook=Outlook(runs=runs, rows=rows, run_usd=None, now=lambda: 1_700_000_000.0, seconds=0),
            uniform=lambda low, high: low,
            chunks=MemoryQueue("chunks"),
        )

    def _finaliser(self) -> Finaliser:
        return Finaliser(
            store=self.store.runs,
            bucket=self.bucket,
            notifications=self.mail,
            taxonomy=self.store.rows.taxonomy,
            terms=lambda _: Terms("2026-11-01", 7),
            now=lambda: 1_700_000_000.0,
            beat=lambda: None,
        )


def a_message(body: str) -> Message:
    return Message(
        message_id="m-1", receipt_handle="h", body=body, receive_count=1, sent_at=0, first_received_at=0, sender_id="s"
    )


def value_of(value: Any) -> Any:
    """The same value, whatever a driver makes of it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    return value


def plain(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in OF_THE_MOMENT}


@pytest.fixture
async def sides(postgres_database: str, mysql_database: str) -> AsyncIterator[tuple[Side, Side]]:
    async with AsyncExitStack() as stack:
        both = []
        for url in (postgres_database, mysql_database):
            await migrate_store(door_to(url))
            store = await stack.enter_async_context(open_store(door_to(url), connections=4))
            both.append(Side(store, Sql(url)))
        yield both[0], both[1]


async def test_both_engines_give_the_same_rows_results_and_views(sides: tuple[Side, Side]) -> None:
    whole, header = a_file(FILE), ("id", "stars", "feedback", "date", "Region")
    overlap = a_file([*many_rows(40), a_row(id="z", feedback="New in the second file")])
    more = {"id": "e", "stars": "3", "feedback": "With a column more", "date": "1/2/2024", "region": "n\u00f6rd"}
    extra = a_file([more], header=header)
    for side in sides:
        await side.tag("whole.csv", whole)
        await side.tag("whole.csv", whole, sequencer="2")
        await side.tag("overlap.csv", overlap, lose=5)
        await side.tag("overlap.csv", overlap, sequencer="2")
        await side.tag("extra.csv", extra)
        await side.tag("empty.csv", b"feedback\r\n")
        await side.sql.run(
            "update customer_feedback set label_correction = 'Payment' where ref_id in ('r-3', 'r-4', 'R-1')"
        )
        await side.sql.run("update customer_feedback set label_post_processing = 'New theme' where ref_id = 'r-5'")
    postgres, mysql = [await side.seen() for side in sides]
    assert len(postgres["rows"]) >= 40
    assert len(postgres["results"]) >= 5
    assert all(postgres["views"].values())
    for part, expected in postgres.items():
        assert mysql[part] == expected, part
