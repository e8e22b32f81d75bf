"""Corrections on either engine: a piece of a file is one transaction, and its place in the file is part of it."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from services.feedback_tagger.domain.accuracy import Judged
from services.feedback_tagger.domain.correction_file import Correction
from services.feedback_tagger.domain.correction_rules import Given, KnownRow, Names, Ruling, latest, rulings
from services.feedback_tagger.domain.corrections import CorrectionsState, Fate, corrections_outcome, counted
from services.feedback_tagger.domain.taxonomy import UNKNOWN
from services.feedback_tagger.domain.upload import Rejected
from services.feedback_tagger.store.columns import storable
from services.feedback_tagger.store.corrections import NewUpload
from services.feedback_tagger.store.sql_taxonomy import locked_head
from services.feedback_tagger.store.statements import Database, Statements, first, in_transaction, places, seconds
from shared.backoff import Uniform

_COUNTS = ("lines_done", "changed", "cleared", "unchanged", "not_found", "invalid")
_SAID = "coalesce(nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown')"
_ROW = f"select id, ref_id, create_date, label_correction, {_SAID} as said from customer_feedback"  # noqa: S608


class SqlCorrections:
    """The CorrectionStore port."""

    def __init__(self, database: Database, *, uniform: Uniform = random.uniform) -> None:
        self._database = database
        self._uniform = uniform

    async def open(self, upload: NewUpload) -> CorrectionsState:
        async def once(statements: Statements) -> CorrectionsState:
            row = {
                "upload_id": upload.upload_id,
                "bucket": upload.bucket,
                "object_key": upload.key,
                "principal": upload.principal[:255],
                "sequencers": json.dumps([upload.sequencer]),
                "by_label": "{}",
                "problem": "",
            }
            await statements.insert_missing("feedback_correction_upload", [row], key="upload_id")
            found = await _locked(statements, upload.upload_id)
            seen = json.loads(found["sequencers"])
            if upload.sequencer not in seen:
                await statements.execute(
                    "update feedback_correction_upload set sequencers = %s where upload_id = %s",
                    [json.dumps([*seen, upload.sequencer]), upload.upload_id],
                )
                if found["status"] != "open":
                    await _begin_anew(statements, upload.upload_id)
                    found = await _locked(statements, upload.upload_id)
            return _state(found)

        return await in_transaction(self._database, once, self._uniform)

    async def apply(self, state: CorrectionsState, lines: Sequence[Correction | Rejected]) -> CorrectionsState | None:
        async def once(statements: Statements) -> CorrectionsState | None:
            # First of all locks, as every change of the categories takes it: a category that is renamed meanwhile would
            # leave its old name in rows that the renaming has passed already.
            await locked_head(statements)
            if not _is_there(_state(await _locked(statements, state.upload_id)), state):
                return None
            ruled = await _ruled(statements, state, lines)
            await _write(statements, state, ruled)
            fates: Counter[Fate] = Counter(each.fate for each in ruled)
            labels = Counter(each.label for each in ruled if each.fate == "changed")
            after = counted(state, fates, labels)
            await _keep_counts(statements, after)
            return after

        return await in_transaction(self._database, once, self._uniform)

    async def finish(self, state: CorrectionsState, *, encoding: str, problem: str) -> CorrectionsState | None:
        async def once(statements: Statements) -> CorrectionsState | None:
            found = _state(await _locked(statements, state.upload_id))
            if not _is_there(found, state):
                return None
            await statements.execute(
                "update feedback_correction_upload set problem = %s where upload_id = %s",
                [storable(problem), state.upload_id],
            )
            ended = _state(await _locked(statements, state.upload_id))
            await statements.execute(
                "update feedback_correction_upload set status = %s, encoding = %s, finished_at = current_timestamp(6)"
                " where upload_id = %s",
                [corrections_outcome(ended), encoding, state.upload_id],
            )
            return _state(await _locked(statements, state.upload_id))

        return await in_transaction(self._database, once, self._uniform)

    async def announced(self, state: CorrectionsState) -> None:
        async def once(statements: Statements) -> None:
            await statements.execute(
                "update feedback_correction_upload set announced = %s where upload_id = %s and announced < %s",
                [state.revision, state.upload_id, state.revision],
            )

        await in_transaction(self._database, once, self._uniform)

    async def rejects(self, state: CorrectionsState, *, after: int, at_most: int) -> list[tuple[int, str, str]]:
        async def read(statements: Statements) -> list[tuple[int, str, str]]:
            rows = await statements.fetch(
                "select line_no, column_name, reason from feedback_correction_reject"
                " where upload_id = %s and revision = %s and line_no > %s order by line_no limit %s",
                [state.upload_id, state.revision, after, at_most],
            )
            return [(row["line_no"], row["column_name"], row["reason"]) for row in rows]

        return await in_transaction(self._database, read, self._uniform)

    async def judged(self) -> list[Judged]:
        async def read(statements: Statements) -> list[Judged]:
            rows = await statements.fetch(
                "select month, label_before, label_correction, corrected_count from feedback_confusion"
            )
            return [
                Judged(
                    "" if row["month"] is None else row["month"].strftime("%Y-%m"),
                    row["label_before"],
                    row["label_correction"],
                    int(row["corrected_count"]),
                )
                for row in rows
            ]

        return await in_transaction(self._database, read, self._uniform)


async def _locked(statements: Statements, upload_id: str) -> Mapping[str, Any]:
    found = await first(
        statements, "select * from feedback_correction_upload where upload_id = %s for update", [upload_id]
    )
    assert found is not None  # Never deleted, and inserted by whoever has its id.
    return found


async def _begin_anew(statements: Statements, upload_id: str) -> None:
    zeros = "".join(f", {name} = 0" for name in _COUNTS)
    await statements.execute(
        "update feedback_correction_upload set revision = revision + 1, status = 'open', problem = '',"  # noqa: S608
        f" by_label = '{{}}', started_at = current_timestamp(6), finished_at = null{zeros} where upload_id = %s",
        [upload_id],
    )


def _is_there(found: CorrectionsState, expected: CorrectionsState) -> bool:
    return (found.status, found.revision, found.lines_done) == ("open", expected.revision, expected.lines_done)


async def _ruled(
    statements: Statements, state: CorrectionsState, lines: Sequence[Correction | Rejected]
) -> list[Ruling]:
    wanted = [line for line in lines if isinstance(line, Correction)]
    refs = {line.ref_id for line in wanted if line.row_id is None and line.ref_id is not None}
    by_ref = latest([row for row in await _rows(statements, "ref_id", sorted(refs)) if row.ref_id in refs])
    ids = {line.row_id for line in wanted if line.row_id is not None} | {row.row_id for row in by_ref.values()}
    # Locked in the order of their ids: two files with rows in common wait for each other instead of deadlocking.
    by_id = {row.row_id: row for row in await _rows(statements, "id", sorted(ids), lock=True)}
    return rulings(
        lines,
        await _names(statements),
        by_id=by_id,
        by_ref={ref: by_id[row.row_id] for ref, row in by_ref.items() if row.row_id in by_id},
        given=await _given(statements, state, sorted(by_id)),
    )


async def _rows(statements: Statements, column: str, values: Sequence[Any], *, lock: bool = False) -> list[KnownRow]:
    if not values:
        return []
    sql = f"{_ROW} where {column} in ({places(values)}) order by id{' for update' if lock else ''}"
    return [
        KnownRow(row["id"], row["ref_id"] or "", row["label_correction"] or "", row["said"], row["create_date"])
        for row in await statements.fetch(sql, values)
    ]


async def _names(statements: Statements) -> Names:
    rows = await statements.fetch(
        "select category_name, coalesce(deleted, false) as gone from customer_feedback_category"
        " where coalesce(category_name, '') <> '' order by id"
    )
    return Names(
        [row["category_name"] for row in rows if not row["gone"]],
        [row["category_name"] for row in rows if row["gone"]],
    )


async def _given(statements: Statements, state: CorrectionsState, ids: Sequence[int]) -> dict[int, Given]:
    if not ids:
        return {}
    rows = await statements.fetch(
        # Placeholders alone are put in.
        "select row_id, line_no, label_correction from feedback_correction"  # noqa: S608
        f" where upload_id = %s and revision = %s and row_id in ({places(ids)})",
        [state.upload_id, state.revision, *ids],
    )
    return {row["row_id"]: Given(row["line_no"], row["label_correction"]) for row in rows}


async def _write(statements: Statements, state: CorrectionsState, ruled: Sequence[Ruling]) -> None:
    place = {"upload_id": state.upload_id, "revision": state.revision}
    by_label: defaultdict[str, list[int]] = defaultdict(list)
    log: dict[int, dict[str, Any]] = {}
    for each in ruled:
        if each.row is None:
            continue
        if each.fate in ("changed", "cleared"):
            by_label[each.label].append(each.row.row_id)
        entry = {
            **place,
            "row_id": each.row.row_id,
            "line_no": each.line,
            "fate": each.fate,
            "label_before": each.row.said or UNKNOWN,
            "correction_before": each.row.correction,
            "label_correction": each.label,
        }
        log.setdefault(each.row.row_id, entry)
    for label, ids in sorted(by_label.items()):
        await statements.execute(
            # Placeholders alone are put in.
            "update customer_feedback set label_correction = %s, last_updated_time = current_timestamp(6)"  # noqa: S608
            f" where id in ({places(ids)})",
            [label or None, *sorted(ids)],
        )
    if log:
        await statements.insert_missing("feedback_correction", list(log.values()), key="row_id")
    rejects = [
        {**place, "line_no": each.line, "column_name": each.fault.column[:255], "reason": storable(each.fault.reason)}
        for each in ruled
        if each.fault is not None
    ]
    if rejects:
        await statements.insert_missing("feedback_correction_reject", rejects, key="line_no")


async def _keep_counts(statements: Statements, state: CorrectionsState) -> None:
    counts = ", ".join(f"{name} = %s" for name in _COUNTS)
    await statements.execute(
        f"update feedback_correction_upload set by_label = %s, {counts} where upload_id = %s",  # noqa: S608
        [
            json.dumps(dict(state.by_label), ensure_ascii=False),
            *(getattr(state, name) for name in _COUNTS),
            state.upload_id,
        ],
    )


def _state(row: Mapping[str, Any]) -> CorrectionsState:
    return CorrectionsState(
        upload_id=row["upload_id"],
        bucket=row["bucket"],
        key=row["object_key"],
        principal=row["principal"],
        status=row["status"],
        revision=row["revision"],
        announced=row["announced"],
        problem=row["problem"],
        encoding=row["encoding"],
        by_label=json.loads(row["by_label"]),
        started_at=seconds(row["started_at"]) or 0.0,
        finished_at=seconds(row["finished_at"]),
        **{name: row[name] for name in _COUNTS},
    )
