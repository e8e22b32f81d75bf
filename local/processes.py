"""Child processes on a leash (leash.py): whoever starts one cannot leave it running, not even by dying."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
LOG_TAIL_LINES = 15


class StartFailed(Exception):
    """A process of the embedded cloud did not come up; the text holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: with exactly ``environment``, as ``user`` (only root can choose), ended by ``stop_signal``.

    SIGKILL follows ``grace_seconds`` after the stop signal. ``keep_fds`` are descriptors that it inherits. What it
    prints is appended to ``log``; where ``output`` is given, that file gets standard output instead, from its start.
    ``remove`` is deleted when it has ended, also after the end of whoever started it.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    folder: Path | None = None
    output: Path | None = None
    stop_signal: str = "TERM"
    grace_seconds: float = 10.0
    user: str | None = None
    keep_fds: Sequence[int] = ()
    remove: Path | None = None


class LeashedProcess:
    """A running command; ``stop`` ends it in order, and the end of this process ends it in any case."""

    def __init__(self, command: Command, leash: "subprocess.Popen[bytes]") -> None:
        self.name = command.name
        self.log = command.log
        self._leash = leash
        self._grace_seconds = command.grace_seconds

    @property
    def pid(self) -> int:
        """The leash's process id; SIGTERM to it asks the command to end."""
        return self._leash.pid

    def exit_status(self) -> int | None:
        """The command's exit status, or None while it runs."""
        return self._leash.poll()

    def log_tail(self) -> str:
        """The last lines of the log file, for error texts."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])

    def ask_to_stop(self) -> None:
        """Send the stop signal and return at once, so that several can stop side by side."""
        with contextlib.suppress(ProcessLookupError):
            self._leash.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Ask the command to end, wait (the leash kills it after its grace) and return its exit status."""
        self.ask_to_stop()
        try:
            # The leash needs a moment of its own after the grace.
            return self._leash.wait(self._grace_seconds + 10)
        except subprocess.TimeoutExpired:
            self._leash.kill()
            return self._leash.wait()
        finally:
            if self._leash.stdin is not None:
                self._leash.stdin.close()


def start_leashed(command: Command) -> LeashedProcess:
    """Start ``command`` and hold its leash."""
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        log = files.enter_context(command.log.open("ab"))
        leash = subprocess.Popen(
            # -I: a PYTHONPATH that is meant for the command must not change what the leash imports.
            [sys.executable, "-I", str(LEASH), *_leash_options(command), "--", *command.arguments],
            stdin=subprocess.PIPE,
            stdout=files.enter_context(command.output.open("wb")) if command.output else log,
            stderr=log,
            env=dict(command.environment),
            cwd=command.folder,
            pass_fds=tuple(command.keep_fds),
            # Ctrl-C in a terminal reaches the whole group: the order of the ends is for the holder to choose.
            start_new_session=True,
        )
    return LeashedProcess(command, leash)


def _leash_options(command: Command) -> list[str]:
    options = ["--signal", command.stop_signal, "--grace", str(command.grace_seconds)]
    if command.user is not None:
        options += ["--user", command.user]
    if command.remove is not None:
        options += ["--remove", str(command.remove)]
    for fd in command.keep_fds:
        options += ["--keep-fd", str(fd)]
    return options


def inherited_environment(*names: str) -> dict[str, str]:
    """The few variables a child needs from this process: where programs lie, the language, and ``names``.

    Not the rest: an AWS profile, a PYTHONPATH or a proxy of the caller's would change what the child does.
    """
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", *names)
    return {name: os.environ[name] for name in kept if name in os.environ}
