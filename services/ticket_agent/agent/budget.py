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


def _signature(call: Call) -> str:
    return json.dumps([call.tool, call.arguments], sort_keys=True, default=str)
