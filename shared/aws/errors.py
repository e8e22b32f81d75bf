"""What botocore and the HTTP client beneath it raise, told apart: may pass, or will not.

Source of the codes: the "Common Errors" page of each service's API reference and botocore's own retry rules.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientError as HttpClientError
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError

from shared.errors import PermanentError, Throttled, TransientError

THROTTLE_CODES = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)

# An expired or missing credential is transient to a task: ECS renews task-role credentials by itself.
TRANSIENT_CODES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "ItemCollectionSizeLimitExceededException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


def translated(error: ClientError) -> TransientError | PermanentError:
    """The shared error that a botocore ``ClientError`` stands for."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = f"{error.operation_name}: {code}: {error.response.get('Error', {}).get('Message', '')}"
    if code in THROTTLE_CODES or status == 429:
        return Throttled(text)
    if code in TRANSIENT_CODES or status >= 500:
        return TransientError(text)
    return PermanentError(text)


@contextmanager
def aws_errors() -> Iterator[None]:
    """Translate whatever an AWS call inside the block raises; chain the original."""
    try:
        yield
    except ClientError as error:
        raise translated(error) from error
    except (HTTPClientError, HttpClientError, NoCredentialsError, ConnectionError, TimeoutError) as error:
        raise TransientError(f"{type(error).__name__}: {error}") from error
    except BotoCoreError as error:
        # What is left is refused before it is sent: a parameter of the wrong type, an unknown region.
        raise PermanentError(f"{type(error).__name__}: {error}") from error
