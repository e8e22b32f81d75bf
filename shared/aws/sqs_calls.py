"""The calls of SQS that a consumer makes for every few messages, at a third of the SDK's cost.

What is answered well is taken as it is; whatever goes wrong on the way is left to the SDK, which makes the call again
by its own rules: all four may be made twice, as the SDK's own retries do.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiobotocore.session import AioSession
from yarl import URL

from shared.aws.clients import Client, open_client
from shared.aws.signed_http import SignedHttp, open_signed_http
from shared.fast_json import as_json, from_json

SERVICE = "sqs"


@asynccontextmanager
async def open_sqs(session: AioSession, *, connections: int, read_timeout: float = 30.0) -> AsyncIterator[Client]:
    """A client that has the calls of SqsQueue and no others; ``read_timeout`` must exceed the long poll of 20 s."""
    async with open_client(session, SERVICE, connections=connections, read_timeout=read_timeout) as client:
        if client.meta.config.signature_version != "v4":
            yield client
            return
        async with open_signed_http(
            session, client, signed_as=SERVICE, connections=connections, read_timeout=read_timeout
        ) as http:
            yield _Sqs(client, http)


class _Sqs:
    def __init__(self, client: Client, http: SignedHttp) -> None:
        self._client = client
        self._http = http
        self._address = URL(f"{http.endpoint}/", encoded=True)

    async def receive_message(self, **parameters: Any) -> Mapping[str, Any]:
        return await self._call("ReceiveMessage", parameters, self._client.receive_message)

    async def delete_message_batch(self, **parameters: Any) -> Mapping[str, Any]:
        return await self._call("DeleteMessageBatch", parameters, self._client.delete_message_batch)

    async def change_message_visibility_batch(self, **parameters: Any) -> Mapping[str, Any]:
        return await self._call(
            "ChangeMessageVisibilityBatch", parameters, self._client.change_message_visibility_batch
        )

    async def send_message_batch(self, **parameters: Any) -> Mapping[str, Any]:
        return await self._call("SendMessageBatch", parameters, self._client.send_message_batch)

    async def _call(
        self, operation: str, parameters: Mapping[str, Any], by_the_sdk: Callable[..., Awaitable[Mapping[str, Any]]]
    ) -> Mapping[str, Any]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{operation}",
            "X-Amzn-Query-Mode": "true",
        }
        try:
            answered = await self._http.post(self._address, headers, as_json(parameters))
            if answered.status == 200 and isinstance(answer := from_json(answered.content), dict):
                return answer
        except TimeoutError:
            raise  # A poll that nobody answered has waited long enough; it may hold messages.
        except (aiohttp.ClientError, ValueError):
            pass  # Nothing is lost: the SDK's own call tells what is wrong.
        return await by_the_sdk(**parameters)
