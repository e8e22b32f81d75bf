"""What people say of labels, on both engines: counted truly, once a line, whatever is killed, and told like a run."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.feedback_tagger.accuracy import AccuracyKeeper
from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.correcting import CorrectionFiles
from services.feedback_tagger.domain.accuracy import ACCURACY_DOCUMENT_KEY
from services.feedback_tagger.domain.corrections import corrections_document_key, corrections_id
from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.messages.uploaded import Uploaded
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.store.port import LabelledRow
from shared.errors import TransientError
from shared.messages import MessageSchema
from shared.notifications.memory import MemoryNotifications
from tests.support.databases import Sql
from tests.support.ingesting import Crash, Strikes

RESULT = MessageSchema.from_package("services.feedback_tagger.messages", "correction_result.schema.json")


@pytest.fixture
def sql(any_database: str) -> Sql:
    return Sql(any_database)


@pytest.fixture
async def store(any_database: str) -> AsyncIterator[Store]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=4) as store:
        yield store


async def rows(store: Store, *labels: str, ref: str = "r") -> None:
    """One row a label: r-1, r-2 and so on."""
    labelled = [
        LabelledRow(
            Row(line=0, identity=f"{ref}-{n}", feedback=Feedback(feedback=f"text {n}", ref_id=f"{ref}-{n}")), label
        )
        for n, label in enumerate(labels, start=1)
    ]
    await store.rows.add_singles(labelled, execution_ids=["m"] * len(labelled))


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
    """One bucket and store, and as many lives of the entrance as a test wants."""

    def __init__(self, store: Store, *, strikes: Strikes | None = None) -> None:
        self.store = store
        self.bucket = MemoryBucket()
        self.told = MemoryNotifications()
        self.strikes = strikes or Strikes()

    def entrance(self, *, lines_at_once: int = 500) -> CorrectionFiles:
        store: Any = Struck(self.store.corrections, self.strikes)
        told: Any = Struck(self.told, self.strikes)
        keeper = AccuracyKeeper(store=self.store.corrections, bucket=self.bucket, now=lambda: 0.0)
        return CorrectionFiles(
            store=store,
            bucket=self.bucket,
            notifications=told,
            keep_accuracy=keeper.keep,
            now=lambda: 0.0,
            lines_at_once=lines_at_once,
        )

    def put(self, text: str | bytes, *, name: str = "a.csv", sequencer: str = "1") -> Uploaded:
        key = f"uploads/corrections/{name}"
        self.bucket.objects[key] = text if isinstance(text, bytes) else text.encode()
        etag = self.bucket.etag(key)
        return Uploaded(
            bucket="bucket", key=key, etag=etag, version_id=None, sequencer=sequencer, principal="AWS:an analyst"
        )

    async def correct(self, text: str | bytes, **options: Any) -> dict[str, Any]:
        uploaded = self.put(text, **options)
        await self.entrance().take(uploaded)
        return self.document(uploaded)

    def document(self, uploaded: Uploaded) -> dict[str, Any]:
        upload_id = corrections_id(uploaded.bucket, uploaded.key, etag=uploaded.etag)
        return RESULT.read(self.bucket.objects[corrections_document_key(upload_id)].decode())

    def rejects(self, document: dict[str, Any]) -> list[list[str]]:
        (key,) = document["rejects"]
        return list(csv.reader(io.StringIO(self.bucket.objects[key].decode("utf-8-sig"))))[1:]


def counts(document: dict[str, Any]) -> dict[str, int]:
    names = ("lines", "changed", "cleared", "unchanged", "not_found", "invalid")
    return {name: document[name] for name in names if document[name]}


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


async def corrections(sql: Sql) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await sql.rows("select ref_id, label_correction from customer_feedback order by id")]


async def test_each_line_is_counted_as_what_became_of_it(store: Store, desk: Desk, sql: Sql) -> None:
    await rows(store, "Payment", "Payment", "unknown")
    document = await desk.correct(
        "ref_id,label_correction\nr-1, package SHIPMENT\nr-2,Nonsense\nr-3,\nr-9,Payment\nr-1,Package shipment\n"
    )

    assert counts(document) == {"lines": 5, "changed": 1, "unchanged": 1, "not_found": 1, "invalid": 2}
    assert document["status"] == "partial"
    assert document["by_label"] == {"Package shipment": 1}
    assert await corrections(sql) == [("r-1", "Package shipment"), ("r-2", None), ("r-3", None)]
    assert [(line, column) for line, column, _ in desk.rejects(document)] == [
        ("3", "label_correction"),
        ("4", "label_correction"),
        ("5", "ref_id"),
    ]
    assert await sql.value("select label from feedback_latest where ref_id = 'r-1'") == "Package shipment"
    assert desk.told.published[-1].attributes["status"] == "partial"


async def test_the_same_file_again_changes_nothing_and_says_so(store: Store, desk: Desk) -> None:
    await rows(store, "Payment", "Payment")
    file = "ref_id,label_correction\nr-1,Package shipment\nr-2,Payment\n"
    assert counts(await desk.correct(file)) == {"lines": 2, "changed": 2}

    again = await desk.correct(file, sequencer="2")
    assert (counts(again), again["revision"], again["status"]) == ({"lines": 2, "unchanged": 2}, 2, "complete")
    assert counts(await desk.correct(file, name="b.csv")) == {"lines": 2, "unchanged": 2}


async def test_a_notification_that_comes_again_undoes_nothing_that_was_said_since(
    store: Store, desk: Desk, sql: Sql
) -> None:
    await rows(store, "Payment")
    first = desk.put("ref_id,label_correction\nr-1,Package shipment\n")
    await desk.entrance().take(first)
    await desk.correct("ref_id,label_correction\nr-1,Hardware failures\n", name="b.csv")
    told = len(desk.told.published)
    await desk.entrance().take(first)

    assert await corrections(sql) == [("r-1", "Hardware failures")]
    assert len(desk.told.published) == told


async def test_a_file_that_was_overruled_can_be_sent_once_more(store: Store, desk: Desk, sql: Sql) -> None:
    await rows(store, "Payment")
    await desk.correct("ref_id,label_correction\nr-1,Package shipment\n")
    await desk.correct("ref_id,label_correction\nr-1,Hardware failures\n", name="b.csv")
    again = await desk.correct("ref_id,label_correction\nr-1,Package shipment\n", sequencer="2")

    assert counts(again) == {"lines": 1, "changed": 1}
    assert await corrections(sql) == [("r-1", "Package shipment")]


async def test_a_correction_is_taken_back_only_on_purpose(store: Store, desk: Desk, sql: Sql) -> None:
    await rows(store, "Payment")
    await desk.correct("ref_id,label_correction\nr-1,Package shipment\n")
    document = await desk.correct("ref_id,label_correction\nr-1,\n", name="b.csv")
    assert counts(document) == {"lines": 1, "invalid": 1}
    assert await corrections(sql) == [("r-1", "Package shipment")]

    assert counts(await desk.correct("ref_id,label_correction\nr-1,[clear]\n", name="c.csv")) == {
        "lines": 1,
        "cleared": 1,
    }
    assert await corrections(sql) == [("r-1", None)]
    assert counts(await desk.correct("ref_id,label_correction\nr-1,[Clear]\n", name="d.csv")) == {
        "lines": 1,
        "unchanged": 1,
    }


async def test_of_several_rows_with_one_ref_id_the_one_that_counts_is_corrected(
    store: Store, desk: Desk, sql: Sql
) -> None:
    await rows(store, "Payment", "Payment")
    await sql.run("update customer_feedback set ref_id = 'same', create_date = '2024-05-01' where id = 1")
    await sql.run("update customer_feedback set ref_id = 'same', create_date = '2024-04-01' where id = 2")
    assert counts(await desk.correct("ref_id,label_correction\nsame,Package shipment\n")) == {"lines": 1, "changed": 1}

    assert await corrections(sql) == [("same", "Package shipment"), ("same", None)]
    assert await sql.value("select label from feedback_latest") == "Package shipment"


async def test_rows_are_named_by_the_table_s_own_ids_too_and_both_must_agree(
    store: Store, desk: Desk, sql: Sql
) -> None:
    await rows(store, "Payment", "Payment")
    document = await desk.correct(
        '{"id": 1, "label_correction": "Package shipment"}\n'
        '{"id": 2, "ref_id": "r-7", "label_correction": "Package shipment"}\n'
        '{"id": "x", "label_correction": "Payment"}\n'
        '{"ref_id": "r-2", "label_correction": "unknown"}\n',
        name="a.jsonl",
    )
    assert counts(document) == {"lines": 4, "changed": 2, "not_found": 1, "invalid": 1}
    assert await corrections(sql) == [("r-1", "Package shipment"), ("r-2", "unknown")]


async def test_two_lines_that_contradict_each_other_leave_the_first_one_also_across_pieces(
    store: Store, desk: Desk, sql: Sql
) -> None:
    await rows(store, "Payment", "Payment")
    file = "ref_id,label_correction\nr-1,Package shipment\nr-2,Payment\nr-1,Hardware failures\n"
    uploaded = desk.put(file)
    await desk.entrance(lines_at_once=1).take(uploaded)

    assert counts(desk.document(uploaded)) == {"lines": 3, "changed": 2, "invalid": 1}
    assert await corrections(sql) == [("r-1", "Package shipment"), ("r-2", "Payment")]
    again = await desk.correct(file, name="b.csv")
    assert counts(again) == {"lines": 3, "unchanged": 2, "invalid": 1}


async def test_a_deleted_category_is_no_label_and_its_rows_keep_it(store: Store, desk: Desk, sql: Sql) -> None:
    await rows(store, "Payment", "Payment")
    await desk.correct("ref_id,label_correction\nr-1,Package shipment\n")
    await sql.run("update customer_feedback_category set deleted = true where category_name = 'Package shipment'")
    document = await desk.correct("ref_id,label_correction\nr-2,Package shipment\n", name="b.csv")

    assert (counts(document), document["status"]) == ({"lines": 1, "invalid": 1}, "failed")
    assert "deleted" in desk.rejects(document)[0][2]
    assert await sql.value("select label from feedback_latest where ref_id = 'r-1'") == "Package shipment"


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (b"", "is empty"),
        (b"ref_id,label\nr-1,Payment\n", "has no column label_correction"),
        (b"label_correction\nPayment\n", "has no column id or ref_id"),
        (b"ref_id,label_correction\n", "no corrections"),
        (b"PK\x03\x04 packed", "zip"),
        (b'[{"id": 1}]', "JSON Lines"),
    ],
)
async def test_a_file_that_cannot_be_read_fails_with_a_reason(desk: Desk, file: bytes, problem: str) -> None:
    document = await desk.correct(file)
    assert document["status"] == "failed"
    assert problem in document["problem"]


async def test_over_a_fifth_of_lines_without_a_row_is_a_failure(store: Store, desk: Desk) -> None:
    await rows(store, *["Payment"] * 4)
    lines = [*(f"r-{number},Payment" for number in range(1, 5)), "nobody,Payment"]
    assert (await desk.correct("\n".join(["ref_id,label_correction", *lines])))["status"] == "partial"
    lines.append("nobody else,Payment")
    assert (await desk.correct("\n".join(["ref_id,label_correction", *lines])))["status"] == "failed"


async def test_whatever_is_killed_every_line_is_counted_once_and_told(store: Store, sql: Sql) -> None:
    await rows(store, *["Payment"] * 6)
    lines = [f"r-{number},Package shipment" for number in range(1, 7)]
    file = "\n".join(["ref_id,label_correction", *lines, "r-9,Payment", "r-1,Nonsense"])
    probe = Desk(store)
    await probe.entrance(lines_at_once=3).take(probe.put(file, name="probe.csv"))
    assert probe.strikes.moments > 10
    for moment in range(1, probe.strikes.moments + 1):
        await sql.run("update customer_feedback set label_correction = null")
        desk = Desk(store, strikes=Strikes(at=moment))
        uploaded = desk.put(file, name=f"{moment}.csv")
        with pytest.raises(Crash):
            await desk.entrance(lines_at_once=3).take(uploaded)
        await desk.entrance(lines_at_once=3).take(uploaded)

        document = desk.document(uploaded)
        assert counts(document) == {"lines": 8, "changed": 6, "not_found": 1, "invalid": 1}, moment
        assert len(desk.rejects(document)) == 2
        assert [label for _, label in await corrections(sql)] == ["Package shipment"] * 6
        assert {told.notification_id for told in desk.told.published} == {f"{document['corrections_id']}:1"}


async def test_two_tasks_at_one_file_see_to_each_line_once(store: Store, desk: Desk, sql: Sql) -> None:
    await rows(store, *["Payment"] * 20)
    lines = [f"r-{number},Package shipment" for number in range(1, 21)]
    uploaded = desk.put("\n".join(["ref_id,label_correction", *lines]))
    outcomes = await asyncio.gather(
        *(desk.entrance(lines_at_once=2).take(uploaded) for _ in range(3)), return_exceptions=True
    )
    assert all(outcome is None or isinstance(outcome, TransientError) for outcome in outcomes)
    await desk.entrance().take(uploaded)
    assert counts(desk.document(uploaded)) == {"lines": 20, "changed": 20}
    assert await sql.value("select count(*) from feedback_correction") == 20


async def test_a_message_that_dies_ends_the_upload_with_what_was_done(store: Store, desk: Desk) -> None:
    await rows(store, "Payment", "Payment")
    uploaded = desk.put("ref_id,label_correction\nr-1,Package shipment\nr-2,Payment\n")
    desk.strikes.at = 5  # behind the first piece
    with pytest.raises(Crash):
        await desk.entrance(lines_at_once=1).take(uploaded)
    await desk.entrance().bury(uploaded, "received too often")

    document = desk.document(uploaded)
    assert (document["status"], document["changed"]) == ("failed", 1)
    assert "received too often" in document["problem"]


async def test_the_bucket_has_how_good_the_labels_are(store: Store, desk: Desk, sql: Sql) -> None:
    await rows(store, "Payment", "Payment", "Payment", "unknown", "Package shipment")
    lines = ["r-1,Payment", "r-2,Payment", "r-3,Package shipment", "r-4,Payment", "r-5,Package shipment"]
    await sql.run("update customer_feedback set create_date = '2024-03-05'")
    await desk.correct("\n".join(["ref_id,label_correction", *lines]))

    document = json.loads(desk.bucket.objects[ACCURACY_DOCUMENT_KEY])
    assert (document["corrected"], document["agreed"], document["accuracy"]) == (5, 3, 0.6)
    of = {entry["category"]: entry for entry in document["by_category"]}
    assert (of["Payment"]["precision"], of["Payment"]["recall"]) == (0.6667, 0.6667)
    assert (of["Package shipment"]["precision"], of["Package shipment"]["recall"]) == (1.0, 0.5)
    assert (of["unknown"]["precision"], of["unknown"]["recall"]) == (0.0, None)
    assert document["by_month"] == [{"month": "2024-03", "corrected": 5, "agreed": 3, "accuracy": 0.6}]
    by_view = await sql.dicts("select * from feedback_accuracy_by_category order by category")
    shown = [
        (row["category"], int(row["said_count"]), int(row["right_count"]), int(row["agreed_count"])) for row in by_view
    ]
    assert shown == [("Package shipment", 1, 2, 1), ("Payment", 3, 3, 2), ("unknown", 1, 0, 0)]
    assert float(await sql.value("select accuracy from feedback_accuracy_by_month")) == 0.6
