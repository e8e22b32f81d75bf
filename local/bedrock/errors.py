"""A refusal as the service words it: an error code, its HTTP status, a message."""

import json

from aiohttp import web

# The statuses that botocore's service models state for the exceptions of the Bedrock services.
STATUSES = {
    "AccessDeniedException": 403,
    "BadGatewayException": 502,
    "ConflictException": 400,
    "DependencyFailedException": 424,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "RuntimeClientError": 424,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnknownOperationException": 404,
    "ValidationException": 400,
}

# The service appends a namespace to the code; a client that compares the whole header would fail on AWS.
NAMESPACE = "http://internal.amazon.com/coral/com.amazon.bedrock/"


class Refusal(Exception):
    """Raised anywhere in an operation; the edge turns it into the reply."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def invalid(message: str) -> Refusal:
    return Refusal("ValidationException", message)


def not_found(message: str) -> Refusal:
    return Refusal("ResourceNotFoundException", message)


def as_response(refusal: Refusal, request_id: str) -> web.Response:
    """REST-JSON's error shape: the code travels in a header, the message in the body."""
    return web.Response(
        status=STATUSES[refusal.code],
        headers={"x-amzn-ErrorType": f"{refusal.code}:{NAMESPACE}", "x-amzn-RequestId": request_id},
        body=json.dumps({"message": refusal.message}).encode(),
        content_type="application/json",
    )
