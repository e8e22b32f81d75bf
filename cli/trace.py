"""`deskhand tickets trace`: verifies a ticket's ledger and tells what happened, from message to outcome."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.cloud import Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.errors import UserError
from cli.names import DEFAULT_NAME
from cli.output import print_fields, print_json, printable, say
from cli.tickets import ledger_rows, plain, ticket_row
from cli.trajectory import Node, contradiction, cost, head_in, last_status, policy_versions, story, trajectory
from services.ticket_agent.domain.chain import DIGEST, MARKERS, Fault, Head, Verdict, in_order, verify

READINGS = 3
SECONDS_BETWEEN = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A ticket and its ledger as the tables hold them; ``problems`` say why they are not to be believed."""

    row: dict[str, Any] | None
    entries: Sequence[dict[str, Any]]
    head: Head | None
    verdict: Verdict
    problems: Sequence[str]


def trace(
    ticket_id: str,
    head: Annotated[
        str | None, typer.Option("--head", help="A ledger_head of the service's log, which the ledger must contain.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Texts as long as they are.")] = False,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Verify a ticket's ledger and show every turn, call, decision, effect and cost. Status 1 if it does not verify.

    The ledger shows tampering with its entries. Against somebody who can rewrite the whole table, compare --head.
    """
    reading = _read_calmly(open_cloud(cloud, name), ticket_id, head)
    if reading.row is None and not reading.entries:
        raise UserError(f"there is no ticket {ticket_id}", "see the ids with `deskhand tickets list`")
    if as_json:
        print_json(as_document(ticket_id, reading))
    else:
        _show(ticket_id, reading, full=full)
    if reading.problems:
        raise typer.Exit(1)


def _read_calmly(cloud: Cloud, ticket_id: str, witness: str | None) -> Reading:
    """A ticket that is being worked on changes between two reads: only what stays wrong is wrong."""
    reading = read_ticket(cloud, ticket_id, witness)
    for _ in range(READINGS - 1):
        if not reading.problems:
            break
        time.sleep(SECONDS_BETWEEN)
        reading = read_ticket(cloud, ticket_id, witness)
    return reading


def read_ticket(cloud: Cloud, ticket_id: str, witness: str | None) -> Reading:
    rows = list(ledger_rows(cloud, ticket_id))
    row = ticket_row(cloud, ticket_id)
    entries = [entry for entry in rows if entry["entry"] not in MARKERS]
    head = head_in(rows)
    verdict = verify(entries, head)
    problems = [as_problem(fault) for fault in verdict.faults]
    if (differs := contradiction(row, entries)) is not None:
        problems.append(differs)
    if witness is not None and not any(entry.get(DIGEST) == witness for entry in entries):
        problems.append(f"no entry has the digest {witness}: the ledger was written anew since the log recorded it")
    return Reading(row, entries, head, verdict, problems)


def as_problem(fault: Fault) -> str:
    place = f"at link {fault.number} " if fault.number else ""
    return f"{fault.kind.value} {place}({fault.entry}): {fault.why}"


def as_document(ticket_id: str, reading: Reading) -> dict[str, Any]:
    last = last_status(reading.entries)
    return {
        "ticketId": ticket_id,
        "verified": not reading.problems,
        "problems": list(reading.problems),
        "links": reading.verdict.links,
        "head": reading.head.digest if reading.head else None,
        "erased": list(reading.verdict.erased),
        "outcome": plain(last) if last else None,
        "policyVersions": policy_versions(reading.entries),
        "trajectory": trajectory(reading.entries),
        "cost": cost(reading.entries),
        "entries": [plain(entry) for entry in in_order(reading.entries)],
    }


def _show(ticket_id: str, reading: Reading, *, full: bool) -> None:
    faulty = {fault.entry for fault in reading.verdict.faults}
    typer.echo(f"ticket {printable(ticket_id)}")
    # Lines are not cut to the terminal's width: what is looked for in them must be found.
    for line in as_lines(story(reading.entries, full=full), faulty):
        typer.echo(printable(line))
    typer.echo()
    used = cost(reading.entries)
    last = last_status(reading.entries) or {}
    print_fields(
        [
            ("outcome", last.get("assignStatus") or last.get("state") or "open"),
            (
                "cost",
                f"{used['inputTokens']} input + {used['outputTokens']} output tokens, {used['modelMs']} ms of model",
            ),
            ("work", f"{used['runs']} runs, {used['turns']} turns, {used['calls']} calls"),
            ("policy", ", ".join(policy_versions(reading.entries)) or "no decision"),
            ("ledger", _said_of_ledger(reading)),
            *([("erased", ", ".join(reading.verdict.erased))] if reading.verdict.erased else []),
        ]
    )
    for problem in reading.problems:
        say(f"NOT VERIFIED: {problem}")


def _said_of_ledger(reading: Reading) -> str:
    head = reading.head.digest if reading.head else "none"
    return f"{'NOT VERIFIED' if reading.problems else 'verified'}, {reading.verdict.links} links, head {head}"


def as_lines(nodes: Sequence[Node], faulty: Collection[str], indent: str = "") -> Iterator[str]:
    """The tree with its guides; ``!!`` marks an entry that does not verify."""
    for node in nodes:
        last = node is nodes[-1]
        yield f"{indent}{'└─' if last else '├─'} {'!! ' if node.entry in faulty else ''}{node.line}"
        yield from as_lines(node.children, faulty, f"{indent}{'   ' if last else '│  '}")
