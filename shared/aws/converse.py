"""Bedrock's Converse at a third of the SDK's cost: one HTTP call, signed by botocore, and nothing around it.

The SDK spends about 1.6 ms of CPU on a call, most of it on hooks, user agent strings and validation that the service
repeats anyway; this spends 0.6. Endpoint, region, credentials and certificates are still found by the SDK, and failures
are the SDK's own exceptions, so that callers cannot tell the two apart. There is no retry: the caller has its own.
"""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from aiobotocore.session import AioSession
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies, get_token_from_environment
from yarl import URL

from shared.aws.clients import Client, open_client

SERVICE, SIGNED_AS = "bedrock-runtime", "bedrock"
CONNECT_SECONDS = 5.0
# As aiobotocore has it: an idle connection that the service has closed fails the call that finds out.
KEEPALIVE_SECONDS = 12.0


@asynccontextmanager
async def open_converse(session: AioSession, *, connections: int, read_timeout: float) -> AsyncIterator[Client]:
    """A client that has ``converse`` and nothing else; the SDK's own where requests are signed in another way.

    ``connections`` is the most calls in flight, ``read_timeout`` in seconds the longest silence of the service.
    """
    async with open_client(session, SERVICE, connections=connections, read_timeout=read_timeout, attempts=1) as client:
        if get_token_from_environment(SIGNED_AS) is not None or client.meta.config.signature_version != "v4":
            yield client  # A bearer token (AWS_BEARER_TOKEN_BEDROCK) goes before a signature.
            return
        connector = aiohttp.TCPConnector(
            limit=connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=_certificates(session)
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_timeout)
        endpoint = client.meta.endpoint_url.rstrip("/")
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, proxy=_proxy(endpoint)) as http:
            yield _Converse(
                http,
                session,
                endpoint=endpoint,
                region=client.meta.region_name,
                headers={"Content-Type": "application/json", "User-Agent": client.meta.config.user_agent},
            )


def _certificates(session: AioSession) -> ssl.SSLContext:
    """The SDK's choice: a bundle of the user's (AWS_CA_BUNDLE), or the one that comes with it."""
    return ssl.create_default_context(cafile=session.get_config_variable("ca_bundle") or get_cert_path(True))


def _proxy(endpoint: str) -> str | None:
    """The one that the environment names for this address; aiohttp would read a file of passwords at every call."""
    found: str | None = get_environ_proxies(endpoint).get(endpoint.partition(":")[0])
    return found


class _Converse:
    def __init__(
        self,
        http: aiohttp.ClientSession,
        session: AioSession,
        *,
        endpoint: str,
        region: str,
        headers: Mapping[str, str],
    ) -> None:
        self._http = http
        self._session = session
        self._endpoint = endpoint
        self._region = region
        self._headers = dict(headers)

    async def converse(self, *, modelId: str, **parameters: Any) -> dict[str, Any]:  # noqa: N803  the operation's own
        """Raises ClientError as the SDK does, aiohttp's ClientError, TimeoutError or ResponseParserError."""
        url = f"{self._endpoint}/model/{quote(modelId, safe='~')}/converse"
        body = json.dumps(parameters).encode()
        # Encoded already: encoded again, the address would no longer be the one that was signed.
        address = URL(url, encoded=True)
        async with self._http.post(address, data=body, headers=await self._signed(url, body)) as response:
            content = await response.read()
            if response.status == 200:
                return _read(content)
            raise _refusal(response, content)

    async def _signed(self, url: str, body: bytes) -> dict[str, str]:
        credentials = await self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        # Kept by the session; asked for at each call, because a task's own run out after hours and are renewed there.
        frozen = await credentials.get_frozen_credentials()
        request = AWSRequest("POST", url, data=body, headers=self._headers)
        SigV4Auth(frozen, SIGNED_AS, self._region).add_auth(request)
        return dict(request.headers.items())


def _read(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise ResponseParserError(f"Converse: {error}") from error
    if not isinstance(answer, dict):
        raise ResponseParserError("Converse: the answer is no JSON object")
    return answer


def _refusal(response: aiohttp.ClientResponse, content: bytes) -> ClientError:
    """The service's error as the SDK reads it: its name from a header or the body, its words from the body."""
    try:
        body = json.loads(content)
    except ValueError:
        body = {}  # A proxy or a load balancer answered in its own words; the status must do.
    if not isinstance(body, dict):
        body = {}
    name = str(response.headers.get("x-amzn-errortype") or body.get("__type") or body.get("code") or response.status)
    return ClientError(
        {
            "Error": {
                # "ThrottlingException:http://..." and "com.amazon.coral#ThrottlingException" are of one name.
                "Code": name.partition(":")[0].rpartition("#")[2],
                "Message": str(body.get("message") or body.get("Message") or ""),
            },
            "ResponseMetadata": {
                "HTTPStatusCode": response.status,
                "RequestId": response.headers.get("x-amzn-requestid", ""),
            },
        },
        "Converse",
    )
