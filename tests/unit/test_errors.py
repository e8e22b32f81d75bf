"""Which failures may pass and which will not; what botocore raises, told apart."""

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from botocore.retries import standard

from shared.aws.clients import aws_session, open_client
from shared.aws.errors import aws_errors
from shared.errors import BadInput, DeskhandError, PermanentError, Throttled, TransientError


def raised_by(error: Exception) -> DeskhandError:
    with pytest.raises(DeskhandError) as raised, aws_errors():
        raise error
    assert raised.value.__cause__ is error
    return raised.value


def client_error(code: str, *, status: int = 400, **more: Any) -> ClientError:
    response = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(response, "Operation")


THROTTLES = {*standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES} - {"TransactionInProgressException"}


@pytest.mark.parametrize("code", sorted(THROTTLES))
def test_whatever_botocore_calls_a_throttle_is_one(code: str) -> None:
    assert isinstance(raised_by(client_error(code)), Throttled)


@pytest.mark.parametrize("code", [*standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES, "InternalServerError"])
def test_whatever_botocore_calls_transient_is_so(code: str) -> None:
    assert isinstance(raised_by(client_error(code)), TransientError)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_unknown_code_with_a_server_status_may_pass(status: int) -> None:
    assert isinstance(raised_by(client_error("Unheard", status=status)), TransientError)


@pytest.mark.parametrize(
    "code", ["ValidationException", "ResourceNotFoundException", "ConditionalCheckFailedException"]
)
def test_a_refusal_of_the_request_itself_stays(code: str) -> None:
    assert isinstance(raised_by(client_error(code)), PermanentError)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "ExpiredTokenException"])
def test_missing_rights_are_ours_to_mend_and_no_fault_of_the_message(code: str) -> None:
    assert isinstance(raised_by(client_error(code, status=403)), TransientError)


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "TransactionConflict"], TransientError),
        (["ThrottlingError", "None"], Throttled),
        (["ConditionalCheckFailed", "TransactionConflict"], PermanentError),
        (["None", "ConditionalCheckFailed"], PermanentError),
        ([], PermanentError),
    ],
)
def test_a_cancelled_transaction_is_judged_by_its_reasons(reasons: list[str], kind: type[DeskhandError]) -> None:
    error = client_error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in reasons])

    assert type(raised_by(error)) is kind


@pytest.mark.parametrize(
    "error",
    [
        boto.EndpointConnectionError(endpoint_url="http://x"),
        boto.ConnectTimeoutError(endpoint_url="http://x"),
        boto.ReadTimeoutError(endpoint_url="http://x"),
        boto.ConnectionClosedError(endpoint_url="http://x"),
        boto.ProxyConnectionError(proxy_url="http://x"),
        boto.ResponseStreamingError(error="cut"),
        boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        boto.NoCredentialsError(),
        boto.CredentialRetrievalError(provider="ecs", error_msg="away"),
        boto.MetadataRetrievalError(error_msg="away"),
        ResponseParserError("<html>502</html>"),
        aiohttp.ClientPayloadError("cut"),
        aiohttp.ServerDisconnectedError(),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_trouble_on_the_way_may_pass(error: Exception) -> None:
    assert isinstance(raised_by(error), TransientError)


def test_what_is_refused_before_it_is_sent_stays() -> None:
    assert isinstance(raised_by(boto.ParamValidationError(report="wrong type")), PermanentError)


def test_what_is_no_error_of_aws_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), aws_errors():
        raise ZeroDivisionError
    with pytest.raises(asyncio.CancelledError), aws_errors():
        raise asyncio.CancelledError


async def test_a_closed_port_may_open_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    endpoint = f"http://127.0.0.1:{port}"
    async with open_client(aws_session(), "sqs", attempts=1, endpoint_url=endpoint) as client:
        with pytest.raises(TransientError), aws_errors():
            await client.list_queues()


def test_bad_input_names_field_problem_and_remedy() -> None:
    error = BadInput(field="days", problem="is not a number", remedy="send 8")

    assert str(error) == error.reason == "days: is not a number; send 8"


def test_a_throttle_says_when_to_come_back() -> None:
    assert Throttled("slow down", retry_after=3.0).retry_after == 3.0
    assert TransientError("away").retry_after is None
