"""What a user did or has to do, said without a traceback: every refusal names its remedy."""

from typing import Any

import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)
from typer.core import TyperGroup

from cli.output import say


class UserError(Exception):
    """``problem`` is what is wrong, ``remedy`` what to do about it; the command ends with status 1."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        self.remedy = remedy


class DeskhandGroup(TyperGroup):
    """The root command: turns what the user can mend into two lines and a status, and lets real bugs through."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            refuse(error)
        except (BotoCoreError, ClientError) as error:
            refuse(aws_problem(error))
        raise typer.Exit(1)


def refuse(error: UserError) -> None:
    say(f"deskhand: {error.problem}")
    say(f"  {error.remedy}")


CREDENTIALS_REMEDY = (
    "set AWS_PROFILE (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and AWS_REGION, "
    "or start the embedded cloud with `deskhand up`"
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
BAD_CREDENTIALS = frozenset(
    {"InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException", "InvalidAccessKeyId"}
)
CLOCK_IS_OFF = ("Signature expired", "Signature not yet current", "RequestTimeTooSkewed")
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
ABSENT = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "NoSuchBucket",
        "NotFound",
        "NotFoundException",
    }
)


def aws_problem(error: BotoCoreError | ClientError) -> UserError:
    """The refusal that an error of the SDK stands for."""
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return UserError("no AWS credentials were found", CREDENTIALS_REMEDY)
        case CredentialRetrievalError() | SSOError():
            return UserError(f"the AWS credentials could not be read ({error})", "sign in again (`aws sso login`)")
        case NoRegionError():
            return UserError("no AWS region is set", "set AWS_REGION or a region in the profile")
        case ProfileNotFound():
            return UserError(f"{error}", "set AWS_PROFILE to one of `aws configure list-profiles`")
        case EndpointConnectionError() | ConnectTimeoutError():
            return UserError(f"{error}", "check AWS_REGION, AWS_ENDPOINT_URL and the network")
        case ClientError():
            return _refused_by_aws(error)
        case _:
            return UserError(f"the AWS SDK refused: {error}", "check the AWS environment variables and the profile")


def _refused_by_aws(error: ClientError) -> UserError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    said = f"{error.operation_name}: {code}: {error.response.get('Error', {}).get('Message', '')}"
    if any(word in said for word in CLOCK_IS_OFF):
        return UserError(f"this machine's clock is off ({said})", "set it by NTP")
    if code in EXPIRED:
        return UserError(f"the AWS credentials have expired ({code})", "sign in again (`aws sso login`)")
    if code in BAD_CREDENTIALS:
        return UserError(f"AWS does not know these credentials ({code})", CREDENTIALS_REMEDY)
    if code in DENIED:
        return UserError(f"these credentials may not do that ({said})", "ask for the permission the message names")
    if code in ABSENT:
        return UserError(f"it is not there ({said})", "check --name (DESKHAND_NAME), the account and AWS_REGION")
    return UserError(f"AWS refused ({said})", "try again; if it stays, the code above says what AWS wants")


def absent(error: ClientError) -> bool:
    """Whether AWS says that the queue, table, bucket or object does not exist."""
    return str(error.response.get("Error", {}).get("Code", "")) in ABSENT | {"NoSuchKey", "404"}
