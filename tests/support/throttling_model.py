"""A model behind the local endpoint's own counting of quotas, on the loop's (virtual) time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from local.bedrock import quota as counting
from local.bedrock.settings import Limit
from shared.errors import Throttled
from shared.model.port import Reply, Request, Text, Turn, Usage


def a_request(*, words: int = 1000, max_tokens: int = 300) -> Request:
    """A prompt of about ``words`` x 1.2 tokens by our estimate."""
    return Request(model_id="m", turns=(Turn("user", (Text("word " * words),)),), max_tokens=max_tokens)


@dataclass(slots=True, kw_only=True)
class ThrottlingModel:
    """Counts like the service does: the input is what the request's text says, the output random."""

    limits: Sequence[Limit]
    random: Random
    seconds: float = 1.5
    burndown: int = 1
    calls: int = 0
    throttled: int = 0
    used: float = 0.0
    _quota: counting.Quota | None = field(default=None, init=False)

    async def converse(self, request: Request) -> Reply:
        loop = asyncio.get_running_loop()
        if self._quota is None:
            self._quota = counting.Quota(self.limits, loop.time())
        await asyncio.sleep(self.random.uniform(0.01, 0.08))
        self.calls += 1
        input_tokens = len(request.turns[0].blocks[0].text) // 5  # type: ignore[union-attr]
        reserved = self._quota.reserve(input_tokens + request.max_tokens, loop.time())
        if isinstance(reserved, counting.Throttled):
            self.throttled += 1
            raise Throttled("Too many tokens, please wait before trying again.")
        await asyncio.sleep(self.seconds * self.random.uniform(0.5, 1.5))
        output = int(request.max_tokens * self.random.uniform(0.3, 0.9))
        actual = input_tokens + output * self.burndown
        self._quota.settle(reserved, actual, loop.time())
        self.used += actual
        usage = Usage(input_tokens=input_tokens, output_tokens=output)
        return Reply(blocks=(Text("1"),), stop_reason="end_turn", usage=usage, latency_ms=1)
