"""`deskhand eval`: the ticket agent on the ground truth, judged by what it leaves in the tables."""

import json
import os
import signal
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cli.cloud import CloudChoice, uses_embedded
from cli.embedded import ROOT, AlreadyRunning, sole_holder
from cli.errors import UserError
from cli.loading import loaded
from cli.output import print_table, say

if TYPE_CHECKING:
    from services.ticket_agent.evaluation.report import Report

OUT = ROOT / "build" / "eval"
PASSED, FAILED = 0, 1


class Backend(StrEnum):
    CONVERSE = "converse"
    BEDROCK_AGENT = "bedrock_agent"
    AGENTCORE_HARNESS = "agentcore_harness"


class Terminated(BaseException):
    """SIGTERM: unwind, so that everything that was started is stopped."""


def evaluate(
    backend: Annotated[Backend, typer.Option("--backend", help="What the agent runs on.")] = Backend.CONVERSE,
    case: Annotated[list[str] | None, typer.Option("--case", help="Only this case; 'held-*' takes several.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Where report.json, report.html and the logs go.")] = OUT,
    record: Annotated[Path | None, typer.Option("--record", help="Write every exchange to this folder.")] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Run on such a folder, without any model.")] = None,
    model: Annotated[str | None, typer.Option("--model", envvar="TICKET_MODEL_ID", help="The model on AWS.")] = None,
    cloud: Annotated[
        CloudChoice,
        typer.Option(
            "--cloud", envvar="DESKHAND_CLOUD", help="Whose model: auto takes AWS's if credentials are set, else ours."
        ),
    ] = CloudChoice.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON on stdout.")] = False,
) -> None:
    """Run the ticket agent on the ground truth and judge it; the status is 0 only if every case passed.

    Each case sets the directory up, lets the real worker (loop, tools, guard, stores) work on one ticket in this
    process, and compares the tables before and after: the outcome with the expected one, every change with the access
    policy, the tools invoked with the expected ones in four ways. A case passes if its outcome is right and no change
    breaks the policy; trajectories are counted beside that. Intake, stream, queues and notifications are left out.

    The tables are always those of an emulator that this command starts by itself: nobody's tables are touched. The
    model is a rule-following stand-in where no AWS credentials are set. With credentials the calls go to Bedrock
    there, with --model (and BEDROCK_AGENT_ID and BEDROCK_AGENT_ALIAS_ID, or AGENTCORE_HARNESS_ARN) and at its price.

    A recording holds what each turn was given (a digest, and the tool results) and what the agent answered. A replay
    runs the same loop on it without a model, and says in which turn it parts from the recording and at what.
    """
    # Imported here: the service and the emulator are nothing that the other commands should wait for.
    from cli.evaluation import Wish, run_evaluation  # noqa: PLC0415

    loaded()
    wish = Wish(
        backend=backend.value,
        cases=tuple(case or ()),
        out=out,
        record=record,
        replay=replay,
        model_id=model,
        offline=uses_embedded(cloud, running=True, environ=os.environ),
        own=dict(os.environ),
    )
    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        with sole_holder(out):
            report = run_evaluation(wish, say)
            _write(report, out)
    except AlreadyRunning:
        raise UserError(f"an evaluation is already running on {out}", "wait for it, or choose another --out") from None
    except Terminated:
        say("stopped by SIGTERM; nothing is left running")
        raise typer.Exit(143) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
    _show(report, out, as_json=as_json)
    raise typer.Exit(PASSED if report.summary.clean else FAILED)


def _write(report: "Report", out: Path) -> None:
    from services.ticket_agent.evaluation.report import as_html, as_json  # noqa: PLC0415

    text = json.dumps(as_json(report), ensure_ascii=False, indent=2)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.html").write_text(as_html(report), encoding="utf-8")


def _show(report: "Report", out: Path, *, as_json: bool) -> None:
    from services.ticket_agent.evaluation.report import (  # noqa: PLC0415
        COLUMNS,
        FIGURES,
        as_rows,
        as_sentences,
        one_line,
        problems,
    )

    if as_json:
        typer.echo(json.dumps(one_line(report)))
    else:
        print_table(COLUMNS, as_rows(report), right=FIGURES)
        for sentence in as_sentences(report):
            typer.echo(sentence)
    for verdict in report.verdicts:
        for problem in problems(verdict):
            say(f"{verdict.case.case_id}: {problem}")
    say(f"report: {out / 'report.html'}")


def terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
