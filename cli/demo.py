"""`deskhand demo`: both flows end to end on this machine."""

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli.embedded import ROOT, AlreadyRunning, sole_holder
from cli.errors import UserError
from cli.loading import loaded
from cli.output import say


class Terminated(BaseException):
    """SIGTERM: unwind, so that everything that was started is stopped."""


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the report and the data go.")] = ROOT / "build" / "demo",
) -> None:
    """Start everything here, send tickets, feedback, reviews, e-mails and pages, show what came of them, stop all."""
    # Imported here: charts and databases are nothing that the other commands should wait for.
    from local.demo.run import run_demo  # noqa: PLC0415
    from local.processes import StartFailed  # noqa: PLC0415

    loaded()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with sole_holder(out):
            status = run_demo(out)
    except AlreadyRunning:
        raise UserError(
            f"a demo is already running on {out}", "wait for it, or choose another folder with --out"
        ) from None
    except StartFailed as error:
        raise UserError(
            f"the demo could not start: {error}", f"`make setup` mends the environments; logs: {out / 'logs'}"
        ) from None
    except KeyboardInterrupt:
        say("stopped by Ctrl-C; nothing is left running")
        status = 130
    except Terminated:
        say("stopped by SIGTERM; nothing is left running")
        status = 143
    raise typer.Exit(status)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
