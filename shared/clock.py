"""Time as an argument: what needs the time of day takes a ``Now``.

Waiting goes through ``asyncio.sleep`` and deadlines through the event loop's clock, so that tests run both on
virtual time (looptime) and never really sleep.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Now: TypeAlias = Callable[[], float]
"""Seconds since the epoch, UTC."""

wall_clock: Now = time.time


def as_utc_text(epoch_seconds: float) -> str:
    """``1700000000.5`` as ``2023-11-14T22:13:20.500Z``: fixed width, so texts sort as times do."""
    moment = datetime.fromtimestamp(epoch_seconds, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
