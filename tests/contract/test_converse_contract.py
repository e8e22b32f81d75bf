"""Our own Converse call and the SDK's: the same requests, signatures, answers and failures."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiobotocore.session import AioSession
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from local.bedrock_endpoint import BedrockEndpoint
from shared.aws.clients import Client, aws_session, open_client
from shared.aws.converse import open_converse
from shared.aws.errors import aws_errors
from shared.errors import PermanentError, Throttled, TransientError
from shared.model.bedrock import BedrockModel
from shared.model.port import Request, Text, Turn
from tests.support.bedrock_clients import NOVA, PROFILE, asked

KEY, SECRET, TOKEN = "000000000000", "local-only", "a-session-token"
REQUEST = Request(model_id=NOVA, turns=(Turn("user", (Text("Hello"),)),), max_tokens=10)
ARN = "arn:aws:bedrock:us-east-1:000000000000:inference-profile/eu.amazon.nova-lite-v1:0"


def sdk(session: AioSession, *, read_timeout: float = 30) -> AbstractAsyncContextManager[Client]:
    return open_client(session, "bedrock-runtime", attempts=1, read_timeout=read_timeout)


def ours(session: AioSession, *, read_timeout: float = 30) -> AbstractAsyncContextManager[Client]:
    return open_converse(session, connections=8, read_timeout=read_timeout)


@pytest.fixture(params=[sdk, ours], ids=["sdk", "ours"])
def opening(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def at_bedrock(bedrock: BedrockEndpoint, monkeypatch: pytest.MonkeyPatch) -> BedrockEndpoint:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", bedrock.url)
    return bedrock


@pytest.fixture
async def recorded(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Any]]:
    """What arrived, at an endpoint that answers everything with an empty object."""
    seen: list[Any] = []

    async def record(request: web.Request) -> web.Response:
        seen.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", record)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield seen
    await runner.cleanup()


async def test_an_answer_is_read_as_the_sdk_reads_it(at_bedrock: BedrockEndpoint) -> None:
    request = asked("Grüße, 世界", inferenceConfig={"maxTokens": 99, "temperature": 0.0}, requestMetadata={"task": "t"})
    answers = []
    for opening in (sdk, ours):
        async with opening(aws_session()) as client:
            answers.append(await client.converse(**request))
    theirs, own = ({k: v for k, v in each.items() if k not in ("ResponseMetadata", "metrics")} for each in answers)
    assert own == theirs
    assert answers[1]["metrics"].keys() == answers[0]["metrics"].keys()


@pytest.mark.parametrize("model_id", [NOVA, PROFILE, ARN])
async def test_a_request_goes_to_the_same_address_with_the_same_body(recorded: list[Any], model_id: str) -> None:
    request = asked("a / b % c", system=[{"text": "s"}]) | {"modelId": model_id}
    for opening in (sdk, ours):
        async with opening(aws_session()) as client:
            await client.converse(**request)
    (method, path, _, body), (own_method, own_path, _, own_body) = recorded
    assert (own_method, own_path, json.loads(own_body)) == (method, path, json.loads(body))


@pytest.mark.parametrize("model_id", [NOVA, ARN])
async def test_a_request_bears_the_signature_of_what_arrives(opening: Any, recorded: list[Any], model_id: str) -> None:
    async with opening(aws_session()) as client:
        await client.converse(**(asked() | {"modelId": model_id}))
    method, path, headers, body = recorded[0]
    assert headers["X-Amz-Security-Token"] == TOKEN
    assert headers["Authorization"].split("Signature=")[1] == signature(method, path, headers, body)


def signature(method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
    """What the service works out from the request as it came."""
    listed = headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    arrived = {name.lower(): value for name, value in headers.items()}
    request = AWSRequest(
        method,
        f"http://{arrived['host']}{path}",
        data=body,
        headers={name: arrived[name] for name in listed},
    )
    request.context["timestamp"] = arrived["x-amz-date"]
    signer = SigV4Auth(ReadOnlyCredentials(KEY, SECRET, TOKEN), "bedrock", "us-east-1")
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("throttled", Throttled),
        ("server_error", TransientError),
        ("unavailable", TransientError),
        ("model_timeout", TransientError),
        ("model_not_ready", TransientError),
        ("model_error", TransientError),
        ("access_denied", TransientError),
        ("drop_before_reading", TransientError),
        ("drop_after_reading", TransientError),
        ("cut_connection", TransientError),
        ("truncated_json", TransientError),
        ("garbled_body", TransientError),
    ],
)
async def test_a_failure_means_the_same(
    opening: Any, at_bedrock: BedrockEndpoint, kind: str, expected: type[Exception]
) -> None:
    at_bedrock.control(f"models/{NOVA}/faults", {"kind": kind, "next": 1})
    async with opening(aws_session()) as client:
        with pytest.raises(expected):
            await BedrockModel(client).converse(REQUEST)


async def test_a_silent_service_is_given_up(opening: Any, at_bedrock: BedrockEndpoint) -> None:
    at_bedrock.control(f"models/{NOVA}/faults", {"kind": "hang", "next": 1, "seconds": 60})
    async with opening(aws_session(), read_timeout=0.2) as client:
        with pytest.raises(TransientError), aws_errors():
            await client.converse(**asked())


async def test_a_refused_request_says_the_services_own_words(opening: Any, at_bedrock: BedrockEndpoint) -> None:
    async with opening(aws_session()) as client:
        words = "ValidationException: The provided model identifier is invalid"
        with pytest.raises(PermanentError, match=words), aws_errors():
            await client.converse(**(asked() | {"modelId": "no.such-model"}))


async def test_nobody_listening_is_an_outage(opening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9")
    async with opening(aws_session()) as client:
        with pytest.raises(TransientError), aws_errors():
            await client.converse(**asked())


async def test_without_credentials_no_request_is_sent(recorded: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    async with ours(aws_session()) as client:
        with pytest.raises(NoCredentialsError):
            await client.converse(**asked())
    assert recorded == []


async def test_a_bearer_token_is_left_to_the_sdk(recorded: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "a-token")
    async with ours(aws_session()) as client:
        await client.converse(**asked())
    assert recorded[0][2]["Authorization"] == "Bearer a-token"


async def test_a_proxy_of_the_environment_is_used(
    opening: Any, recorded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://bedrock.example")
    async with opening(aws_session()) as client:
        await client.converse(**asked())
    assert recorded[0][2]["Host"] == "bedrock.example"
