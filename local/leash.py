"""A command on a leash: it ends when the process that holds the leash ends, however that ended.

    python leash.py [--signal TERM] [--grace 10] [--user NAME] [--keep-fd N]... [--remove FOLDER] -- COMMAND ARGUMENT...

The holder keeps the other end of this process's standard input open and never writes to it. When it closes, because
the holder let go or was killed with SIGKILL, the command gets ``--signal``, and SIGKILL after ``--grace`` seconds.
SIGTERM or SIGINT to this process does the same. The exit status is the command's (128 + N if signal N ended it).

Standard library only, and imports nothing of the project: it must run under any Python, as a plain file.
"""

import argparse
import contextlib
import ctypes
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command until it ends by itself or the leash is let go."""
    options = _options()
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, _ignore_but_wake)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    # A grandchild whose parent has gone comes to us instead of to init, so that it cannot slip the leash.
    _prctl(PR_SET_CHILD_SUBREAPER, 1)

    command = _start(options.command, user=options.user, keep_fds=options.keep_fd)
    _until_ended_or_released(command, wake_reader)
    if command.poll() is None:
        _signal_group(command.pid, signal.Signals[f"SIG{options.signal}"])
        _wait(command, options.grace, wake_reader)
    # Whatever the command left behind in its group has lost its parent and would run for ever.
    _signal_group(command.pid, signal.SIGKILL)
    status = command.wait()
    _kill_orphans()
    if options.remove is not None:
        shutil.rmtree(options.remove, ignore_errors=True)
    return 128 - status if status < 0 else status


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a command that ends with the process that started it.")
    parser.add_argument("--signal", default="TERM", choices=("TERM", "INT", "QUIT"), help="what asks it to end")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds between that and SIGKILL")
    parser.add_argument("--user", help="run it as this user (only root can)")
    parser.add_argument("--keep-fd", type=int, action="append", default=[], help="a descriptor that it inherits")
    parser.add_argument("--remove", metavar="FOLDER", help="what it works in, deleted when it has ended")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _start(command: list[str], *, user: str | None, keep_fds: list[int]) -> "subprocess.Popen[bytes]":
    entry = pwd.getpwnam(user) if user else None
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=keep_fds,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - this process has no other thread
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=() if entry else None,
        )
    finally:
        for fd in keep_fds:
            os.close(fd)  # A listening socket held here would go on taking connections that nobody answers.


def _die_with(leash: int) -> Callable[[], None]:
    """In the new process, on Linux: end with the leash itself, should somebody kill that with SIGKILL."""

    def ask() -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != leash:  # it was killed before the request could be made
            os._exit(1)

    return ask


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc: the pipe alone must do
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _ignore_but_wake(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor carries the signal's number; a handler must be set for that to happen."""


def _until_ended_or_released(command: "subprocess.Popen[bytes]", wake_reader: int) -> None:
    holder = sys.stdin.fileno()
    while command.poll() is None:
        ready, _, _ = select.select([holder, wake_reader], [], [])
        if wake_reader in ready and _asked_to_end(os.read(wake_reader, 4096)):
            return
        if holder in ready and not os.read(holder, 4096):
            return


def _wait(command: "subprocess.Popen[bytes]", seconds: float, wake_reader: int) -> None:
    """Wait for the command to end; a second SIGTERM or SIGINT makes the wait shorter by ending it."""
    until = time.monotonic() + seconds
    while command.poll() is None and (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([wake_reader], [], [], left)
        if ready and _asked_to_end(os.read(wake_reader, 4096)):
            return


def _asked_to_end(signals: bytes) -> bool:
    return signal.SIGTERM in signals or signal.SIGINT in signals


def _signal_group(leader: int, number: signal.Signals) -> None:
    # PermissionError: on macOS a group of which only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _kill_orphans() -> None:
    """End what moved to a group of its own and then lost its parent; only Linux hands these to us."""
    while orphans := _children_of(os.getpid()):
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, 0)


def _children_of(parent: int) -> list[int]:
    if sys.platform != "linux":
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent_of(name) == parent]


def _parent_of(process: str) -> int | None:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stat:
            # "pid (name) state parent ...": the name may hold blanks and brackets, so count from its last bracket.
            return int(stat.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):  # it ended while we looked
        return None


if __name__ == "__main__":
    sys.exit(main())
