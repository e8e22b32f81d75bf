"""What a ticket may cost: turns, tokens, and how often the very same call may come back. Pure.

Spending counts over all runs of a ticket, so that a ticket which is picked up again after a crash starts with what it
has left and not afresh.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from services.ticket_agent.agent.port import Call
from shared.model.port import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    turns: int = 24  # The longest right trajectory has seven; three times that, and a person is the better answer.
    tokens: int = 150_000
    identical_calls: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    turns: int = 0
    tokens: int = 0
    calls: dict[str, int] = field(default_factory=dict)

    def after(self, usage: Usage, calls: Iterable[Call] = ()) -> "Spent":
        """One more turn that used ``usage`` and asked for ``calls``."""
        counted = dict(self.calls)
        for call in calls:
            counted[_signature(call)] = counted.get(_signature(call), 0) + 1
        tokens = self.tokens + usage.input_tokens + usage.output_tokens
        return replace(self, turns=self.turns + 1, tokens=tokens, calls=counted)

    def in_new_session(self) -> "Spent":
        """The same, but that no call was made yet: a model that has to begin anew asks its questions again, which is
        no loop. Turns and tokens go on counting."""
        return replace(self, calls={})


def exhausted(budget: Budget, spent: Spent) -> str | None:
    """Why the agent may not go on, as a person reads it; None if it may."""
    if spent.turns >= budget.turns:
        return f"The agent used all of its {budget.turns} turns."
    if spent.tokens >= budget.tokens:
        return f"The agent used all of its {budget.tokens} tokens."
    if max(spent.calls.values(), default=0) > budget.identical_calls:
        return f"The agent repeated one call more than {budget.identical_calls} times."
    return None


INSTRUCTIONS_TOKENS = 4_000
"""The instructions and the tools' schemas, generously."""

CHARACTERS_A_TOKEN = 2
"""Fewer than in any language that tickets come in, so that what is expected errs upwards."""


def expected_tokens(last: Usage | None, unseen_characters: int, max_output_tokens: int) -> int:
    """What the next turn may use: all that the turn before has read and said, what is new, and the longest reply.

    ``last`` is None before the first turn, which reads the instructions.
    """
    known = last.input_tokens + last.output_tokens if last is not None else 0
    return max(known, INSTRUCTIONS_TOKENS) + unseen_characters // CHARACTERS_A_TOKEN + max_output_tokens


def _signature(call: Call) -> str:
    return json.dumps([call.tool, call.arguments], sort_keys=True, default=str)
