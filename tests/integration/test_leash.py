"""Nothing that the embedded cloud starts outlives its holder, however the holder ended."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from local.processes import LEASH, Command, LeashedProcess, inherited_environment, start_leashed
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

# A command that ignores SIGTERM, with a child in its group and another that ran away into a session of its own.
STUBBORN_FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleeper = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
family = [subprocess.Popen(sleeper), subprocess.Popen(sleeper, start_new_session=True)]
print(os.getpid(), *(member.pid for member in family), flush=True)
time.sleep(600)
"""
# A holder that starts that command, says who is who, and then never ends by itself.
HOLDER = """
import sys, time
from pathlib import Path
from local.processes import Command, inherited_environment, start_leashed
command = Command("stubborn", [sys.executable, "-c", sys.argv[2]], log=Path(sys.argv[1]),
                  environment=inherited_environment(), grace_seconds=0.2)
print(start_leashed(command).pid, flush=True)
time.sleep(600)
"""


def a_command(folder: Path, script: str, *arguments: str, grace_seconds: float = 10.0) -> LeashedProcess:
    return start_leashed(
        Command(
            name="test",
            arguments=[sys.executable, "-c", script, *arguments],
            log=folder / "log",
            environment=inherited_environment(),
            folder=ROOT,
            grace_seconds=grace_seconds,
        )
    )


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # A zombie that its new parent has not collected yet runs no more.
    return not stat.exists() or stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def is_gone(pid: int) -> bool:
    return not is_running(pid)


def pids_in(log: Path) -> list[int]:
    return [int(word) for word in log.read_text(encoding="utf-8").split()]


def start_holder(folder: Path) -> tuple["subprocess.Popen[bytes]", list[int]]:
    """A holder in a process of its own; returns it with the ids of the leash and of the stubborn family."""
    log = folder / "family"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(log), STUBBORN_FAMILY], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert holder.stdout is not None
    leash = int(holder.stdout.readline())
    holder.stdout.close()
    family = wait_until(lambda: log.exists() and len(pids_in(log)) == 3 and pids_in(log), what="the family's start")
    assert family
    return holder, [leash, *family]


def test_a_killed_holder_leaves_nothing_running(tmp_path: Path) -> None:
    """SIGKILL to the holder, which cannot run any clean-up: the closing pipe must be enough."""
    holder, processes = start_holder(tmp_path)
    assert all(is_running(pid) for pid in processes)

    holder.kill()
    holder.wait()

    for pid in processes:
        wait_until(partial(is_gone, pid), what=f"the end of {pid}")


def test_a_killed_leash_takes_the_command_with_it(tmp_path: Path) -> None:
    holder, [leash, command, *_] = start_holder(tmp_path)
    try:
        os.kill(leash, signal.SIGKILL)
        if sys.platform == "linux":
            wait_until(partial(is_gone, command), what="the end of the command")
    finally:
        holder.kill()
        holder.wait()
        for orphan in pids_in(tmp_path / "family"):
            if is_running(orphan):
                os.kill(orphan, signal.SIGKILL)


def test_a_command_that_stops_when_asked_keeps_its_exit_status(tmp_path: Path) -> None:
    script = "import signal, sys; signal.signal(15, lambda *_: sys.exit(3)); print('up', flush=True); signal.pause()"
    process = a_command(tmp_path, script)
    wait_until(lambda: "up" in process.log_tail())

    assert process.stop() == 3


def test_a_command_that_ignores_the_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    process = a_command(tmp_path, STUBBORN_FAMILY, grace_seconds=0.1)
    family = wait_until(lambda: len(pids_in(process.log)) == 3 and pids_in(process.log))
    assert family

    assert process.stop() == 128 + signal.SIGKILL
    assert not any(is_running(pid) for pid in family)


def test_a_command_that_ends_by_itself_says_so(tmp_path: Path) -> None:
    process = a_command(tmp_path, "raise SystemExit(7)")

    assert wait_until(process.exit_status) == 7
    assert process.stop() == 7


def test_a_command_that_cannot_start_fails_and_says_why(tmp_path: Path) -> None:
    process = start_leashed(
        Command("missing", ["/nonexistent/program"], log=tmp_path / "log", environment=inherited_environment())
    )

    assert wait_until(process.exit_status) != 0
    assert "/nonexistent/program" in process.log_tail()
    process.stop()


def test_the_leash_needs_nothing_of_the_project(tmp_path: Path) -> None:
    """It runs as a plain file under an isolated Python, from any folder."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", str(LEASH), "--", sys.executable, "-c", "print('ran')"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        capture_output=True,
        check=False,
    )

    # An empty standard input is a leash that was let go at once: it may end the command, but not fail otherwise.
    assert ran.returncode in (0, 128 + signal.SIGTERM), ran.stderr
