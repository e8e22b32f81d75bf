"""Health is progress: a task is well while each of its loops has turned lately, whatever its dependencies do.

A loop calls its ``Beat`` every time round, also when the round failed because Bedrock or a queue was away: killing the
task would not bring those back. Only a loop that stopped turning makes the task unhealthy.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Beat: TypeAlias = Callable[[], None]
"""Called by a loop each time round."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """``stalled`` names the loops that have not turned for longer than their limit."""

    idle_seconds: dict[str, float]
    stalled: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        return not self.stalled


@dataclass(slots=True)
class Health:
    """Remembers when each loop last turned, on a monotonic clock."""

    monotonic: Callable[[], float]
    _last: dict[str, float] = field(default_factory=dict)
    _limit: dict[str, float] = field(default_factory=dict)

    def watch(self, loop: str, *, stalled_after: float) -> Beat:
        """Expect ``loop`` to turn at least every ``stalled_after`` seconds, from now on."""
        self._limit[loop] = stalled_after
        self._last[loop] = self.monotonic()

        def beat() -> None:
            self._last[loop] = self.monotonic()

        return beat

    def report(self) -> HealthReport:
        now = self.monotonic()
        idle = {loop: now - last for loop, last in self._last.items()}
        return HealthReport(
            idle_seconds={loop: round(seconds, 3) for loop, seconds in idle.items()},
            stalled=tuple(loop for loop, seconds in idle.items() if seconds > self._limit[loop]),
        )


@asynccontextmanager
async def serve_health(health: Health, *, port: int) -> AsyncIterator[int]:
    """Answer any HTTP request on loopback with the report: 200 when well, 503 when stalled. Yields the bound port.

    Loopback is enough: the ECS container health check runs inside the container.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                await reader.readuntil(b"\r\n\r\n")
                report = health.report()
                body = json.dumps(
                    {"healthy": report.healthy, "stalled": report.stalled, "idle_seconds": report.idle_seconds}
                ).encode()
                status = b"200 OK" if report.healthy else b"503 Service Unavailable"
                writer.write(b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n" % status)
                writer.write(b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # A prober that hangs up or sends nonsense is its own problem; the next probe asks again.
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
