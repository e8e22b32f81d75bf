"""The health command beside a running task: what it tells, and that asking costs next to nothing."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from shared.health import Health, serve_health
from shared.health_command import ask

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("aiobotocore", "botocore", "pydantic", "numpy", "structlog", "asyncio")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_it_tells_whether_the_loops_turn() -> None:
    clock = Clock()
    health = Health(clock)
    health.watch("worker", stalled_after=10)()
    async with serve_health(health, port=0) as port:
        assert await asyncio.to_thread(ask, str(port)) == 0
        clock.now = 11
        assert await asyncio.to_thread(ask, str(port)) == 1
    assert await asyncio.to_thread(ask, str(port)) == 1, "nobody answers any more"


@pytest.mark.parametrize("port", ["", "x", "-1", "0", "65536", "²"])
def test_a_task_that_does_not_say_its_port_is_not_well(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(port) == 1
    assert "HEALTH_PORT" in capsys.readouterr().err


@pytest.mark.parametrize("service", ["ticket_agent", "feedback_tagger"])
def test_asking_imports_nothing_of_the_service(service: str) -> None:
    """It runs every few seconds on a quarter of a processor, where importing the service takes seven of them."""
    asked = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", f"services.{service}", "health"],
        cwd=ROOT,
        env={"HEALTH_PORT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert "no answer" in asked.stderr
    imported = {
        line.rpartition("|")[2].strip() for line in asked.stderr.splitlines() if line.startswith("import time:")
    }
    assert "shared.health_command" in imported
    assert not imported.intersection(HEAVY)
