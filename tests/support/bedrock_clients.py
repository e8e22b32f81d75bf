"""aiobotocore clients for the local Bedrock endpoint, and the plain HTTP beneath them."""

import json
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from aiobotocore.session import get_session
from botocore.config import Config

from local.bedrock_endpoint import BedrockEndpoint

NOVA = "amazon.nova-lite-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
PROFILE_ONLY = "anthropic.claude-haiku-4-5-20251001-v1:0"
PROFILE = f"eu.{PROFILE_ONLY}"

# Parsing a service's model takes most of a second; clients of one session share it.
_session = cache(get_session)


@asynccontextmanager
async def opened(endpoint: BedrockEndpoint, service: str, *, read_timeout: float = 30) -> AsyncIterator[Any]:
    """A client that asks once: a retry would hide the fault under test."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout, connect_timeout=5)
    async with _session().create_client(
        service,
        endpoint_url=endpoint.url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    ) as client:
        yield client


def asked(text: str = "Hello", **other: Any) -> dict[str, Any]:
    """The parameters of a Converse call."""
    return {"modelId": NOVA, "messages": [{"role": "user", "content": [{"text": text}]}], **other}


def plain(endpoint: BedrockEndpoint, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The JSON of a reply as it comes over the wire."""
    request = urllib.request.Request(endpoint.url + path, data=None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read())
