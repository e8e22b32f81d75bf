"""What a database login is made of on AWS: an IAM token, or the text of a secret."""

from collections.abc import Awaitable, Callable

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.errors import PermanentError


def iam_token(rds: Client, *, host: str, port: int, user: str) -> Callable[[], Awaitable[str]]:
    """A password of 15 minutes for ``user``, signed with the task's credentials; no call leaves this process."""

    async def token() -> str:
        with aws_errors():
            return str(await rds.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user))

    return token


def secret_text(secrets_manager: Client, *, arn: str, empty_if_absent: bool = False) -> Callable[[], Awaitable[str]]:
    """The secret's current version, read anew by each call.

    ``empty_if_absent``: a secret that has no version yet is an empty text; otherwise it is a PermanentError.
    """

    async def text() -> str:
        with aws_errors():
            try:
                answer = await secrets_manager.get_secret_value(SecretId=arn)
            except secrets_manager.exceptions.ResourceNotFoundException:
                # A secret that is not there says the same as one without a version; describing it tells them apart.
                await secrets_manager.describe_secret(SecretId=arn)
                answer = {}
        found = str(answer.get("SecretString") or "")
        if not found and not empty_if_absent:
            raise PermanentError("the secret has no text")
        return found

    return text


async def put_secret_text(secrets_manager: Client, *, arn: str, text: str) -> None:
    with aws_errors():
        await secrets_manager.put_secret_value(SecretId=arn, SecretString=text)
