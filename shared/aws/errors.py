"""What botocore and the HTTP client beneath it raise, told apart: may pass, or will not.

Source of the codes: the "Common Errors" page of each service's API reference and botocore's own retry rules.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import ClientError as HttpClientError
from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from shared.errors import PermanentError, Throttled, TransientError

THROTTLE_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "KMS.ThrottlingException",
        "KMSThrottling",
        "KMSThrottlingException",
        "KmsThrottled",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ServiceQuotaExceededException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)

TRANSIENT_CODES = frozenset(
    {
        "BadGatewayException",
        "DependencyFailedException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "RequestTimeout",
        "RequestTimeoutException",
        "RuntimeClientError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)

# Nothing is wrong with the request, but with the task's rights or clock: ECS renews credentials and IAM changes take
# effect without a restart. As permanent errors, one policy forgotten in a deploy would dead-letter a whole queue.
OURS_TO_MEND_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "KMS.AccessDeniedException",
        "KMSAccessDenied",
        "KMSAccessDeniedException",
        "KmsAccessDenied",
        "MissingAuthenticationToken",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

TRANSIENT_EXCEPTIONS = (
    BotoConnectionError,  # No HTTPClientError: a refused connection is this one.
    HTTPClientError,
    HttpClientError,
    IncompleteReadError,
    ChecksumError,
    FlexibleChecksumError,
    ResponseParserError,  # A proxy or a load balancer answered in its own words.
    NoCredentialsError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    ConnectionError,
    TimeoutError,
    UnicodeDecodeError,  # A body garbled on its way: botocore's JSON parser decodes it outside its own errors.
)


def translated(error: ClientError) -> TransientError | PermanentError:
    """The shared error that a botocore ``ClientError`` stands for."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    code = code[:1].upper() + code[1:]  # In an event stream "ThrottlingException" is "throttlingException".
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = f"{error.operation_name}: {code}: {error.response.get('Error', {}).get('Message', '')}"
    if code == "TransactionCanceledException":
        return _of_transaction(error.response, text)
    if code in THROTTLE_CODES or status == 429:
        return Throttled(text)
    if code in TRANSIENT_CODES | OURS_TO_MEND_CODES or status >= 500:
        return TransientError(text)
    return PermanentError(text)


def _of_transaction(response: Mapping[str, Any], text: str) -> TransientError | PermanentError:
    """A cancelled transaction says why for each of its items; one reason that stays makes the whole permanent."""
    reasons = {str(reason.get("Code", "None")) for reason in response.get("CancellationReasons", ())} - {"None"}
    if reasons and reasons <= THROTTLE_CODES:
        return Throttled(text)
    if reasons and reasons <= THROTTLE_CODES | TRANSIENT_CODES:
        return TransientError(text)
    return PermanentError(text)


@contextmanager
def aws_errors() -> Iterator[None]:
    """Translate whatever an AWS call inside the block raises; chain the original."""
    try:
        yield
    except ClientError as error:
        raise translated(error) from error
    except TRANSIENT_EXCEPTIONS as error:
        raise TransientError(f"{type(error).__name__}: {error}") from error
    except BotoCoreError as error:
        # What is left is refused before it is sent: a parameter of the wrong type, an unknown region.
        raise PermanentError(f"{type(error).__name__}: {error}") from error
