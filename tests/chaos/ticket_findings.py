"""What a chaos run of the ticket agent broke: pure comparison of its tickets with tables, ledger, mail and queues."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cli.trajectory import contradiction, head_in
from services.ticket_agent.domain.chain import verify
from tests.chaos.findings import Finding
from tests.chaos.ticket_rules import INCLUDED, Asked, World

DAY = 86_400
NO_OWNER = "service-desk"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mail:
    """One notification in the order of arrival; ``text`` is all that people read of it."""

    id: str
    text: str

    @property
    def ticket_id(self) -> str:
        return self.id.rpartition(":")[0]

    @property
    def version(self) -> int:
        return int(self.id.rpartition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRun:
    """All after the tasks have stopped. ``left`` are messages by queue, ``decided`` the tickets people declined."""

    world: World
    asked: Sequence[Asked]
    tickets: Sequence[Row]
    grants: Sequence[Row]
    ledger: Sequence[Row]
    mail: Sequence[Mail]
    decided: frozenset[str]
    left: Mapping[str, int]


def desk_findings(run: DeskRun) -> list[Finding]:
    """Every ticket ends once and as the policy says, with one grant at most, told in order, in an intact ledger."""
    rows = {str(row["ticketId"]): row for row in run.tickets}
    entries: defaultdict[str, list[Row]] = defaultdict(list)
    for entry in run.ledger:
        entries[str(entry["ticketId"])].append(entry)
    mail: defaultdict[str, list[Mail]] = defaultdict(list)
    for each in run.mail:
        mail[each.ticket_id].append(each)
    known = {asked.ticket_id for asked in run.asked}
    found = [Finding("twice", f"nobody sent the ticket {each}") for each in sorted(rows.keys() - known)]
    for asked in run.asked:
        row = rows.get(asked.ticket_id)
        if row is None:
            found.append(Finding("lost", f"{asked.ticket_id} is in no table"))
            continue
        found += _ledger_findings(row, entries[asked.ticket_id])
        found += _outcome_findings(run, asked, row, entries[asked.ticket_id])
        found += _mail_findings(row, mail[asked.ticket_id])
    found += _grant_findings(run, entries)
    found += [Finding("left over", f"{count} messages in {queue}") for queue, count in run.left.items() if count]
    return found


def _ledger_findings(row: Row, entries: Sequence[Row]) -> Iterable[Finding]:
    ticket_id = row["ticketId"]
    verdict = verify(entries, head_in(entries))
    if not verdict.intact:
        yield Finding("ledger", f"{ticket_id}: {verdict.faults}")
    if (what := contradiction(row, entries)) is not None:
        yield Finding("ledger", f"{ticket_id}: {what}")
    versions = sorted(int(entry["version"]) for entry in entries if str(entry["entry"]).startswith("status#"))
    if versions != list(range(1, int(row.get("statusVersion", 0)) + 1)):
        yield Finding("twice", f"{ticket_id} has the status versions {versions}")


def _outcome_findings(run: DeskRun, asked: Asked, row: Row, entries: Sequence[Row]) -> Iterable[Finding]:
    ended = [
        str(entry["assignStatus"]) for entry in entries if entry["entry"].startswith("status#") and "runMs" in entry
    ]
    if len(ended) != 1:
        promise = "twice" if ended else "lost"
        yield Finding(promise, f"{asked.ticket_id} was ended {len(ended)} times by the agent: {ended}")
        return
    if ended[0] not in allowed_outcomes(run, asked):
        yield Finding("policy", f"{asked} ended {ended[0]!r}")
    expected = ended[0]
    if asked.ticket_id in run.decided:
        expected = f"declined by {run.world.owners[asked.environment_id]}"
    if row["assignStatus"] != expected:
        yield Finding("lost", f"{asked.ticket_id} is {row['assignStatus']!r} and should be {expected!r}")


def allowed_outcomes(run: DeskRun, asked: Asked) -> set[str]:
    """By the rules and by what was granted: access that another ticket brought may be held by then, or not yet."""
    owner = run.world.owners.get(asked.environment_id)
    if owner is None:
        return {f"handed over to {NO_OWNER}"}
    if run.world.stands(asked):
        return {"auto-resolved"}
    covering = [
        row
        for row in run.grants
        if row["employeeId"] == asked.employee_id
        and str(row["environmentId"]).partition("#")[0] == asked.environment_id
        and asked.access_type in INCLUDED[str(row["accessType"])]
    ]
    resolved = {"auto-resolved"} if covering else set()
    return resolved if run.world.deserves(asked) else {*resolved, f"assigned to {owner}"}


def _grant_findings(run: DeskRun, entries: Mapping[str, Sequence[Row]]) -> Iterable[Finding]:
    asked = {each.ticket_id: each for each in run.asked}
    granted = Counter(str(row["ticketId"]) for row in run.grants)
    written = Counter(
        ticket_id for ticket_id, each in entries.items() for entry in each if entry["entry"].startswith("grant#")
    )
    for ticket_id in sorted(granted.keys() | written.keys()):
        if (granted[ticket_id], written[ticket_id]) != (1, 1):
            items, links = granted[ticket_id], written[ticket_id]
            yield Finding("twice", f"{ticket_id}: {items} grants in the table, {links} in the ledger")
    for row in run.grants:
        ticket = asked.get(str(row["ticketId"]))
        if ticket is None or not run.world.deserves(ticket) or run.world.stands(ticket):
            yield Finding("policy", f"granted to {ticket or row['ticketId']}")
        elif not _fits(row, ticket):
            yield Finding("policy", f"{ticket} was granted {dict(row)}")


def _fits(row: Row, asked: Asked) -> bool:
    return (row["employeeId"], row["environmentId"], row["accessType"], row["expiresAt"]) == (
        asked.employee_id,
        f"{asked.environment_id}#grant#{asked.ticket_id}",
        asked.access_type,
        row["grantedAt"] + asked.days * DAY,
    )


def _mail_findings(row: Row, mail: Sequence[Mail]) -> Iterable[Finding]:
    ticket_id = row["ticketId"]
    told = {each.version for each in mail}
    wanted = set(range(1, int(row.get("statusVersion", 0)) + 1))
    if wanted - told:
        yield Finding("lost", f"{ticket_id}: nobody was told the versions {sorted(wanted - told)}")
    if told - wanted:
        yield Finding("notification", f"{ticket_id}: told versions that do not exist: {sorted(told - wanted)}")
    texts: defaultdict[str, set[str]] = defaultdict(set)
    for each in mail:
        texts[each.id].add(each.text)
    yield from (Finding("notification", f"{each} came with two texts") for each, said in texts.items() if len(said) > 1)
    # The first arrival of each counts: a repeat under the same id is allowed, and readers know it by the id.
    first = list(dict.fromkeys(each.version for each in mail))
    if any(later < earlier for earlier, later in pairwise(first)):
        yield Finding("out of order", f"{ticket_id} was told in the order {first}")
