"""Changes to the categories on either engine."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from services.feedback_tagger.domain.category_name import folded
from services.feedback_tagger.domain.command import Command
from services.feedback_tagger.store.command_log import earlier_outcome, kept_outcome
from services.feedback_tagger.store.discovery import NewProposal, Vector
from services.feedback_tagger.store.sql_vectors import add_members, as_bytes, read_members
from services.feedback_tagger.store.statements import (
    ROWS_AT_ONCE,
    Database,
    Statements,
    first,
    in_transaction,
    places,
    seconds,
)
from services.feedback_tagger.store.taxonomy import (
    Example,
    KnownCategory,
    Outcome,
    Proposal,
    ShownProposal,
    Work,
)
from shared.backoff import Uniform
from shared.errors import PermanentError

_PROPOSAL = (
    "select proposal_id, state, name, description, extends_name, near_proposal, category_id, into_proposal,"
    " part_of, parts"
    " from feedback_proposal"
)


class SqlTaxonomy:
    """The TaxonomyStore port."""

    def __init__(self, database: Database, *, uniform: Uniform = random.uniform) -> None:
        self._database = database
        self._uniform = uniform

    async def change(self, command: Command, work: Work) -> Outcome:
        async def once(statements: Statements) -> Outcome:
            head = await locked_head(statements)
            earlier = await earlier_outcome(statements, command)
            if earlier is not None:
                return earlier
            changing = SqlChanging(statements, command, version=head["version"])
            return await kept_outcome(statements, command, await work(changing))

        return await in_transaction(self._database, once, self._uniform)

    async def version(self) -> int:
        async def read(statements: Statements) -> int:
            head = await first(statements, "select version from feedback_taxonomy_head")
            return 0 if head is None else int(head["version"])

        return await in_transaction(self._database, read, self._uniform)

    async def proposals(self, *, examples: int) -> list[ShownProposal]:
        async def read(statements: Statements) -> list[ShownProposal]:
            return await _shown(statements, examples)

        return await in_transaction(self._database, read, self._uniform)

    async def history(self, *, latest: int) -> list[Mapping[str, Any]]:
        async def read(statements: Statements) -> list[Mapping[str, Any]]:
            events = await statements.fetch(
                "select event_id, version, kind, said_by, principal, proposal_id, category_id, name, reason,"
                " happened_at from feedback_taxonomy_event order by event_id desc limit %s",
                [latest],
            )
            return [{**event, "happened_at": seconds(event["happened_at"])} for event in events]

        return await in_transaction(self._database, read, self._uniform)

    async def relabel_some(self, *, rows: int) -> int | None:
        async def once(statements: Statements) -> int | None:
            return await relabelled(statements, rows)

        return await in_transaction(self._database, once, self._uniform)


class SqlChanging:
    """The Changing port, inside a transaction that has locked the head."""

    def __init__(self, statements: Statements, command: Command, *, version: int) -> None:
        self._statements = statements
        self._command = command
        self._version = version
        self._changed = False

    async def categories(self, *, deleted: bool = False) -> list[KnownCategory]:
        rows = await self._statements.fetch(
            "select id, category_name, coalesce(deleted, false) as gone from customer_feedback_category"
            " where coalesce(category_name, '') <> '' order by id"
        )
        found = [KnownCategory(row["id"], row["category_name"], bool(row["gone"])) for row in rows]
        return [category for category in found if deleted or not category.deleted]

    async def add(self, name: str) -> KnownCategory:
        self._changed = True
        gone = [each for each in await self.categories(deleted=True) if each.deleted]
        again = next((each for each in gone if folded(each.name) == folded(name)), None)
        if again is not None:
            await self._statements.execute(
                "update customer_feedback_category set deleted = false, category_name = %s,"
                " last_updated_time = current_timestamp(6) where id = %s",
                [name, again.category_id],
            )
            return KnownCategory(again.category_id, name)
        row = {"category_name": name, "deleted": False}
        return KnownCategory(await self._statements.insert("customer_feedback_category", row, key="id"), name)

    async def rename(self, category_id: int, name: str) -> None:
        self._changed = True
        await self._statements.execute(
            "update customer_feedback_category set category_name = %s, last_updated_time = current_timestamp(6)"
            " where id = %s",
            [name, category_id],
        )

    async def delete(self, category_id: int) -> None:
        self._changed = True
        await self._statements.execute(
            "update customer_feedback_category set deleted = true, last_updated_time = current_timestamp(6)"
            " where id = %s",
            [category_id],
        )

    async def relabel(self, old: str, new: str) -> None:
        # What is still on its way to the old name goes to the new one at once.
        await self._statements.execute(
            "update feedback_relabel set to_label = %s where to_label = %s and done_at is null", [new, old]
        )
        await self._statements.insert("feedback_relabel", {"from_label": old, "to_label": new}, key="job_id")

    async def proposal(self, proposal_id: int) -> Proposal | None:
        row = await first(self._statements, f"{_PROPOSAL} where proposal_id = %s for update", [proposal_id])
        return None if row is None else _as_proposal(row)

    async def accept(self, proposal_id: int, category: KnownCategory) -> int:
        await self._decide(proposal_id, "accepted", category_id=category.category_id)
        job = {"proposal_id": proposal_id, "to_label": category.name}
        await self._statements.insert("feedback_relabel", job, key="job_id")
        return await self._texts(proposal_id)

    async def reject(self, proposal_id: int) -> None:
        await self._decide(proposal_id, "rejected")

    async def name(self, proposal_id: int, name: str) -> None:
        await self._statements.execute(
            "update feedback_proposal set name = %s where proposal_id = %s", [name, proposal_id]
        )

    async def merge(self, proposal_id: int, into: int) -> int:
        texts = await self._texts(proposal_id)
        await self._decide(proposal_id, "merged", into_proposal=into)
        await self._statements.execute(
            "update feedback_membership set proposal_id = %s where proposal_id = %s", [into, proposal_id]
        )
        return texts

    async def members(self, proposal_id: int) -> list[Vector]:
        return await read_members(self._statements, proposal_id)

    async def split(self, proposal_id: int, parts: Sequence[NewProposal]) -> list[int]:
        whole = await first(
            self._statements, "select pass_no, model_id from feedback_proposal where proposal_id = %s", [proposal_id]
        )
        assert whole is not None
        numbers = []
        for part in parts:
            row = {
                "state": "proposed",
                "pass_no": whole["pass_no"],
                "model_id": whole["model_id"],
                "centroid": as_bytes(part.centroid),
                "part_of": proposal_id,
            }
            numbers.append(await self._statements.insert("feedback_proposal", row, key="proposal_id"))
        moved = [(number, member) for number, part in zip(numbers, parts, strict=True) for member in part.members]
        digests = [member.digest for _, member in moved]
        for start in range(0, len(digests), ROWS_AT_ONCE):
            some = digests[start : start + ROWS_AT_ONCE]
            await self._statements.execute(
                "delete from feedback_membership where proposal_id = %s"  # noqa: S608  placeholders alone are put in
                f" and text_digest in ({places(some)})",
                [proposal_id, *some],
            )
        await add_members(self._statements, moved)
        await self._statements.execute(
            "update feedback_membership set proposal_id = %s where proposal_id = %s", [numbers[0], proposal_id]
        )
        # Merged into none: a task that runs an older release must not add texts to it either, and knows no other word.
        await self._decide(proposal_id, "merged")
        return numbers

    async def note(self, kind: str, reason: str, *, name: str = "", **ids: int | None) -> None:
        categories = None
        if self._changed:
            self._version += 1
            self._changed = False
            await self._statements.execute("update feedback_taxonomy_head set version = %s", [self._version])
            there = await self.categories()
            categories = json.dumps([[each.category_id, each.name] for each in there], ensure_ascii=False)
        event = {
            "version": self._version,
            "kind": kind,
            "said_by": self._command.said_by,
            "principal": self._command.principal,
            "command_id": self._command.command_id,
            "name": name,
            "reason": reason,
            "categories": categories,
            **{"proposal_id": None, "category_id": None, **ids},
        }
        await self._statements.insert("feedback_taxonomy_event", event, key="event_id")

    async def _decide(self, proposal_id: int, state: str, **more: int) -> None:
        columns = "".join(f", {name} = %s" for name in more)
        await self._statements.execute(
            f"update feedback_proposal set state = %s, decided_at = current_timestamp(6){columns}"  # noqa: S608
            " where proposal_id = %s",
            [state, *more.values(), proposal_id],
        )

    async def _texts(self, proposal_id: int) -> int:
        counted = await first(
            self._statements, "select count(*) as texts from feedback_membership where proposal_id = %s", [proposal_id]
        )
        return int(counted["texts"]) if counted else 0


async def locked_head(statements: Statements) -> Mapping[str, Any]:
    """The row that every change of categories and every end of a pass waits for."""
    head = await first(statements, "select version, pass_no from feedback_taxonomy_head for update")
    if head is None:
        raise PermanentError("feedback_taxonomy_head has lost its row; run the migrate command")
    return head


async def relabelled(statements: Statements, rows: int) -> int | None:
    """One piece of the oldest change of labels; its place is kept in the same transaction as the labels."""
    # Who comes second waits here and goes on from where the first one stopped.
    job = await first(
        statements,
        "select job_id, proposal_id, from_label, to_label, after_id, opened_at, current_timestamp(6) as present"
        " from feedback_relabel where done_at is null"
        " order by coalesce(looked_at, opened_at), job_id limit 1 for update",
    )
    if job is None:
        return None
    piece = _members if job["proposal_id"] is not None else _labelled
    changed, last, over = await piece(statements, job, rows)
    ended = "current_timestamp(6)" if over else "null"
    await statements.execute(
        f"update feedback_relabel set after_id = %s, rows_changed = rows_changed + %s, done_at = {ended},"  # noqa: S608
        " looked_at = current_timestamp(6) where job_id = %s",
        [last, changed, job["job_id"]],
    )
    if not changed and not over and last == job["after_id"]:
        return None
    return changed


async def _members(statements: Statements, job: Mapping[str, Any], rows: int) -> tuple[int, int, bool]:
    found = await statements.fetch(
        "select seen.row_id from feedback_unknown_row seen"
        " join feedback_membership member on member.text_digest = seen.text_digest"
        " where member.proposal_id = %s and seen.row_id > %s order by seen.row_id limit %s",
        [job["proposal_id"], job["after_id"], rows],
    )
    ids = [row["row_id"] for row in found]
    if not ids:
        return 0, job["after_id"], True
    changed = await statements.execute(
        # Placeholders alone are put in.
        "update customer_feedback set label_post_processing = %s, last_updated_time = current_timestamp(6)"  # noqa: S608
        " where label_llm = 'unknown' and coalesce(label_correction, '') = ''"
        f" and coalesce(label_post_processing, '') = '' and id in ({places(ids)})",
        [job["to_label"], *ids],
    )
    return changed, ids[-1], len(ids) < rows


# Tasks that began a prompt before the categories changed store its labels minutes later.
FOLLOW_SECONDS = 900.0


async def _labelled(statements: Statements, job: Mapping[str, Any], rows: int) -> tuple[int, int, bool]:
    last = await first(
        statements,
        "select max(id) as last, count(*) as seen from"
        " (select id from customer_feedback where id > %s order by id limit %s) piece",
        [job["after_id"], rows],
    )
    age = (seconds(job["present"]) or 0.0) - (seconds(job["opened_at"]) or 0.0)
    if last is None or not last["seen"]:
        return 0, job["after_id"], age > FOLLOW_SECONDS
    span = [job["after_id"], last["last"]]
    changed = await statements.execute(
        "update customer_feedback set label_post_processing = %s, last_updated_time = current_timestamp(6)"
        " where id > %s and id <= %s and coalesce(label_correction, '') = ''"
        " and coalesce(nullif(label_post_processing, ''), label_llm) = %s",
        [job["to_label"], *span, job["from_label"]],
    )
    changed += await statements.execute(
        "update customer_feedback set label_correction = %s, last_updated_time = current_timestamp(6)"
        " where id > %s and id <= %s and label_correction = %s",
        [job["to_label"], *span, job["from_label"]],
    )
    return changed, int(last["last"]), False


async def _shown(statements: Statements, examples: int) -> list[ShownProposal]:
    counts = {
        row["proposal_id"]: row
        for row in await statements.fetch(
            "select member.proposal_id, count(distinct member.text_digest) as texts, count(seen.row_id) as row_count"
            " from feedback_membership member"
            " join feedback_proposal proposal on proposal.proposal_id = member.proposal_id"
            " left join feedback_unknown_row seen on seen.text_digest = member.text_digest"
            " where proposal.state = 'proposed' group by member.proposal_id"
        )
    }
    shown = []
    for row in await statements.fetch(f"{_PROPOSAL} where state = 'proposed' order by proposal_id"):
        counted = counts.get(row["proposal_id"], {"texts": 0, "row_count": 0})
        shown.append(
            ShownProposal(
                proposal=_as_proposal(row),
                texts=int(counted["texts"]),
                rows=int(counted["row_count"]),
                examples=[
                    Example(each["id"], each["ref_id"] or "", text_shown(each["title"], each["feedback"]))
                    for each in await nearest_rows(statements, row["proposal_id"], examples)
                ],
            )
        )
    return sorted(shown, key=lambda each: (-each.rows, each.proposal.proposal_id))


async def nearest_rows(statements: Statements, proposal_id: int, at_most: int) -> Sequence[Mapping[str, Any]]:
    """One row a text, those nearest to the middle first."""
    return await statements.fetch(
        "select row_of.id, row_of.ref_id, row_of.title, row_of.feedback from customer_feedback row_of join"
        " (select member.text_digest, member.distance, min(seen.row_id) as row_id from feedback_membership member"
        " join feedback_unknown_row seen on seen.text_digest = member.text_digest where member.proposal_id = %s"
        " group by member.text_digest, member.distance order by member.distance, member.text_digest limit %s) nearest"
        " on nearest.row_id = row_of.id order by nearest.distance, nearest.text_digest",
        [proposal_id, at_most],
    )


def text_shown(title: str | None, feedback: str) -> str:
    return f"{title}. {feedback}" if title else feedback


def _as_proposal(row: Mapping[str, Any]) -> Proposal:
    return Proposal(
        proposal_id=row["proposal_id"],
        state="split" if row["state"] == "merged" and row["into_proposal"] is None else row["state"],
        name=row["name"],
        description=row["description"],
        extends=row["extends_name"],
        near=row["near_proposal"],
        category_id=row["category_id"],
        into=row["into_proposal"],
        part_of=row["part_of"],
        parts=json.loads(row["parts"] or "[]"),
    )
