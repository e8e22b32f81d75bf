"""When what befalls whom: decided before the run from its seed, so that a seed names a run."""

import random
from dataclasses import dataclass
from enum import Enum, auto

from tests.chaos.scale import Blows


class Blow(Enum):
    """What may befall a running task, or the network."""

    KILL = auto()
    """SIGKILL: no drain, no give-back."""
    STOP = auto()
    """SIGTERM: the task must drain and exit with status 0."""
    PAUSE = auto()
    """SIGSTOP for longer than what it holds is its own, then SIGCONT: it wakes believing that it still holds it."""
    CUT = auto()
    """Every connection that waits for an answer breaks at once."""


@dataclass(frozen=True, slots=True)
class Strike:
    """``at`` seconds from the start; ``victim`` (0 to 1) picks among those running then."""

    at: float
    blow: Blow
    victim: float


def schedule(blows: Blows, die: random.Random) -> list[Strike]:
    """The strikes of one run in order of time, their kinds shuffled; at least half of the ends are kills."""
    kills = blows.ends - blows.ends // 2
    kinds = (
        [Blow.KILL] * kills + [Blow.STOP] * (blows.ends // 2) + [Blow.PAUSE] * blows.pauses + [Blow.CUT] * blows.cuts
    )
    die.shuffle(kinds)
    step = blows.seconds / len(kinds)
    return [Strike((index + die.random()) * step, kind, die.random()) for index, kind in enumerate(kinds)]
