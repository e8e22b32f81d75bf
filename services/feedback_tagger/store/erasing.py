"""Taking one person's rows out of the database, of either engine, in one transaction; or counting what would go.

What a run came to stays as it was counted. A file that still holds a row brings it back when it is uploaded again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.feedback_tagger.store.discovery import UnknownRow
from services.feedback_tagger.store.statements import ROWS_AT_ONCE, Database, Statements, in_transaction, places
from shared.errors import BadInput

# A longer Message-ID or address is no reference: it stands in a column of its own alone.
TASK_TABLES = (
    ("feedback_sentiment", ("ref_id",)),
    ("feedback_email", ("ref_id", "message_id")),
    ("product_fact", ("ref_id", "url")),
)
SAID_BY = (("feedback_command", "command_id"), ("feedback_taxonomy_event", "event_id"))
ERASED = "(erased)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """By what a person's rows are known: their employee id, ids that a sender gave rows, the table's row numbers."""

    employee: str = ""
    ref_ids: tuple[str, ...] = ()
    row_ids: tuple[int, ...] = ()


async def erase(
    database: Database, person: Person, *, digest_of: Callable[[UnknownRow], str], really: bool
) -> Mapping[str, int]:
    """Rows by table that went, or would go. Erasing again finds nothing. Raises BadInput and what the stores raise.

    ``digest_of`` is what discovery knows a row's text by. Needs the rights of whoever migrates: the service's own user
    may delete no row.
    """
    if not all(each.strip() for each in (person.employee or "-", *person.ref_ids)):
        # Every row that its sender gave none would be taken for this person's.
        raise BadInput(field="person", problem="an empty id is no id", remedy="give the id as it is stored")

    async def once(statements: Statements) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        if person.ref_ids or person.row_ids:
            await _feedback(statements, person, digest_of, counts, really=really)
        if person.employee:
            await _employee(statements, person.employee, counts, really=really)
        return counts

    return await in_transaction(database, once)


async def _feedback(
    statements: Statements,
    person: Person,
    digest_of: Callable[[UnknownRow], str],
    counts: dict[str, int],
    *,
    really: bool,
) -> None:
    rows = await _of_references(statements, "customer_feedback", "ref_id", person.ref_ids)
    for start in range(0, len(person.row_ids), ROWS_AT_ONCE):
        asked = person.row_ids[start : start + ROWS_AT_ONCE]
        found = await statements.fetch(f"select id from customer_feedback where id in ({places(asked)})", asked)  # noqa: S608
        rows |= {int(row["id"]) for row in found}
    ids = sorted(rows)
    digests = await _texts_of_nobody_else(statements, ids, digest_of)
    for table, key, keys in (
        ("feedback_unknown_row", "row_id", ids),
        ("feedback_membership", "text_digest", digests),
        ("feedback_embedding", "text_digest", digests),
        ("feedback_text", "text_digest", digests),
        ("feedback_correction", "row_id", ids),
        ("customer_feedback", "id", ids),
    ):
        counts[table] = await _gone(statements, table, key, keys, really=really)
    for table, columns in TASK_TABLES:
        records: set[int] = set()
        for column in columns:
            records |= await _of_references(statements, table, column, person.ref_ids)
        counts[table] = await _gone(statements, table, "id", sorted(records), really=really)


async def _of_references(statements: Statements, table: str, column: str, ref_ids: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for ref_id in ref_ids:
        rows = await statements.fetch(f"select id, {column} as said from {table} where {column} = %s", [ref_id])  # noqa: S608
        # One engine compares without case: a nearly equal id is somebody else's.
        found |= {int(row["id"]) for row in rows if row["said"] == ref_id}
    return found


async def _texts_of_nobody_else(
    statements: Statements, ids: Sequence[int], digest_of: Callable[[UnknownRow], str]
) -> list[str]:
    """Digests of texts that rows of ``ids`` have and no other row without a category.

    Discovery also embeds rows that have one, as examples of it, and notes nowhere whose text that was: their digests
    come of the texts. Should another such row have the same text, it is embedded again.
    """
    ours: dict[str, int] = {}
    for start in range(0, len(ids), ROWS_AT_ONCE):
        part = ids[start : start + ROWS_AT_ONCE]
        read = f"select id, title, feedback from customer_feedback where id in ({places(part)})"  # noqa: S608
        for row in await statements.fetch(read, part):
            ours.setdefault(digest_of(UnknownRow(int(row["id"]), row["title"], row["feedback"])), 0)
        for row in await statements.fetch(
            f"select text_digest from feedback_unknown_row where row_id in ({places(part)})",  # noqa: S608
            part,
        ):
            ours[row["text_digest"]] = ours.get(row["text_digest"], 0) + 1
    alone = []
    for digest, count in sorted(ours.items()):
        (all_rows,) = await statements.fetch(
            "select count(*) as row_count from feedback_unknown_row where text_digest = %s", [digest]
        )
        if int(all_rows["row_count"]) == count:
            alone.append(digest)
    return alone


async def _gone(
    statements: Statements, table: str, key: str, keys: Sequence[int] | Sequence[str], *, really: bool
) -> int:
    total = 0
    for start in range(0, len(keys), ROWS_AT_ONCE):
        part = keys[start : start + ROWS_AT_ONCE]
        them = f"from {table} where {key} in ({places(part)})"
        (found,) = await statements.fetch(f"select count(*) as row_count {them}", part)
        total += int(found["row_count"])
        if really:
            await statements.execute(f"delete {them}", part)
    return total


async def _employee(statements: Statements, employee: str, counts: dict[str, int], *, really: bool) -> None:
    rows = await statements.fetch(
        "select ticket_id, version, employee from ticket_outcome where employee = %s", [employee]
    )
    told = [row for row in rows if row["employee"] == employee]
    counts["ticket_outcome"] = len(told)
    for row in told if really else ():
        key = [row["ticket_id"], row["version"]]
        await statements.execute("delete from ticket_outcome where ticket_id = %s and version = %s", key)
    for table, column in SAID_BY:
        read = f"select {column} as found, said_by from {table} where said_by = %s"  # noqa: S608
        said = [row["found"] for row in await statements.fetch(read, [employee]) if row["said_by"] == employee]
        counts[f"{table}.said_by"] = len(said)
        for found in said if really else ():
            await statements.execute(f"update {table} set said_by = %s where {column} = %s", [ERASED, found])  # noqa: S608
