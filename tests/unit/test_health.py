"""Health is progress: a loop that stopped turning shows, nothing else does."""

import asyncio
import json
from dataclasses import dataclass

from shared.health import Health, serve_health


@dataclass
class Clock:
    """Monotonic seconds that a test moves."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_loop_that_turns_in_time_is_well() -> None:
    clock = Clock()
    health = Health(clock)
    beat = health.watch("worker", stalled_after=30)

    clock.seconds += 29
    beat()
    clock.seconds += 29

    assert health.report().healthy
    assert health.report().idle_seconds == {"worker": 29}


def test_one_stalled_loop_makes_the_task_unhealthy_and_is_named() -> None:
    clock = Clock()
    health = Health(clock)
    beat = health.watch("worker", stalled_after=30)
    health.watch("stuck", stalled_after=30)

    clock.seconds += 31
    beat()

    assert not health.report().healthy
    assert health.report().stalled == ("stuck",)


def test_a_loop_that_never_turned_is_given_its_limit_from_the_start() -> None:
    clock = Clock()
    health = Health(clock)
    health.watch("slow to start", stalled_after=30)

    clock.seconds += 30
    assert health.report().healthy
    clock.seconds += 1
    assert not health.report().healthy


async def asked(port: int, request: bytes = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n") -> tuple[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return head.split("\r\n")[0], body


async def test_the_answer_says_which_loop_is_stalled() -> None:
    clock = Clock()
    health = Health(clock)
    health.watch("worker", stalled_after=30)
    async with serve_health(health, port=0) as port:
        status, body = await asked(port)
        assert (status, json.loads(body)["healthy"]) == ("HTTP/1.1 200 OK", True)

        clock.seconds += 31
        status, body = await asked(port)
        assert status.startswith("HTTP/1.1 503")
        assert json.loads(body) == {"healthy": False, "stalled": ["worker"], "idle_seconds": {"worker": 31}}


async def test_a_prober_that_talks_nonsense_or_hangs_up_does_no_harm() -> None:
    async with serve_health(Health(Clock()), port=0) as port:
        assert await asked(port, b"nonsense") == ("", "")
        assert await asked(port, b"x" * 100_000) == ("", "")
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.abort()

        assert (await asked(port))[0] == "HTTP/1.1 200 OK"


async def test_the_port_is_free_again_afterwards() -> None:
    async with serve_health(Health(Clock()), port=0) as port:
        pass
    async with serve_health(Health(Clock()), port=port) as again:
        assert again == port
