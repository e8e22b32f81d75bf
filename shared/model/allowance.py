"""What a service really lets through, learned from its throttles: additive increase, multiplicative decrease. Pure.

A published limit is the most that is tried. A throttle opens an *episode*: the allowance falls once, and calls go out
one at a time with growing gaps until one is let through. Nothing stops for longer than such a gap, and the calls that
are under way do not count again. How long the service refused says by how much the allowance was too high: a fixed
window that was full ten seconds before its end was a sixth too small. Every call let through while the allowance is
what holds calls back raises it a little, the more the longer nothing was refused.
"""

from dataclasses import dataclass

GUESS = 200_000.0
"""Tokens a minute to measure steps by where no limit is published; not a limit."""

DECREASE = 0.05
"""What the first throttle of an episode takes; the service's use swings by half of it around what it lets through."""
MOST_DECREASE = 0.5
SOON = 20
"""A throttle within so few calls of the last episode's end shows that the decrease was far too small: it doubles."""
CLEAN_CALLS = 400
"""Calls let through to regain DECREASE: with one to three calls refused an episode, under 1% of calls are."""
LEAST = 0.02
"""The allowance never falls below this part of what is published: it must notice when the service has room again."""
BINDING = 0.8
"""The share of the allowance in use above which it counts as what holds calls back."""

FIRST_GAP, LONGEST_GAP = 0.25, 4.0
SURE_SECONDS = 1.0
"""A throttle comes back within milliseconds: a call that has been out for so long without one was let through."""


@dataclass(slots=True)
class Episode:
    """Since when the service refuses, and the one call that is out to see whether it still does."""

    since: float
    limit_before: float
    next_probe: float
    gap: float = FIRST_GAP
    last_refusal: float = 0.0
    probe_sent: float | None = None


class Allowance:
    """``limit`` is in tokens a period; None while nothing is published and nothing was ever refused."""

    def __init__(self, published: float | None, *, period_seconds: float = 60.0) -> None:
        self._published = published
        self._period = period_seconds
        self._scale = min(1.0, period_seconds / 60.0)  # Gaps are parts of a period.
        self._learned: float | None = None
        self._clean = CLEAN_CALLS
        self._decrease = DECREASE
        self._ended = float("-inf")
        self.episode: Episode | None = None
        self.episodes = 0

    @property
    def limit(self) -> float | None:
        if self._learned is None:
            return self._published
        return self._learned if self._published is None else min(self._learned, self._published)

    @property
    def factor(self) -> float:
        """The allowance as a part of what is published; 1 where nothing is."""
        if self._published is None or self._learned is None or self._published <= 0:
            return 1.0
        return min(1.0, self._learned / self._published)

    def change(self, published: float | None) -> None:
        before, self._published = self._published, published
        if self._learned is not None and before and published:
            self._learned *= published / before
            if self.episode is not None:
                self.episode.limit_before *= published / before

    def wait(self, now: float) -> float:
        """Seconds until a call may go as far as the last refusal is concerned."""
        episode = self.episode
        if episode is None:
            return 0.0
        if episode.probe_sent is None:
            return max(0.0, episode.next_probe - now)
        if now >= episode.probe_sent + SURE_SECONDS * self._scale:
            self._end(episode.probe_sent)
            return 0.0
        return episode.probe_sent + SURE_SECONDS * self._scale - now

    def sent(self, now: float) -> None:
        if self.episode is not None and self.episode.probe_sent is None:
            self.episode.probe_sent = now

    def withdrawn(self, sent_at: float) -> None:
        """A call was sent back unsent, or said nothing about the rate: if it was the probe, another one is needed."""
        if self.episode is not None and self.episode.probe_sent == sent_at:
            self.episode.probe_sent = None

    def accepted(self, *, sent_at: float, used: float) -> None:
        """A call sent at ``sent_at`` was let through; ``used`` is what counted when its answer came."""
        if self.episode is not None:
            if sent_at >= self.episode.since:
                self._end(sent_at)
            return
        self._clean += 1
        if self._clean > SOON:
            self._decrease = DECREASE
        limit = self.limit
        is_learned = self._learned is not None and limit is not None
        if is_learned and limit is not None and used >= BINDING * limit:
            basis = self._published or max(GUESS, limit)
            self._learned = limit + basis * DECREASE / CLEAN_CALLS * (1 + self._clean / CLEAN_CALLS)
            if self._published is not None and self._learned >= self._published:
                self._learned = None

    def throttled(self, *, sent_at: float, used: float, now: float) -> None:
        """A call sent at ``sent_at`` was refused; ``used`` is what counts without it."""
        episode = self.episode
        if episode is not None:
            if episode.probe_sent == sent_at:
                episode.probe_sent = None
                episode.last_refusal = sent_at
                episode.gap = min(LONGEST_GAP, 2 * episode.gap)
                episode.next_probe = now + episode.gap * self._scale
            return
        if sent_at < self._ended:
            return  # Sent before the last episode ended: it tells of then, not of now.
        if self._clean <= SOON:
            self._decrease = min(MOST_DECREASE, 2 * self._decrease)
        before = self.limit if self.limit is not None else max(GUESS, used)
        self._clean = 0
        self.episodes += 1
        self.episode = Episode(
            since=now, limit_before=before, next_probe=now + FIRST_GAP * self._scale, last_refusal=now
        )
        # What counted at the refusal is what the service lets through, where it counts as we do and nobody counted
        # before us; half of it is the least, in case somebody did.
        lowered = before * (1 - self._decrease)
        measured = max(used, before * (1 - MOST_DECREASE))
        self._lower_to(max(min(lowered, measured), _TRUSTED * used), before)

    def _end(self, let_through: float) -> None:
        episode, self.episode = self.episode, None
        if episode is None:
            return
        self._ended = let_through
        self._clean = 0
        # Between the last refusal and the first call let through: the middle is wrong by half of a gap at most.
        refused_for = (max(episode.last_refusal, episode.since) + let_through) / 2 - episode.since
        part = min(MOST_DECREASE, max(0.0, refused_for) / self._period)
        lowered = episode.limit_before * (1 - part)
        if self._learned is not None and lowered < self._learned:
            self._lower_to(lowered, episode.limit_before)

    def _lower_to(self, limit: float, before: float) -> None:
        basis = self._published or GUESS
        self._learned = min(before, max(limit, LEAST * basis))


_TRUSTED = 0.8
"""What was let through in the last minute the service lets through again, but for bursts and other users."""
