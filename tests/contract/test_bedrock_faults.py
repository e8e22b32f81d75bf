"""Each fault, quota and setting of the local Bedrock endpoint, met by the SDK over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from local.bedrock.stand_ins import TAGGER
from local.bedrock_endpoint import BedrockEndpoint, ControlFailed, running_bedrock
from local.processes import StartFailed
from shared.aws.errors import aws_errors
from shared.errors import TransientError
from tests.support.bedrock_clients import NOVA, PROFILE, TITAN, asked, opened, plain
from tests.support.waiting import eventually, wait_until

HOUR = 3600
SHAPES = ("fixed_window", "sliding_window", "token_bucket")


@pytest.fixture
async def runtime(bedrock: BedrockEndpoint) -> AsyncIterator[Any]:
    async with opened(bedrock, "bedrock-runtime") as client:
        yield client


def strike(bedrock: BedrockEndpoint, kind: str, *, times: int = 1, name: str = NOVA, **other: Any) -> None:
    bedrock.control(f"models/{name}/faults", {"kind": kind, "next": times, **other})


def limited(bedrock: BedrockEndpoint, *limits: dict[str, Any], name: str = NOVA) -> None:
    bedrock.control(f"models/{name}", {"limits": list(limits)})


def counts(bedrock: BedrockEndpoint, name: str = NOVA) -> dict[str, Any]:
    return dict(bedrock.control("stats")["models"][name])


async def outcome(call: Any) -> str:
    """ "ok", or the code of the refusal."""
    try:
        await call
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttled", "ThrottlingException", 429),
        ("server_error", "InternalServerException", 500),
        ("unavailable", "ServiceUnavailableException", 503),
        ("model_timeout", "ModelTimeoutException", 408),
        ("model_not_ready", "ModelNotReadyException", 429),
        ("model_error", "ModelErrorException", 424),
        ("access_denied", "AccessDeniedException", 403),
    ],
)
async def test_an_error_arrives_in_its_real_shape_and_then_no_more(
    bedrock: BedrockEndpoint, runtime: Any, kind: str, code: str, status: int
) -> None:
    strike(bedrock, kind)
    with pytest.raises(ClientError) as caught:
        await runtime.converse(**asked())
    response: Any = caught.value.response
    assert isinstance(caught.value, getattr(runtime.exceptions, code))
    assert response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"].startswith(f"{code}:")
    assert await outcome(runtime.converse(**asked())) == "ok"


@pytest.mark.parametrize("kind", ["drop_before_reading", "drop_after_reading", "cut_connection"])
async def test_a_lost_connection_is_one_to_the_client(bedrock: BedrockEndpoint, runtime: Any, kind: str) -> None:
    strike(bedrock, kind)
    with pytest.raises(ConnectionClosedError):
        await runtime.converse(**asked())
    assert await outcome(runtime.converse(**asked())) == "ok"


async def test_a_connection_dropped_before_reading_costs_nothing_and_one_dropped_after_costs_all(
    bedrock: BedrockEndpoint, runtime: Any
) -> None:
    strike(bedrock, "drop_before_reading")
    with pytest.raises(ConnectionClosedError):
        await runtime.converse(**asked())
    assert counts(bedrock)["quota_tokens"] == 0
    strike(bedrock, "drop_after_reading")
    with pytest.raises(ConnectionClosedError):
        await runtime.converse(**asked())
    assert counts(bedrock)["quota_tokens"] > 0


async def test_a_hanging_model_meets_the_client_s_timeout(bedrock: BedrockEndpoint) -> None:
    strike(bedrock, "hang")
    async with opened(bedrock, "bedrock-runtime", read_timeout=0.2) as impatient:
        with pytest.raises(ReadTimeoutError):
            await impatient.converse(**asked())


async def test_a_hanging_model_hangs_up_in_the_end(bedrock: BedrockEndpoint, runtime: Any) -> None:
    strike(bedrock, "hang", seconds=0.1)
    with pytest.raises(ConnectionClosedError):
        await runtime.converse(**asked())


@pytest.mark.parametrize("kind", ["truncated_json", "missing_parts"])
async def test_a_reply_that_lost_its_parts_reaches_the_caller_without_them(
    bedrock: BedrockEndpoint, runtime: Any, kind: str
) -> None:
    strike(bedrock, kind)
    reply = await runtime.converse(**asked())
    assert reply.keys() == {"ResponseMetadata"}


async def test_a_garbled_body_cannot_be_decoded(bedrock: BedrockEndpoint, runtime: Any) -> None:
    """botocore lets the bare UnicodeDecodeError out, so our translation of its errors has to know it."""
    strike(bedrock, "garbled_body", times=2)
    with pytest.raises(UnicodeDecodeError):
        await runtime.converse(**asked())
    with pytest.raises(TransientError), aws_errors():
        await runtime.converse(**asked())


@pytest.mark.parametrize(
    "stop_reason",
    [
        "end_turn",
        "tool_use",
        "max_tokens",
        "stop_sequence",
        "guardrail_intervened",
        "content_filtered",
        "malformed_model_output",
        "malformed_tool_use",
        "model_context_window_exceeded",
    ],
)
async def test_an_answer_can_be_made_to_end_with_any_stop_reason(
    bedrock: BedrockEndpoint, runtime: Any, stop_reason: str
) -> None:
    strike(bedrock, "stop_reason", stop_reason=stop_reason, times=2)
    reply = await runtime.converse(**asked())
    assert reply["stopReason"] == stop_reason
    assert reply["usage"]["outputTokens"] > 0
    tool = {"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}
    tools = {"tools": [tool], "toolChoice": {"any": {}}}
    called = await runtime.converse(**asked(toolConfig=tools))
    assert called["stopReason"] == stop_reason
    has_call = any("toolUse" in block for block in called["output"]["message"]["content"])
    assert has_call == (stop_reason in ("end_turn", "tool_use", "stop_sequence"))


async def test_a_fault_can_be_meant_for_one_operation_only(bedrock: BedrockEndpoint, runtime: Any) -> None:
    strike(bedrock, "server_error", name="*", operation="InvokeModel")
    assert await outcome(runtime.converse(**asked())) == "ok"
    embed = json.dumps({"inputText": "a"})
    assert await outcome(runtime.invoke_model(modelId=TITAN, body=embed)) == "InternalServerException"


async def test_a_fault_with_a_probability_strikes_about_that_often_and_the_same_each_time(
    bedrock: BedrockEndpoint, runtime: Any
) -> None:
    async def struck() -> list[str]:
        settings = {"models": {"*": {"seed": 5, "faults": [{"kind": "unavailable", "probability": 0.5}]}}}
        bedrock.control("settings", settings, method="PUT")
        return [await outcome(runtime.converse(**asked())) for _ in range(40)]

    first = await struck()
    assert 10 < first.count("ServiceUnavailableException") < 30
    assert await struck() == first


async def test_faults_can_be_called_off(bedrock: BedrockEndpoint, runtime: Any) -> None:
    strike(bedrock, "server_error", times=5)
    assert bedrock.control(f"models/{NOVA}/faults") == [{"kind": "server_error", "next": 5}]
    bedrock.control(f"models/{NOVA}/faults", method="DELETE")
    assert await outcome(runtime.converse(**asked())) == "ok"


async def test_retrieve_fails_on_demand_too(bedrock: BedrockEndpoint) -> None:
    strike(bedrock, "throttled", name="DESKHANDKB")
    async with opened(bedrock, "bedrock-agent-runtime") as client:
        call = client.retrieve(knowledgeBaseId="DESKHANDKB", retrievalQuery={"text": "a"})
        assert await outcome(call) == "ThrottlingException"


@pytest.mark.parametrize("shape", SHAPES)
async def test_requests_beyond_the_quota_are_throttled(bedrock: BedrockEndpoint, runtime: Any, shape: str) -> None:
    limited(bedrock, {"counts": "requests", "amount": 3, "per_seconds": HOUR, "shape": shape})
    outcomes = [await outcome(runtime.converse(**asked())) for _ in range(5)]
    assert outcomes == ["ok"] * 3 + ["ThrottlingException"] * 2
    assert (counts(bedrock)["answered"], counts(bedrock)["throttled"]) == (3, 2)


@pytest.mark.parametrize("shape", SHAPES)
async def test_tokens_are_reserved_with_max_tokens_and_settled_with_what_was_used(
    bedrock: BedrockEndpoint, runtime: Any, shape: str
) -> None:
    limited(bedrock, {"counts": "tokens", "amount": 1_000, "per_seconds": HOUR, "shape": shape})
    assert await outcome(runtime.converse(**asked(inferenceConfig={"maxTokens": 1_000}))) == "ThrottlingException"
    reply = await runtime.converse(**asked(inferenceConfig={"maxTokens": 900}))
    used = reply["usage"]["totalTokens"]
    assert 0 < used < 100
    assert counts(bedrock)["room"] == [pytest.approx(1_000 - used, abs=5)]


async def test_without_max_tokens_the_model_s_own_limit_is_reserved(bedrock: BedrockEndpoint, runtime: Any) -> None:
    limited(bedrock, {"counts": "tokens", "amount": 10_000, "per_seconds": HOUR})
    assert await outcome(runtime.converse(**asked())) == "ThrottlingException"
    assert await outcome(runtime.converse(**asked(inferenceConfig={"maxTokens": 50}))) == "ok"


async def test_output_tokens_cost_the_model_s_burndown_even_beyond_the_reservation(
    bedrock: BedrockEndpoint, runtime: Any
) -> None:
    limited(bedrock, {"counts": "tokens", "amount": 1_000, "per_seconds": HOUR}, name=PROFILE)
    reply = await runtime.converse(**asked(modelId=PROFILE, inferenceConfig={"maxTokens": 27}))
    usage = reply["usage"]
    assert usage["outputTokens"] == 27
    assert counts(bedrock, PROFILE)["quota_tokens"] == usage["inputTokens"] + 5 * 27
    assert counts(bedrock, PROFILE)["room"] == [1_000 - usage["inputTokens"] - 5 * 27]


async def test_a_hidden_margin_and_another_tenant_leave_less(bedrock: BedrockEndpoint, runtime: Any) -> None:
    limit = {"counts": "requests", "amount": 10, "per_seconds": HOUR, "shape": "sliding_window"}
    limited(bedrock, {**limit, "hidden_margin_percent": 20, "other_tenant_amount": 6})
    outcomes = [await outcome(runtime.converse(**asked())) for _ in range(3)]
    assert outcomes == ["ok", "ok", "ThrottlingException"]


async def test_what_a_call_in_flight_has_reserved_is_not_there_for_another(
    bedrock: BedrockEndpoint, runtime: Any
) -> None:
    limits = [{"counts": "tokens", "amount": 150, "per_seconds": HOUR}]
    bedrock.control(f"models/{NOVA}", {"limits": limits, "latency": {"fixed_ms": 1_000}})
    request = asked(inferenceConfig={"maxTokens": 100})
    first = asyncio.create_task(outcome(runtime.converse(**request)))

    async def is_reserved() -> bool:
        return bool(bedrock.control("stats")["models"].get(NOVA, {}).get("room"))

    await eventually(is_reserved)
    assert await outcome(runtime.converse(**request)) == "ThrottlingException"
    assert await first == "ok"
    assert await outcome(runtime.converse(**request)) == "ok"


async def test_a_profile_and_its_model_have_quotas_of_their_own(bedrock: BedrockEndpoint, runtime: Any) -> None:
    limited(bedrock, {"counts": "requests", "amount": 1, "per_seconds": HOUR}, name="*")
    assert await outcome(runtime.converse(**asked())) == "ok"
    assert await outcome(runtime.converse(**asked())) == "ThrottlingException"
    assert await outcome(runtime.converse(**asked(modelId=f"us.{NOVA}"))) == "ok"


async def test_latency_is_reported_as_it_was_set(bedrock: BedrockEndpoint, runtime: Any) -> None:
    bedrock.control(f"models/{NOVA}", {"latency": {"fixed_ms": 50, "per_output_token_ms": 10}})
    reply = await runtime.converse(**asked(inferenceConfig={"maxTokens": 5}))
    assert reply["metrics"]["latencyMs"] >= 100


async def test_a_constant_answer_names_every_row(bedrock: BedrockEndpoint, runtime: Any) -> None:
    bedrock.control(f"models/{NOVA}", {"answer": "constant"})
    system = [{"text": "<categories>\n1 Payment\n2 Shipment\n</categories>"}]
    reply = await runtime.converse(**asked("<rows-00>\n3|the parcel\n9|\n</rows-00>", system=system))
    assert reply["output"]["message"]["content"] == [{"text": "3:1\n9:1"}]
    assert reply["trace"]["promptRouter"]["invokedModelId"] == TAGGER


async def test_slips_and_planner_variants_are_set_by_model(bedrock: BedrockEndpoint, runtime: Any) -> None:
    bedrock.control(f"models/{NOVA}", {"slips": {"dropped": 1}, "planner": "prose_only"})
    system = [{"text": "<categories>\n1 Payment\n</categories>"}]
    reply = await runtime.converse(**asked("<rows-00>\n1|refund\n</rows-00>", system=system))
    assert reply["output"]["message"]["content"] == []
    tool = {"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}
    planned = await runtime.converse(**asked("<ticket>\n</ticket>", toolConfig={"tools": [tool]}))
    assert planned["stopReason"] == "end_turn"


async def test_reset_forgets_all_that_was_set_and_counted(bedrock: BedrockEndpoint, runtime: Any) -> None:
    limited(bedrock, {"counts": "requests", "amount": 1, "per_seconds": HOUR})
    strike(bedrock, "server_error", times=9)
    assert await outcome(runtime.converse(**asked())) == "InternalServerException"
    bedrock.reset()
    assert [await outcome(runtime.converse(**asked())) for _ in range(3)] == ["ok"] * 3
    assert counts(bedrock)["calls"] == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"models/{NOVA}", {"latncy": {}}),
        (f"models/{NOVA}", {"limits": [{"counts": "tokens", "amount": 0}]}),
        (f"models/{NOVA}", {"latency": {"fixed_ms": -1}}),
        (f"models/{NOVA}/faults", {"kind": "server_error"}),
        (f"models/{NOVA}/faults", {"kind": "server_error", "next": 1, "probability": 0.5}),
        (f"models/{NOVA}/faults", {"kind": "stop_reason", "next": 1}),
        (f"models/{NOVA}/faults", {"faults": 3}),
    ],
)
def test_a_control_request_that_fits_nothing_is_refused_and_changes_nothing(
    bedrock: BedrockEndpoint, path: str, body: dict[str, Any]
) -> None:
    before = bedrock.control("settings")
    with pytest.raises(ControlFailed, match="400"):
        bedrock.control(path, body)
    assert bedrock.control("settings") == before


def test_settings_come_from_the_file_at_start_and_come_back_on_reset(tmp_path: Any) -> None:
    with running_bedrock(tmp_path, {"models": {"*": {"latency": {"fixed_ms": 7}}}}) as own:
        own.control("models/*", {"latency": {"fixed_ms": 9}})
        assert own.control("models/any.model")["latency"]["fixed_ms"] == 9
        own.reset()
        assert own.control("models/any.model")["latency"]["fixed_ms"] == 7


def test_it_ends_on_sigterm_even_with_a_call_that_hangs(tmp_path: Any) -> None:
    with running_bedrock(tmp_path) as own:
        strike(own, "hang")
        address = urlsplit(own.url)
        connection = HTTPConnection(str(address.hostname), address.port, timeout=30)
        connection.request("POST", f"/model/{NOVA}/converse", body=json.dumps({"messages": []}))
        wait_until(lambda: own.control("stats")["models"].get(NOVA, {}).get("in_flight") == 1)
        own.process.stop()
        with pytest.raises((ConnectionError, HTTPException)):
            connection.getresponse()


def test_the_same_port_can_be_taken_again_at_once(tmp_path: Any) -> None:
    with running_bedrock(tmp_path / "first") as first:
        plain(first, "/foundation-models")
        port = urlsplit(first.url).port
    assert port is not None
    with running_bedrock(tmp_path / "second", port=port) as second:
        assert second.url == first.url
        assert plain(second, "/foundation-models")["modelSummaries"]


def test_settings_that_fit_nothing_stop_it_from_starting(tmp_path: Any) -> None:
    with pytest.raises(StartFailed, match="latncy"), running_bedrock(tmp_path, {"models": {"*": {"latncy": 1}}}):
        pass
