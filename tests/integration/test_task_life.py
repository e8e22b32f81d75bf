"""The life of a real process: signals, exit status, and the reason where somebody can read it."""

import signal
import subprocess
import sys

import pytest


def run(kind: str, *signals: signal.Signals) -> tuple[int, str, str]:
    """Start a task, send it ``signals`` once it is ready, and return its status and what it said."""
    command = [sys.executable, "-m", "tests.support.lifecycle_task", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        for number in signals:
            process.send_signal(number)
        # Not communicate(): it would miss what readline() took ahead. The little that is said fits the pipes.
        out, err = process.stdout.read(), process.stderr.read()
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_task_and_it_ends_well(number: signal.Signals) -> None:
    status, out, err = run("drains", number)

    assert (status, err) == (0, "")
    assert out.splitlines().count("drained") == 2


def test_a_second_signal_does_not_cut_the_drain_short() -> None:
    status, out, _ = run("drains", signal.SIGTERM, signal.SIGTERM)

    assert status == 0
    assert out.splitlines().count("drained") == 2


def test_a_crashed_loop_brings_the_task_down_with_its_reason() -> None:
    status, out, err = run("crashes")

    assert status != 0
    assert "LoopCrashed: crashes: ValueError('no such table')" in err
    assert out.splitlines().count("drained") == 1


def test_a_loop_that_does_not_drain_in_time_is_cancelled_and_named() -> None:
    status, out, err = run("is-stuck", signal.SIGTERM)

    assert status != 0
    assert "DrainTimedOut: is-stuck" in err
    assert "given back" in out
