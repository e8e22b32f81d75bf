"""Published limits over the wire: a small server that answers GetServiceQuota as the service's own model says."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from shared.aws.clients import aws_session, open_client
from shared.errors import TransientError
from shared.model.prices import QuotaCodes
from shared.model.quota import Limits
from shared.model.service_quotas import ServiceQuotas

NAMED = "Cross-region model inference tokens per minute for Amazon Nova Micro"


@asynccontextmanager
async def a_server(quotas: Mapping[str, Mapping[str, Any]], *, error: str | None = None) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["X-Amz-Target"] == "ServiceQuotasV20190624.GetServiceQuota"
        asked = json.loads(await request.read())
        assert asked["ServiceCode"] == "bedrock"
        kind = "application/x-amz-json-1.1"
        if error is not None:
            return web.json_response({"__type": error, "Message": "no"}, status=400, content_type=kind)
        if asked["QuotaCode"] not in quotas:
            refusal = {"__type": "NoSuchResourceException", "Message": "no such quota"}
            return web.json_response(refusal, status=400, content_type=kind)
        return web.json_response({"Quota": quotas[asked["QuotaCode"]]}, content_type=kind)

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)


async def limits(url: str, codes: QuotaCodes) -> Limits:
    async with open_client(aws_session(), "service-quotas", endpoint_url=url, attempts=1) as client:
        return await ServiceQuotas(client).limits(codes)


async def test_the_account_s_own_value_is_read_by_its_code() -> None:
    async with a_server({"L-DC7FF66C": {"QuotaName": NAMED, "Value": 4_000_000.0}}) as url:
        assert await limits(url, QuotaCodes(tokens_per_minute="L-DC7FF66C")) == Limits(tokens_per_minute=4_000_000.0)


async def test_a_code_that_means_another_quota_is_not_believed() -> None:
    other = {"QuotaName": "Cross-region model inference requests per minute for Amazon Nova Micro", "Value": 2000.0}
    async with a_server({"L-3F110E0F": other}) as url:
        assert await limits(url, QuotaCodes(tokens_per_minute="L-3F110E0F")) == Limits()


async def test_an_unknown_code_gives_no_limit() -> None:
    async with a_server({}) as url:
        assert await limits(url, QuotaCodes(tokens_per_minute="L-00000000")) == Limits()
        assert await limits(url, QuotaCodes()) == Limits()


async def test_a_missing_permission_is_passed_on_as_what_may_be_mended() -> None:
    async with a_server({}, error="AccessDeniedException") as url:
        with pytest.raises(TransientError):
            await limits(url, QuotaCodes(tokens_per_minute="L-DC7FF66C"))
