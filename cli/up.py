"""`deskhand up` and `deskhand down`: the embedded cloud and both services, for as long as somebody wants them."""

import os
import signal
import time
from contextlib import ExitStack, suppress
from types import FrameType

from cli.cloud import NameOption
from cli.embedded import STATE_FOLDER, AlreadyRunning, holder_pid, is_held, sole_holder, write_state
from cli.errors import UserError
from cli.loading import loaded
from cli.names import DEFAULT_NAME, is_name
from cli.output import print_fields, say
from local.cloud import Cloud, running_cloud
from local.demo.progress import demo_console, ticking
from local.processes import StartFailed
from local.services import FEEDBACK_TAGGER, TICKET_AGENT, Service, running_services

POLL_SECONDS = 0.2
# The services' drain, the kill behind it, and a moment for the rest.
DOWN_LIMIT_SECONDS = 60.0


class Stopped(BaseException):
    """SIGTERM or Ctrl-C: unwind, so that everything that was started is stopped."""


def up(name: NameOption = DEFAULT_NAME) -> None:
    """Start the embedded cloud and both services; Ctrl-C stops them and deletes what they held."""
    if not is_name(name):
        raise UserError(
            f"{name!r} is no name", "use small letters, digits and dashes, 32 at most (--name, DESKHAND_NAME)"
        )
    loaded()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        with sole_holder(STATE_FOLDER):
            _run(name)
    except AlreadyRunning:
        raise UserError("it is already up in this checkout", "use it, or stop it with `deskhand down`") from None
    except StartFailed as error:
        raise UserError(f"the embedded cloud could not start: {error}", f"logs: {STATE_FOLDER / 'logs'}") from None
    except Stopped:
        say("everything has stopped")


def down() -> None:
    """Stop what `deskhand up` started in this checkout."""
    pid = holder_pid(STATE_FOLDER)
    if pid is None:
        say("nothing is up in this checkout")
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + DOWN_LIMIT_SECONDS
    told = 0.0
    while is_held(STATE_FOLDER):
        if time.monotonic() > until:
            raise UserError(f"process {pid} has not ended after {DOWN_LIMIT_SECONDS:.0f} s", "look at its terminal")
        if time.monotonic() - told > 1.5:
            say("waiting for the services to drain")
            told = time.monotonic()
        time.sleep(POLL_SECONDS)
    say("everything has stopped")


def _run(name: str) -> None:
    logs = STATE_FOLDER / "logs"
    with ExitStack() as stack:
        with ticking(demo_console(), lambda: "") as ticker:
            ticker.phase("starting the AWS emulator, PostgreSQL and the local Bedrock endpoint")
            cloud = stack.enter_context(running_cloud(logs, name, progress=ticker.line))
            ticker.phase("starting the ticket agent and the feedback tagger")
            services = stack.enter_context(
                running_services(cloud.ticket_agent(), cloud.feedback_tagger(), logs, progress=ticker.line)
            )
        write_state(STATE_FOLDER, _state(cloud))
        _show(cloud)
        say("up; Ctrl-C stops everything")
        try:
            _wait(list(services.values()))
        finally:
            say("stopping: the services finish what they have begun")


def _state(cloud: Cloud) -> dict[str, object]:
    return {
        "pid": os.getpid(),
        "name": cloud.resources.name,
        "account": cloud.resources.account,
        "environment": cloud.environment,
        "database_url": cloud.database_url,
        "services": {TICKET_AGENT: cloud.ticket_agent(), FEEDBACK_TAGGER: cloud.feedback_tagger()},
        "mailbox": cloud.resources.queues["mailbox"],
    }


def _show(cloud: Cloud) -> None:
    print_fields(
        [
            ("AWS endpoint", cloud.emulator.url),
            ("Bedrock endpoint", f"{cloud.bedrock.url} (a stand-in for offline use answers, no language model)"),
            ("database", cloud.database_url),
            ("name, account", f"{cloud.resources.name}, {cloud.resources.account}"),
            ("bucket", cloud.resources.bucket),
            ("notifications", cloud.resources.queues["mailbox"]),
            ("logs", cloud.folder),
            ("AWS CLI", _exports(cloud)),
            ("try", "deskhand directory import local/sample/directory.yaml"),
            ("", "deskhand feedback upload local/sample/feedback.csv --watch"),
        ]
    )


def _exports(cloud: Cloud) -> str:
    """What points the AWS CLI here. Not the rest of the environment: it keeps our own processes from the user's."""
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION")
    return "export " + " ".join(f"{name}={cloud.environment[name]}" for name in names)


def _wait(services: list[Service]) -> None:
    """Until a signal comes. Raises StartFailed if a service ends by itself."""
    while True:
        for service in services:
            status = service.process.exit_status()
            if status is not None:
                raise StartFailed(f"{service.name} ended with status {status}:\n{service.process.log_tail()}")
        time.sleep(POLL_SECONDS)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped
