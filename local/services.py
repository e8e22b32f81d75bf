"""Both services as child processes of this one: migrated, started, waited for, and stopped with a drain."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local.processes import Command, LeashedProcess, StartFailed, inherited_environment, start_leashed
from local.progress import Progress, silent

ROOT = Path(__file__).resolve().parents[1]
START_LIMIT_SECONDS = 60.0
MIGRATION_LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.05
# As in ECS: the kill comes ten seconds after the longest drain (DRAIN_SECONDS, 110 if not set).
KILL_AFTER_DRAIN_SECONDS = 10.0
TICKET_AGENT = "ticket_agent"
FEEDBACK_TAGGER = "feedback_tagger"


@dataclass(slots=True)
class Service:
    """One task of a service, as ECS would run it."""

    name: str
    process: LeashedProcess
    health_port: int
    _exit_status: int | None = field(default=None, repr=False)

    def healthy(self) -> bool:
        """Whether its loops turn, by its own health port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> int:
        """SIGTERM, wait for the drain, and return the exit status; again: the same status."""
        if self._exit_status is None:
            self._exit_status = self.process.stop()
        return self._exit_status


def start_service(name: str, environment: Mapping[str, str], folder: Path, *, label: str | None = None) -> Service:
    """Start ``python -m services.NAME`` with ``environment`` and its log in ``folder``; does not wait.

    ``label`` names the log file where several tasks of one service run.
    """
    port = _free_port()
    drain_seconds = float(environment.get("DRAIN_SECONDS", "110"))
    process = start_leashed(
        Command(
            name=label or name,
            arguments=[sys.executable, "-m", f"services.{name}"],
            log=folder.resolve() / f"{label or name}.log",
            environment=_service_environment(environment) | {"HEALTH_PORT": str(port)},
            folder=ROOT,
            grace_seconds=drain_seconds + KILL_AFTER_DRAIN_SECONDS,
        )
    )
    return Service(label or name, process, port)


def wait_until_healthy(services: Sequence[Service], *, limit_seconds: float = START_LIMIT_SECONDS) -> None:
    """Return when every one of ``services`` is healthy. Raises StartFailed with the log of one that is not."""
    until = time.monotonic() + limit_seconds
    waiting = list(services)
    while waiting:
        waiting = [service for service in waiting if not service.healthy()]
        for service in waiting:
            status = service.process.exit_status()
            if status is not None or time.monotonic() > until:
                what = "is not healthy" if status is None else f"ended with status {status}"
                tail = service.process.log_tail()
                raise StartFailed(f"{service.name} {what} (log: {service.process.log}):\n{tail}")
        if waiting:
            time.sleep(POLL_SECONDS)


def migrate(environment: Mapping[str, str], folder: Path) -> None:
    """Bring the tagger's database to the newest schema. Raises StartFailed with what the command said."""
    log = folder / "migrate.log"
    with log.open("ab") as output:
        ended = subprocess.run(
            [sys.executable, "-m", f"services.{FEEDBACK_TAGGER}", "migrate"],
            env=_service_environment(environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=MIGRATION_LIMIT_SECONDS,
            check=False,
        )
    if ended.returncode != 0:
        raise StartFailed(f"the migration failed (log: {log}):\n{log.read_text(encoding='utf-8', errors='replace')}")


@contextmanager
def running_services(
    ticket_agent: Mapping[str, str],
    feedback_tagger: Mapping[str, str],
    folder: Path,
    *,
    progress: Progress = silent,
) -> Iterator[dict[str, Service]]:
    """Migrate, start a task of each service and wait until both are healthy; stop both at the end, side by side.

    Yields them by name. Raises StartFailed if one does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    # The agent needs no migration, and starting Python twice at once is what takes the time.
    services = {TICKET_AGENT: start_service(TICKET_AGENT, ticket_agent, folder)}
    try:
        migrate(feedback_tagger, folder)
        progress(f"the database's schema is up to date ({time.monotonic() - began:.1f} s)")
        services[FEEDBACK_TAGGER] = start_service(FEEDBACK_TAGGER, feedback_tagger, folder)
        wait_until_healthy(list(services.values()))
        progress(f"ticket agent and feedback tagger are up ({time.monotonic() - began:.1f} s)")
        yield services
    finally:
        began = time.monotonic()
        statuses = stop_services(list(services.values()))
        ends = ", ".join(f"{name} exited with {status}" for name, status in statuses.items())
        progress(f"{ends} ({time.monotonic() - began:.1f} s)")


def stop_services(services: Sequence[Service]) -> dict[str, int]:
    """Stop all of them side by side, each with its drain; their exit statuses by name."""
    with ThreadPoolExecutor(max_workers=max(1, len(services))) as stoppers:
        return dict(zip((service.name for service in services), stoppers.map(Service.stop, services), strict=True))


def _service_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Only what a task definition would set, and where programs lie."""
    return {**inherited_environment(), **environment, "PYTHONUNBUFFERED": "1"}


def _free_port() -> int:
    """A port that is free now. The system hands these out in turn, so it stays free for the moment it takes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
