"""How much chaos: the short form that runs with every test run, the long one that ``make chaos`` asks for.

CHAOS_SCALE=long      the long form
CHAOS_SEED=7          this seed, or several: CHAOS_SEED=7,8,9
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blows:
    """What befalls the tasks of one run, spread over ``seconds``; ``ends`` are SIGKILLs and SIGTERMs."""

    seconds: float
    ends: int
    pauses: int
    cuts: int


@dataclass(frozen=True, slots=True)
class Scale:
    """``messages`` go through the queue consumer, half of them FIFO; ``tickets`` through the bridge, and in the long
    form through the ticket agent, whose blows are spread over tickets that have ended instead of seconds.
    ``feedback_rows`` lie in the tagger's files; its blows are spread over the share of rows that are stored, and its
    cuts are crashes of the database."""

    name: str
    messages: int
    groups: int
    consumer_blows: Blows
    tickets: int
    bridge_blows: Blows
    ticket_blows: Blows
    feedback_rows: int
    feedback_blows: Blows
    drained_within: float


SHORT = Scale(
    name="short",
    messages=240,
    groups=12,
    consumer_blows=Blows(seconds=6.0, ends=4, pauses=1, cuts=2),
    tickets=80,
    bridge_blows=Blows(seconds=6.0, ends=4, pauses=1, cuts=2),
    ticket_blows=Blows(seconds=60.0, ends=4, pauses=1, cuts=0),
    feedback_rows=800,
    feedback_blows=Blows(seconds=0.75, ends=4, pauses=0, cuts=2),
    drained_within=60.0,
)
LONG = Scale(
    name="long",
    messages=5_000,
    groups=60,
    consumer_blows=Blows(seconds=165.0, ends=32, pauses=10, cuts=16),
    tickets=1_000,
    bridge_blows=Blows(seconds=110.0, ends=24, pauses=8, cuts=12),
    ticket_blows=Blows(seconds=950.0, ends=54, pauses=6, cuts=0),
    feedback_rows=20_000,
    feedback_blows=Blows(seconds=0.9, ends=50, pauses=4, cuts=8),
    drained_within=180.0,
)
DEFAULT_SEEDS = {"short": (1,), "long": (1, 2, 3)}


def scale_of(environment: Mapping[str, str]) -> Scale:
    """The form that ``CHAOS_SCALE`` names; the short one where nothing is said."""
    return {"short": SHORT, "long": LONG}[environment.get("CHAOS_SCALE") or "short"]


def seeds_of(environment: Mapping[str, str]) -> tuple[int, ...]:
    """The seeds to run, fixed unless ``CHAOS_SEED`` says otherwise: a failure must come again when asked to."""
    given = environment.get("CHAOS_SEED")
    return tuple(int(seed) for seed in given.split(",")) if given else DEFAULT_SEEDS[scale_of(environment).name]
