"""What a consumer holds: which message may begin, which waits behind another, which is on its way out.

Every message runs in a lane and a lane runs one message at a time, each only after the one before it has left the
queue. On a FIFO queue the lane is the message group, so order holds across a retry; elsewhere it is the message itself,
so two receipts of one message (standard queues deliver twice now and then) never run side by side.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

from shared.queue.message import Message


class Stage(IntEnum):
    """Where a held message stands. All but LEAVING are kept invisible by heartbeats.

    Whole numbers, because stages are counted by: an ordinary enumeration hashes in Python, dozens of times a message.
    """

    READY = auto()
    """May begin as soon as a worker is free."""
    BEHIND = auto()
    """Waits for another of its lane."""
    AT_WORK = auto()
    DONE = auto()
    """Handled or moved; its delete is on the way."""
    LEAVING = auto()
    """Its change of visibility is on the way: a heartbeat now would undo it."""


@dataclass(slots=True, eq=False)
class Held:
    """One message in our hands. Times are the event loop's, which never jump.

    ``visible_at`` is when others may receive it, as far as we know: it starts at the receipt and moves with heartbeats.
    ``limit`` is the running handler's; rescheduling it to now cancels the handler. ``lost`` says why it is not ours.
    ``about`` is what its handler said it is about: the ids that its lines carry.
    """

    message: Message
    lane: str
    received_at: float
    visible_at: float
    stage: Stage
    limit: asyncio.Timeout | None = None
    lost: str | None = None
    seconds: float = 0.0
    failures: int = 0
    outcome: str = ""
    reason: str = ""
    error_class: str = ""
    about: dict[str, Any] = field(default_factory=dict)


class Hand:
    """Everything held, counted by stage."""

    def __init__(self, *, fifo: bool) -> None:
        self._fifo = fifo
        self._held: dict[Held, None] = {}
        self._lanes: dict[str, deque[Held]] = {}
        self._count: Counter[Stage] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(tuple(self._held))

    def __contains__(self, held: Held) -> bool:
        return held in self._held

    def count(self, stage: Stage) -> int:
        return self._count[stage]

    def take(self, message: Message, *, received_at: float, visible_at: float) -> Held:
        """Hold a received message: READY if its lane is free, else BEHIND."""
        lane = message.group_id if self._fifo and message.group_id is not None else message.message_id
        followers = self._lanes.get(lane)
        held = Held(message, lane, received_at, visible_at, Stage.READY if followers is None else Stage.BEHIND)
        if followers is None:
            self._lanes[lane] = deque()
        else:
            followers.append(held)
        self._held[held] = None
        self._count[held.stage] += 1
        return held

    def move(self, held: Held, stage: Stage) -> None:
        self._count[held.stage] -= 1
        self._count[stage] += 1
        held.stage = stage

    def has_followers(self, held: Held) -> bool:
        return bool(self._lanes.get(held.lane))

    def finish(self, held: Held) -> Held | None:
        """``held`` has left the queue for good: let go of it and return who may begin now, READY."""
        self.let_go(held)
        followers = self._lanes[held.lane]
        if not followers:
            del self._lanes[held.lane]
            return None
        following = followers.popleft()
        self.move(following, Stage.READY)
        return following

    def break_lane(self, held: Held) -> list[Held]:
        """``held`` goes back unfinished: return those behind it, which must go back too, not be handled before it."""
        followers = self._lanes.get(held.lane, deque())
        if held.stage is not Stage.BEHIND:
            self._lanes.pop(held.lane, None)
            return list(followers)
        position = followers.index(held)
        behind = list(followers)[position + 1 :]
        while len(followers) > position:
            followers.pop()
        return behind

    def let_go(self, held: Held) -> None:
        del self._held[held]
        self._count[held.stage] -= 1
