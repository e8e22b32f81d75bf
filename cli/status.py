"""`deskhand status`: one screen of what runs, and an exit status that says whether somebody should look."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated

import typer

from cli.cloud import CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.deployed import Service, deployed
from cli.documents import FAILED, OPEN
from cli.names import DEFAULT_NAME
from cli.output import print_fields, print_json, print_table, printable
from cli.snapshot import RunLook, Snapshot, SpendLook, snapshot
from services.feedback_tagger.domain.run import UPLOADS_PREFIX

OLDEST_SECONDS = 3600.0
LATE_SECONDS = 300.0
OVERDUE_SECONDS = 600.0
SILENT_RUN = timedelta(minutes=15)
RECENT = timedelta(days=1)
NEARLY_SPENT = 0.9
FINISHED_SHOWN = 3


def status(
    tickets: Annotated[bool, typer.Option("--tickets", help="Count tickets by status: reads the whole table.")] = False,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Show queues, dead letters, leases, runs and spending. Status 1 if something needs a look, and says what.

    That is: a dead letter; a message older than an hour; a stream read 5 minutes late, or a shard that nobody reads; a
    ticket that was due 10 minutes ago; fewer tasks than wanted, or no ticket agent; a run that waits for a budget, is
    silent for 15 minutes, or failed within a day; a budget of which 90% is spent; an alarm that rings.
    """
    there = open_cloud(cloud, name)
    look = snapshot(there, deployed(there), now=time.time(), overdue_seconds=OVERDUE_SECONDS, tickets=tickets)
    needs = list(needs_a_look(look))
    if as_json:
        print_json({"healthy": not needs, "needs_a_look": needs, **look.as_document()})
    else:
        _show(look, needs)
    if needs:
        raise typer.Exit(1)


def needs_a_look(look: Snapshot) -> Iterator[str]:
    """What somebody should look at, a line each, with where to go on."""
    for queue in look.queues:
        if queue.dead:
            yield f"{queue.name}: {queue.dead} dead letters; deskhand redrive {queue.name}"
        if queue.oldest_seconds is not None and queue.oldest_seconds > OLDEST_SECONDS:
            yield f"{queue.name}: its oldest message has waited for {ago(queue.oldest_seconds)}"
    if look.stream_late_seconds is not None and look.stream_late_seconds > LATE_SECONDS:
        yield f"the ticket table's stream is read {ago(look.stream_late_seconds)} late"
    for lease in look.leases:
        if not lease.holder and not lease.ended:
            yield f"nobody reads the shard {lease.shard}: is the ticket agent running?"
    if look.overdue:
        due = f"{look.overdue} tickets were due {ago(OVERDUE_SECONDS)} ago"
        yield f"{due}: the ticket agent's sweeper does not get to them"
    for service in look.services:
        yield from _about_tasks(service)
    for run in look.runs:
        yield from _about_a_run(run, look)
    for spend in look.spend:
        if spend.share is not None and spend.share >= NEARLY_SPENT:
            yield f"{spend.account}: {spend.share:.0%} of today's budget is spent; it begins anew at midnight UTC"
    yield from (f"the alarm {alarm} rings: docs/runbook.md" for alarm in look.alarms)


def _about_tasks(service: Service) -> Iterator[str]:
    if service.wanted is not None and (service.running or 0) < service.wanted:
        yield f"{service.name}: {service.running} of {service.wanted} tasks run"
    elif service.stopped:
        yield f"{service.name}: no task is wanted; changes of tickets are kept for 24 hours"


def _about_a_run(run: RunLook, look: Snapshot) -> Iterator[str]:
    since = look.at - run.written_at
    if run.status == FAILED and since < RECENT:
        yield f"the run {run.run_id} failed; deskhand runs show {run.run_id}"
    elif run.status == OPEN and run.waiting_until:
        yield f"the run {run.run_id} waits for a budget until {run.waiting_until}"
    elif run.status == OPEN and since > SILENT_RUN:
        silent = f"open and silent for {ago(since.total_seconds())}"
        yield f"the run {run.run_id} is {silent}: is the feedback tagger running?"


def ago(seconds: float) -> str:
    """``40 s``, ``12 min``, ``5.0 h``, ``2.0 d``: short enough for a column."""
    for size, unit in ((86_400, "d"), (3_600, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _show(look: Snapshot, needs: Sequence[str]) -> None:
    print_table(
        ("queue", "visible", "in flight", "oldest", "dead"),
        [
            (each.name, each.visible + each.delayed, each.in_flight, _age(each.oldest_seconds), each.dead)
            for each in look.queues
        ],
        right=("visible", "in flight", "oldest", "dead"),
    )
    held = [f"{lease.shard[-12:]} by {lease.holder or 'nobody'}" for lease in look.leases if not lease.ended]
    late = "" if look.stream_late_seconds is None else f", {ago(look.stream_late_seconds)} late"
    open_runs = [run for run in look.runs if run.status == OPEN]
    over = [run for run in look.runs if run.status != OPEN][:FINISHED_SHOWN]
    print_fields(
        [
            *(
                (f"{each.name}", f"{each.running} of {each.wanted} tasks")
                for each in look.services
                if each.wanted is not None
            ),
            ("stream", ("; ".join(held) or "no lease yet") + late),
            ("tickets", f"{look.awaiting} on the sweeper's agenda, {look.overdue} of them overdue"),
            *((f"  {status}", count) for status, count in look.tickets.items()),
            *((f"budget, {spend.account}", _spent(spend)) for spend in look.spend),
            *(("run, open", _open(run)) for run in open_runs),
            *((f"run, {run.status}", _over(run, look)) for run in over),
            *((f"no {part}", why) for part, why in look.not_seen.items()),
        ]
    )
    typer.echo("")
    for line in needs:
        typer.echo(printable(f"! {line}"))
    if not needs:
        typer.echo("nothing needs a look" + (", as far as could be seen" if look.not_seen else ""))


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else ago(seconds)


def _spent(spend: SpendLook) -> str:
    amount = "${:,.4f} of ${:,.2f}" if spend.unit == "$" else "{:,.0f} of {:,.0f} tokens"
    return f"{amount.format(spend.spent, spend.limit or 0)} spent or set aside today ({spend.share or 0:.0%})"


def _open(run: RunLook) -> str:
    waits = f", waits until {run.waiting_until}" if run.waiting_until else ""
    return f"{run.run_id}  {_file(run)}  {run.chunks_done} of {run.chunks_total or '?'} chunks{waits}"


def _over(run: RunLook, look: Snapshot) -> str:
    since = ago((look.at - run.written_at).total_seconds())
    return f"{run.run_id}  {_file(run)}  {run.stored} of {run.rows} rows, {run.rejected} rejected, {since} ago"


def _file(run: RunLook) -> str:
    return run.key.removeprefix(UPLOADS_PREFIX)
