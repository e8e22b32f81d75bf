"""The limiter against the local Bedrock endpoint's own quotas, over HTTP and in real time."""

import asyncio
import random
import time

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from shared.errors import Throttled
from shared.model.bedrock import BedrockModel
from shared.model.limited import LimitedModel
from shared.model.limiter import Limiter
from shared.model.port import Request, Text, Turn
from shared.model.prices import PRICES
from shared.model.quota import Limits, Quota
from tests.support.bedrock_clients import NOVA, opened

# A tenth of a minute, so that the test sees several of them.
PERIOD = 6.0
TOKENS = 30_000


@pytest.mark.parametrize("shape", ["fixed_window", "sliding_window", "token_bucket"])
async def test_a_published_quota_is_not_overrun_over_the_wire(bedrock: BedrockEndpoint, shape: str) -> None:
    limit = {"counts": "tokens", "amount": TOKENS, "per_seconds": PERIOD, "shape": shape}
    bedrock.control(f"models/{NOVA}", {"limits": [limit], "latency": {"fixed_ms": 20}}, method="PUT")
    # On a busy machine a call may be on its way for long: a fair share of a tenth of a minute, nothing of a whole one.
    quota = Quota(Limits(tokens_per_minute=TOKENS), period_seconds=PERIOD, travel_seconds=2.0)
    limiter = Limiter(quota, monotonic=time.monotonic)
    request = Request(model_id=NOVA, turns=(Turn("user", (Text("Late again. " * 100),)),), max_tokens=100)
    async with opened(bedrock, "bedrock-runtime") as client:
        model = LimitedModel(
            BedrockModel(client), limiter, lane="files", price=PRICES.of(NOVA), uniform=random.Random(1).uniform
        )
        # Four periods' worth of what is reserved, were nothing given back.
        replies = await asyncio.gather(*(model.converse(request) for _ in range(200)))
    counts = bedrock.control("stats")["models"][NOVA]
    assert len(replies) == counts["answered"] == 200
    assert counts["throttled"] <= 2
    assert sum(reply.throttles for reply in replies) == counts["throttled"]


async def test_a_call_that_the_endpoint_refuses_is_asked_again(bedrock: BedrockEndpoint) -> None:
    bedrock.control(f"models/{NOVA}/faults", {"kind": "throttled", "next": 2}, method="POST")
    limiter = Limiter(Quota(Limits()), monotonic=time.monotonic)
    request = Request(model_id=NOVA, turns=(Turn("user", (Text("Hello"),)),), max_tokens=50)
    async with opened(bedrock, "bedrock-runtime") as client:
        model = LimitedModel(BedrockModel(client), limiter, lane="tickets", uniform=lambda low, high: low)
        assert (await model.converse(request)).throttles == 2
        bedrock.control(f"models/{NOVA}/faults", {"kind": "throttled", "next": 10}, method="POST")
        with pytest.raises(Throttled):
            await model.converse(request)
    assert limiter.throttles == 7
