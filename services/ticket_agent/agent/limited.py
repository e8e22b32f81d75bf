"""An agent that a service hosts, inside the model's quota: what a step may use is reserved, what it used settled.

A hosted agent asks its model by itself and says only afterwards what that took, so that what is reserved is a guess: as
much as the step before, and what is new.
"""

import json
from collections.abc import Callable, Sequence
from typing import Generic

from services.ticket_agent.agent.budget import expected_tokens
from services.ticket_agent.agent.port import Agent, CallResult, SessionT, Step
from services.ticket_agent.agent.prompt import MAX_TOKENS_PER_TURN
from shared.errors import PermanentError, Throttled
from shared.model.limiter import Limiter
from shared.model.port import Usage

LANE = "tickets"


class LimitedAgent(Generic[SessionT]):
    """The Agent port. ``quota_tokens`` says what a usage takes of the quota; the loop above tries again by itself."""

    def __init__(self, inner: Agent[SessionT], limiter: Limiter, *, quota_tokens: Callable[[Usage], float]) -> None:
        self._inner = inner
        self._limiter = limiter
        self._quota_tokens = quota_tokens
        self._last: Usage | None = None

    def begin(self, ticket_text: str, *, ticket_id: str) -> SessionT:
        return self._inner.begin(ticket_text, ticket_id=ticket_id)

    async def next(self, session: SessionT, results: Sequence[CallResult]) -> Step:
        unseen = sum(len(json.dumps(result.content, default=str)) for result in results)
        hold = await self._limiter.reserve(LANE, expected_tokens(self._last, unseen, MAX_TOKENS_PER_TURN))
        try:
            step = await self._inner.next(session, results)
        except Throttled:
            hold.throttled()
            raise
        except PermanentError:
            hold.give_back()
            raise
        except BaseException:
            hold.unanswered()
            raise
        used = self._quota_tokens(step.usage)
        if used > 0:
            self._last = step.usage
            hold.settle(used)
        else:
            hold.unanswered()  # It did not say: what was reserved is the best guess there is.
        return step
