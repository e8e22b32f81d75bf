"""`deskhand cost`: what tickets and feedback cost by day, service, task and model, beside quotes and budgets."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.cloud import Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.deployed import Deployed, deployed
from cli.names import DEFAULT_NAME
from cli.output import print_json, print_table, say
from cli.runs import dollars, latest_runs
from cli.snapshot import spending
from cli.tickets import rows_of
from local.provisioning import AGENT, TAGGER
from shared.aws.items import to_item
from shared.clock import as_utc_text
from shared.model.port import Usage
from shared.model.prices import PRICES, ModelPrice

NANO = 1_000_000_000
UNKNOWN_MODEL = "?"
SHORT = {AGENT: "tickets", TAGGER: "feedback"}


class Part(StrEnum):
    ALL = "all"
    TICKETS = "tickets"
    FEEDBACK = "feedback"


@dataclass(slots=True)
class Spending:
    """What one day, service, task and model came to. ``usd`` lacks ``unpriced`` calls: unknown is not free.

    ``jobs`` are runs, or tickets that a model worked on; ``rows`` are those that a model was asked about.
    """

    jobs: int = 0
    rows: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    quoted_usd: float = 0.0
    unpriced: int = 0
    tickets: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    day: str
    service: str
    task: str
    model: str


def cost(
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="So many days, today (UTC) included.")] = 7,
    part: Annotated[
        Part, typer.Option("--of", help="Both services, or one; tickets read the whole ledger.")
    ] = Part.ALL,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Show what models cost, by day, service, task and model.

    Rows sent alone and discovery are in the day's budget only. A run counts on the day of its end. Tickets cost what
    their turns would cost with the model that is deployed now.
    """
    there = open_cloud(cloud, name)
    now = time.time()
    first = (datetime.fromtimestamp(now, UTC) - timedelta(days=days - 1)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    services = deployed(there)
    spent: dict[Slot, Spending] = {}
    if part is not Part.TICKETS:
        spent |= of_runs(_since(there, first))
    if part is not Part.FEEDBACK:
        model = services[AGENT].environment.get("TICKET_MODEL_ID") or UNKNOWN_MODEL
        spent |= of_turns(_turns(there, first), model, PRICES.of(model))
    if as_json:
        lines = [{**asdict(slot), **_document(found)} for slot, found in sorted(spent.items())]
        print_json({"prices_as_of": PRICES.as_of, "spent": lines, "budgets": _budgets(there, services, now)})
        return
    _show(spent)
    for budget in _budgets(there, services, now):
        sign, unit = ("$", "") if budget["unit"] == "$" else ("", f" {budget['unit']}")
        amounts = f"{sign}{budget['spent']:,.2f} of {sign}{budget['limit']:,.2f}{unit}"
        say(f"today, {budget['account']}: {amounts} spent or set aside")


def of_runs(runs: Iterable[tuple[datetime, Mapping[str, Any]]]) -> dict[Slot, Spending]:
    """What runs cost, by the day on which the tagger last wrote about them."""
    spent: dict[Slot, Spending] = defaultdict(Spending)
    for written_at, run in runs:
        said, tokens = run.get("cost") or {}, run.get("tokens") or {}
        day = written_at.astimezone(UTC).date().isoformat()
        found = spent[Slot(day, TAGGER, str(run["task"]), str(run.get("model") or UNKNOWN_MODEL))]
        found.jobs += 1
        found.rows += int((run.get("answers") or {}).get("model") or 0)
        found.input_tokens += sum(int(tokens.get(name) or 0) for name in ("input", "cache_read", "cache_write"))
        found.output_tokens += int(tokens.get("output") or 0)
        found.usd += float(said.get("usd") or 0)
        found.quoted_usd += float(said.get("quoted_usd") or 0)
        found.unpriced += int(said.get("unpriced_calls") or 0)
    return dict(spent)


def of_turns(turns: Iterable[Mapping[str, Any]], model: str, price: ModelPrice | None) -> dict[Slot, Spending]:
    """What turns of tickets cost, by the day of each turn, at the price of ``model``."""
    spent: dict[Slot, Spending] = defaultdict(Spending)
    for turn in turns:
        found = spent[Slot(str(turn["at"])[:10], AGENT, "", model)]
        used = Usage(input_tokens=int(turn.get("inputTokens", 0)), output_tokens=int(turn.get("outputTokens", 0)))
        found.tickets.add(str(turn["ticketId"]))
        found.input_tokens += used.input_tokens
        found.output_tokens += used.output_tokens
        if price is None:
            found.unpriced += 1
        else:
            found.usd += price.nano_usd(used) / NANO
    for found in spent.values():
        found.jobs = len(found.tickets)
    return dict(spent)


def usd_each(slot: Slot, found: Spending) -> float | None:
    """Dollars for a thousand rows, or for a ticket; None where that is not known."""
    if found.unpriced and not found.usd:
        return None
    if slot.service == AGENT:
        return found.usd / found.jobs if found.jobs else None
    return 1000 * found.usd / found.rows if found.rows else None


def _since(cloud: Cloud, first: datetime) -> Iterator[tuple[datetime, dict[str, Any]]]:
    for written_at, run in latest_runs(cloud):
        if written_at < first:  # The latest come first.
            return
        yield written_at, run


def _turns(cloud: Cloud, first: datetime) -> Iterator[dict[str, Any]]:
    return rows_of(
        cloud,
        "Ledger",
        "scan",
        FilterExpression="begins_with(entry, :turn) AND #at >= :first",
        ProjectionExpression="ticketId, #at, inputTokens, outputTokens",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues=to_item({":turn": "turn#", ":first": as_utc_text(first.timestamp())}),
    )


def _document(found: Spending) -> dict[str, Any]:
    names = ("jobs", "rows", "input_tokens", "output_tokens", "usd", "quoted_usd", "unpriced")
    return {name: getattr(found, name) for name in names}


def _budgets(cloud: Cloud, services: Deployed, now: float) -> list[dict[str, Any]]:
    return [asdict(each) for each in spending(cloud, services, now)]


def _show(spent: Mapping[Slot, Spending]) -> None:
    figures = ("jobs", "rows", "tokens in", "out", "$", "quoted $", "$ each")
    total = sum(found.usd for found in spent.values())
    print_table(
        ("day", "service", "task", "model", *figures),
        [
            (
                *(slot.day, SHORT[slot.service], slot.task, slot.model),
                *(found.jobs, found.rows or "", found.input_tokens, found.output_tokens),
                dollars(None if found.unpriced and not found.usd else found.usd),
                dollars(found.quoted_usd or None),
                dollars(usd_each(slot, found)),
            )
            for slot, found in sorted(spent.items())
        ],
        right=figures,
        whole=("day", "service"),
    )
    say("each: a ticket, or a thousand of the rows that a model was asked about")
    say(f"${total:,.4f} in all, by prices of {PRICES.as_of}")
    if unpriced := sum(found.unpriced for found in spent.values()):
        say(f"{unpriced} calls have no price and are not in it: the price file lacks their model, or it is not known")
