"""Bedrock's Converse at a fraction of the SDK's cost: one signed HTTP call and nothing around it.

The SDK spends about 1.6 ms of CPU on a call, most of it on hooks, signatures and validation that the service repeats
anyway. Endpoint, region, credentials and certificates are still found by the SDK, and failures are the SDK's own
exceptions, so that callers cannot tell the two apart. There is no retry: the caller has its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from botocore.utils import get_token_from_environment
from yarl import URL

from shared.aws.clients import Client, open_client
from shared.aws.signed_http import Answered, SignedHttp, open_signed_http
from shared.fast_json import as_json, from_json

SERVICE, SIGNED_AS = "bedrock-runtime", "bedrock"
HEADERS = {"Content-Type": "application/json"}


@asynccontextmanager
async def open_converse(session: AioSession, *, connections: int, read_timeout: float) -> AsyncIterator[Client]:
    """A client that has ``converse`` and nothing else; the SDK's own where requests are signed in another way.

    ``connections`` is the most calls in flight, ``read_timeout`` in seconds the longest silence of the service.
    """
    async with open_client(session, SERVICE, connections=connections, read_timeout=read_timeout, attempts=1) as client:
        if get_token_from_environment(SIGNED_AS) is not None or client.meta.config.signature_version != "v4":
            yield client  # A bearer token (AWS_BEARER_TOKEN_BEDROCK) goes before a signature.
            return
        async with open_signed_http(
            session, client, signed_as=SIGNED_AS, connections=connections, read_timeout=read_timeout
        ) as http:
            yield _Converse(http)


class _Converse:
    def __init__(self, http: SignedHttp) -> None:
        self._http = http
        self._addresses: dict[str, URL] = {}

    async def converse(self, *, modelId: str, **parameters: Any) -> dict[str, Any]:  # noqa: N803  the operation's own
        """Raises ClientError as the SDK does, aiohttp's ClientError, TimeoutError or ResponseParserError."""
        answered = await self._http.post(self._address(modelId), HEADERS, as_json(parameters))
        if answered.status == 200:
            return _read(answered.content)
        raise _refusal(answered)

    def _address(self, model_id: str) -> URL:
        """Of the few models that a process asks; parsing one costs as much as signing for it."""
        address = self._addresses.get(model_id)
        if address is None:
            # Encoded already: encoded again, the address would no longer be the one that is signed.
            url = f"{self._http.endpoint}/model/{quote(model_id, safe='~')}/converse"
            address = self._addresses[model_id] = URL(url, encoded=True)
        return address


def _read(content: bytes) -> dict[str, Any]:
    try:
        answer = from_json(content)
    except ValueError as error:
        raise ResponseParserError(f"Converse: {error}") from error
    if not isinstance(answer, dict):
        raise ResponseParserError("Converse: the answer is no JSON object")
    return answer


def _refusal(answered: Answered) -> ClientError:
    """The service's error as the SDK reads it: its name from a header or the body, its words from the body."""
    try:
        body = from_json(answered.content)
    except ValueError:
        body = {}  # A proxy or a load balancer answered in its own words; the status must do.
    if not isinstance(body, dict):
        body = {}
    name = str(answered.headers.get("x-amzn-errortype") or body.get("__type") or body.get("code") or answered.status)
    return ClientError(
        {
            "Error": {
                # "ThrottlingException:http://..." and "com.amazon.coral#ThrottlingException" are of one name.
                "Code": name.partition(":")[0].rpartition("#")[2],
                "Message": str(body.get("message") or body.get("Message") or ""),
            },
            "ResponseMetadata": {
                "HTTPStatusCode": answered.status,
                "RequestId": answered.headers.get("x-amzn-requestid", ""),
            },
        },
        "Converse",
    )
