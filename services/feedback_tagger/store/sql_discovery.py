"""What discovery keeps, on either engine."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from services.feedback_tagger.domain.spent import NANO, NOTHING, Spent
from services.feedback_tagger.store.discovery import (
    Grown,
    KnownProposal,
    Pass,
    Placing,
    UnknownRow,
    Unnamed,
    Vector,
)
from services.feedback_tagger.store.sql_taxonomy import locked_head, nearest_rows, text_shown
from services.feedback_tagger.store.sql_vectors import add_members, as_bytes, as_numbers, read_members
from services.feedback_tagger.store.statements import ROWS_AT_ONCE, Database, Statements, first, in_transaction, places
from shared.backoff import Uniform

ITSELF = "discovery"
_UNLABELLED = (
    "label_llm = 'unknown' and coalesce(label_correction, '') = '' and coalesce(label_post_processing, '') = ''"
)


class SqlDiscovery:
    """The DiscoveryStore port."""

    def __init__(self, database: Database, *, uniform: Uniform = random.uniform) -> None:
        self._database = database
        self._uniform = uniform

    async def fresh_rows(self, *, at_most: int) -> list[UnknownRow]:
        rows = await self._fetch(
            # A condition of our own.
            "select found.id, found.title, found.feedback from customer_feedback found"  # noqa: S608
            " left join feedback_run run on run.run_id = found.run_id"
            f" where {_UNLABELLED} and coalesce(run.status, '') <> 'open'"
            " and not exists (select 1 from feedback_unknown_row seen where seen.row_id = found.id)"
            " order by found.id limit %s",
            [at_most],
        )
        return [UnknownRow(row["id"], row["title"], row["feedback"]) for row in rows]

    async def note_rows(self, digests: Mapping[int, str]) -> None:
        async def note(statements: Statements) -> None:
            texts = sorted(set(digests.values()))
            await statements.insert_missing(
                "feedback_text", [{"text_digest": digest} for digest in texts], key="text_digest"
            )
            await statements.insert_missing(
                "feedback_unknown_row",
                [{"row_id": row, "text_digest": digest} for row, digest in sorted(digests.items())],
                key="row_id",
            )
            for some in _pieces(texts):
                await _label_as_decided(statements, some)

        await in_transaction(self._database, note, self._uniform)

    async def waiting(self) -> int:
        (counted,) = await self._fetch("select count(*) as texts from feedback_text where looked_at is null")
        return int(counted["texts"])

    async def begin_pass(self) -> Pass:
        async def begin(statements: Statements) -> Pass:
            head = await locked_head(statements)
            number = int(head["pass_no"]) + 1
            await statements.insert_missing("feedback_discovery_pass", [{"pass_no": number}], key="pass_no")
            (counted,) = await statements.fetch("select count(*) as texts from feedback_text where looked_at is null")
            return Pass(number=number, texts=int(counted["texts"]))

        return await in_transaction(self._database, begin, self._uniform)

    async def note_quote(self, number: int, *, texts: int, nano_usd: int) -> None:
        await self._execute(
            "update feedback_discovery_pass set texts = %s, quoted_nano_usd = %s where pass_no = %s and texts = 0",
            [texts, nano_usd, number],
        )

    async def without_vector(self, model_id: str, *, at_most: int) -> list[tuple[str, UnknownRow]]:
        rows = await self._fetch(
            "select waiting.text_digest, found.id, found.title, found.feedback from"
            " (select text.text_digest, min(seen.row_id) as row_id from feedback_text text"
            " join feedback_unknown_row seen on seen.text_digest = text.text_digest"
            " where text.looked_at is null and text.problem = '' and not exists (select 1 from feedback_embedding there"
            " where there.text_digest = text.text_digest and there.model_id = %s)"
            " group by text.text_digest order by text.text_digest limit %s) waiting"
            " join customer_feedback found on found.id = waiting.row_id order by waiting.text_digest",
            [model_id, at_most],
        )
        return [(row["text_digest"], UnknownRow(row["id"], row["title"], row["feedback"])) for row in rows]

    async def keep_vectors(
        self, number: int, model_id: str, vectors: Sequence[Vector], spent: Spent, problems: Mapping[str, str]
    ) -> None:
        async def keep(statements: Statements) -> None:
            rows = [
                {
                    "text_digest": vector.digest,
                    "model_id": model_id,
                    "vector": as_bytes(vector.numbers),
                    "tokens": vector.tokens,
                }
                for vector in vectors
            ]
            added = await statements.insert_missing("feedback_embedding", rows, key="text_digest")
            for digest, problem in sorted(problems.items()):
                await statements.execute(
                    "update feedback_text set problem = %s, looked_at = current_timestamp(6) where text_digest = %s",
                    [problem[:255], digest],
                )
            await statements.execute(
                "update feedback_discovery_pass set embedded = embedded + %s where pass_no = %s", [added, number]
            )
            await _add_spent(statements, number, spent)

        await in_transaction(self._database, keep, self._uniform)

    async def vectors(self, digests: Sequence[str], model_id: str) -> list[Vector]:
        found = []
        for some in _pieces(sorted(set(digests))):
            found += await self._fetch(
                "select text_digest, vector from feedback_embedding where model_id = %s"  # noqa: S608
                f" and text_digest in ({places(some)}) order by text_digest",
                [model_id, *some],
            )
        return [Vector(row["text_digest"], as_numbers(row["vector"])) for row in found]

    async def unplaced(self, model_id: str, *, at_most: int) -> list[Vector]:
        rows = await self._fetch(
            "select there.text_digest, there.vector from feedback_embedding there"
            " join feedback_text text on text.text_digest = there.text_digest where there.model_id = %s"
            " and not exists (select 1 from feedback_membership member where member.text_digest = there.text_digest)"
            # Those that wait come first, so that no store of left-overs keeps them from their first look.
            " order by case when text.looked_at is null then 0 else 1 end, there.text_digest limit %s",
            [model_id, at_most],
        )
        return [Vector(row["text_digest"], as_numbers(row["vector"])) for row in rows]

    async def taking(self, model_id: str) -> list[KnownProposal]:
        rows = await self._fetch(
            "select proposal_id, centroid from feedback_proposal where state in ('proposed', 'rejected')"
            " and model_id = %s order by proposal_id",
            [model_id],
        )
        return [KnownProposal(row["proposal_id"], as_numbers(row["centroid"])) for row in rows]

    async def place(self, number: int, model_id: str, placing: Placing) -> bool:
        async def end(statements: Statements) -> bool:
            head = await locked_head(statements)
            if head["pass_no"] != number - 1 or not await _still_take(statements, placing):
                return False
            members = [(proposal, member) for proposal, member in placing.joined]
            for new in placing.new:
                row = {
                    "state": "proposed",
                    "pass_no": number,
                    "model_id": model_id,
                    "centroid": as_bytes(new.centroid),
                }
                proposal = await statements.insert("feedback_proposal", row, key="proposal_id")
                members += [(proposal, member) for member in new.members]
                event = {
                    "version": head["version"],
                    "kind": "proposed",
                    "said_by": ITSELF,
                    "proposal_id": proposal,
                    "reason": f"{len(new.members)} texts without a category mean alike",
                }
                await statements.insert("feedback_taxonomy_event", event, key="event_id")
            await add_members(statements, members)
            for some in _pieces(sorted(placing.seen)):
                await statements.execute(
                    "update feedback_text set looked_at = current_timestamp(6) where looked_at is null"  # noqa: S608
                    f" and text_digest in ({places(some)})",
                    some,
                )
            await statements.execute("update feedback_taxonomy_head set pass_no = %s", [number])
            await statements.execute(
                "update feedback_discovery_pass set joined = %s, proposed = %s, left_over = %s,"
                " ended_at = current_timestamp(6) where pass_no = %s",
                [len(placing.joined), len(placing.new), placing.left, number],
            )
            return True

        return await in_transaction(self._database, end, self._uniform)

    async def unnamed(self, model_id: str, *, texts: int) -> list[Unnamed]:
        async def read(statements: Statements) -> list[Unnamed]:
            found = []
            for row in await statements.fetch(
                "select proposal_id, pass_no, centroid, (select count(*) from feedback_membership member"
                " join feedback_unknown_row seen on seen.text_digest = member.text_digest"
                " where member.proposal_id = feedback_proposal.proposal_id) as row_count from feedback_proposal"
                " where state = 'proposed' and name = '' and model_id = %s order by proposal_id",
                [model_id],
            ):
                near = await nearest_rows(statements, row["proposal_id"], texts)
                found.append(
                    Unnamed(
                        row["proposal_id"],
                        row["pass_no"],
                        as_numbers(row["centroid"]),
                        [text_shown(each["title"], each["feedback"]) for each in near],
                        int(row["row_count"]),
                    )
                )
            return found

        return await in_transaction(self._database, read, self._uniform)

    async def keep_name(
        self, proposal_id: int, name: str, description: str, *, extends: str, near: int | None, spent: Spent = NOTHING
    ) -> None:
        async def keep(statements: Statements) -> None:
            await statements.execute(
                "update feedback_proposal set name = %s, description = %s, extends_name = %s, near_proposal = %s"
                " where proposal_id = %s and name = ''",
                [name, description, extends, near, proposal_id],
            )
            row = await first(statements, "select pass_no from feedback_proposal where proposal_id = %s", [proposal_id])
            if row is not None:
                await _add_spent(statements, row["pass_no"], spent)

        await in_transaction(self._database, keep, self._uniform)

    async def grown(self, model_id: str) -> list[Grown]:
        rows = await self._fetch(
            "select proposal.proposal_id, count(*) as texts from feedback_proposal proposal"
            " join feedback_membership member on member.proposal_id = proposal.proposal_id"
            " where proposal.state = 'proposed' and proposal.model_id = %s"
            " group by proposal.proposal_id, proposal.checked_texts having count(*) <> proposal.checked_texts"
            " order by proposal.proposal_id",
            [model_id],
        )
        return [Grown(row["proposal_id"], int(row["texts"])) for row in rows]

    async def members(self, proposal_id: int) -> list[Vector]:
        return await in_transaction(
            self._database, lambda statements: read_members(statements, proposal_id), self._uniform
        )

    async def keep_parts(self, proposal_id: int, *, texts: int, parts: Sequence[int]) -> None:
        await self._execute(
            "update feedback_proposal set checked_texts = %s, parts = %s where proposal_id = %s",
            [texts, json.dumps(list(parts)), proposal_id],
        )

    async def category_texts(self, *, each: int) -> list[tuple[str, list[UnknownRow]]]:
        async def read(statements: Statements) -> list[tuple[str, list[UnknownRow]]]:
            found = []
            for category in await statements.fetch(
                "select category_name from customer_feedback_category where not coalesce(deleted, false)"
                " and coalesce(category_name, '') <> '' order by id"
            ):
                rows = await statements.fetch(
                    "select id, title, feedback from customer_feedback where label_llm = %s"
                    " and coalesce(label_correction, '') = '' and coalesce(label_post_processing, '') = ''"
                    " order by id limit %s",
                    [category["category_name"], each],
                )
                found.append(
                    (
                        category["category_name"],
                        [UnknownRow(row["id"], row["title"], row["feedback"]) for row in rows],
                    )
                )
            return found

        return await in_transaction(self._database, read, self._uniform)

    async def summary(self) -> Mapping[str, Any]:
        sums = ", ".join(
            f"coalesce(sum({name}), 0) as {name}"
            for name in ("embedded", "calls", "input_tokens", "output_tokens", "nano_usd", "unpriced_calls")
        )
        (total,) = await self._fetch(f"select count(*) as passes, {sums} from feedback_discovery_pass")  # noqa: S608
        (texts,) = await self._fetch(
            "select (select count(*) from feedback_text) as texts, (select count(*) from feedback_unknown_row)"
            " as row_count, (select count(*) from feedback_text where looked_at is null) as waiting,"
            " (select count(*) from feedback_membership) as placed,"
            " (select count(*) from feedback_text where problem <> '') as refused,"
            " (select count(*) from feedback_relabel where done_at is null) as labels_under_way,"
            " (select coalesce(sum(rows_changed), 0) from feedback_relabel) as labels_changed"
        )
        latest = next(
            iter(
                await self._fetch(
                    "select pass_no, texts, quoted_nano_usd, nano_usd, joined, proposed, left_over, ended_at"
                    " from feedback_discovery_pass order by pass_no desc limit 1"
                )
            ),
            None,
        )
        return {
            **{name: int(value) for name, value in texts.items()},
            **{name: int(value) for name, value in total.items() if name != "nano_usd"},
            "usd": int(total["nano_usd"]) / NANO,
            "latest_pass": None
            if latest is None
            else {
                "number": latest["pass_no"],
                "texts": latest["texts"],
                "quoted_usd": int(latest["quoted_nano_usd"]) / NANO,
                "usd": int(latest["nano_usd"]) / NANO,
                "joined": latest["joined"],
                "proposed": latest["proposed"],
                "left_over": latest["left_over"],
                "ended": latest["ended_at"] is not None,
            },
        }

    async def _fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Mapping[str, Any]]:
        return await in_transaction(self._database, lambda statements: statements.fetch(sql, values), self._uniform)

    async def _execute(self, sql: str, values: Sequence[Any]) -> int:
        return await in_transaction(self._database, lambda statements: statements.execute(sql, values), self._uniform)


async def _label_as_decided(statements: Statements, digests: Sequence[str]) -> None:
    """Rows whose very text belongs to an accepted proposal get its category too, by the next pieces of its labels."""
    accepted = await statements.fetch(
        "select distinct proposal.proposal_id, category.category_name from feedback_membership member"  # noqa: S608
        " join feedback_proposal proposal on proposal.proposal_id = member.proposal_id"
        " join customer_feedback_category category on category.id = proposal.category_id"
        " where proposal.state = 'accepted' and not coalesce(category.deleted, false)"
        f" and member.text_digest in ({places(digests)})",
        list(digests),
    )
    for row in accepted:
        job = {"proposal_id": row["proposal_id"], "to_label": row["category_name"]}
        await statements.insert("feedback_relabel", job, key="job_id")


async def _still_take(statements: Statements, placing: Placing) -> bool:
    """Whether nobody has accepted or merged a proposal meanwhile that texts of this pass are to join."""
    joined = sorted({proposal for proposal, _ in placing.joined})
    if not joined:
        return True
    decided = await statements.fetch(
        # Placeholders alone are put in.
        "select proposal_id from feedback_proposal where state in ('accepted', 'merged')"  # noqa: S608
        f" and proposal_id in ({places(joined)})",
        joined,
    )
    return not decided


async def _add_spent(statements: Statements, number: int, spent: Spent) -> None:
    names = [each.name for each in fields(Spent)]
    await statements.execute(
        f"update feedback_discovery_pass set {', '.join(f'{name} = {name} + %s' for name in names)}"  # noqa: S608
        " where pass_no = %s",
        [*(getattr(spent, name) for name in names), number],
    )


def _pieces(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + ROWS_AT_ONCE] for start in range(0, len(values), ROWS_AT_ONCE)]
