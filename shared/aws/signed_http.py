"""Signed POST requests over HTTP with nothing around them: for the few calls whose number makes the SDK's cost felt.

Region, credentials, certificates and proxies are still found by the SDK. Signatures are of version 4, as the document
"Create a signed AWS API request" has it: the SDK takes a quarter of a millisecond for one, this a tenth of that.
"""

import hashlib
import hmac
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from yarl import URL

from shared.aws.clients import Client
from shared.clock import Now, wall_clock

CONNECT_SECONDS = 5.0
# As aiobotocore has it: an idle connection that the service has closed fails the call that finds out.
KEEPALIVE_SECONDS = 12.0


@dataclass(slots=True, kw_only=True)
class Signer:
    """For one service in one region."""

    service: str
    region: str
    now: Now = wall_clock
    # The day's key takes four digests, and a day has many calls. Credentials change within it.
    _key: tuple[str, str, bytes] = field(default=("", "", b""), init=False, repr=False)

    def signed(
        self, address: URL, headers: Mapping[str, str], body: bytes, credentials: ReadOnlyCredentials
    ) -> dict[str, str]:
        """``headers`` and those of the signature; all are signed. ``address`` has no query."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now()))
        all_headers = {**headers, "Host": address.host_port_subcomponent or "", "X-Amz-Date": moment}
        if credentials.token:
            all_headers["X-Amz-Security-Token"] = credentials.token
        lines = sorted((name.lower(), value) for name, value in all_headers.items())
        listed = ";".join([name for name, _ in lines])
        signed_lines = "".join([f"{name}:{value}\n" for name, value in lines])
        # Encoded once as it is sent and once more here, as every service but S3 has it.
        path = quote(address.raw_path, safe="/~")
        request = f"POST\n{path}\n\n{signed_lines}\n{listed}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(credentials.secret_key, moment[:8]), text.encode(), "sha256").hex()
        all_headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope},"
            f" SignedHeaders={listed}, Signature={signature}"
        )
        return all_headers

    def _key_of(self, secret: str, day: str) -> bytes:
        if self._key[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self.region, self.service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = (secret, day, key)
        return self._key[2]


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class SignedHttp:
    """Requests to the endpoint of one SDK client."""

    endpoint: str
    user_agent: str
    _http: aiohttp.ClientSession = field(repr=False)
    _session: AioSession = field(repr=False)
    _signer: Signer = field(repr=False)

    async def post(self, address: URL, headers: Mapping[str, str], body: bytes) -> Answered:
        """Raises NoCredentialsError, aiohttp's ClientError or TimeoutError."""
        credentials = await self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        # Kept by the session; asked for at each call, because a task's own run out after hours and are renewed there.
        frozen = await credentials.get_frozen_credentials()
        signed = self._signer.signed(address, headers, body, frozen)
        signed["User-Agent"] = self.user_agent
        async with self._http.post(address, data=body, headers=signed) as response:
            return Answered(response.status, response.headers, await response.read())


@asynccontextmanager
async def open_signed_http(
    session: AioSession, client: Client, *, signed_as: str, connections: int, read_timeout: float
) -> AsyncIterator[SignedHttp]:
    """``connections`` is the most calls in flight, ``read_timeout`` in seconds the longest silence of the service."""
    endpoint = client.meta.endpoint_url.rstrip("/")
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=_certificates(session))
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_timeout)
    # No service here sets cookies, and looking for them takes its share of a call.
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, proxy=_proxy(endpoint), cookie_jar=jar
    ) as http:
        signer = Signer(service=signed_as, region=client.meta.region_name)
        yield SignedHttp(endpoint, client.meta.config.user_agent, http, session, signer)


def _certificates(session: AioSession) -> ssl.SSLContext:
    """The SDK's choice: a bundle of the user's (AWS_CA_BUNDLE), or the one that comes with it."""
    return ssl.create_default_context(cafile=session.get_config_variable("ca_bundle") or get_cert_path(True))


def _proxy(endpoint: str) -> str | None:
    """The one that the environment names for this address; aiohttp would read a file of passwords at every call."""
    found: str | None = get_environ_proxies(endpoint).get(endpoint.partition(":")[0])
    return found
