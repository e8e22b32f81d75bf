"""The notification port on an SNS topic."""

from shared import tracing
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.notifications.port import Notification

SUBJECT_CHARACTERS = 100


class SnsNotifications:
    """Publishes through an aiobotocore ``sns`` client to one standard topic."""

    def __init__(self, client: Client, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    async def publish(self, notification: Notification) -> None:
        # SNS refuses an empty attribute value: an attribute without a value is left out, as "not set".
        attributes = {"notification_id": notification.notification_id, **notification.attributes, **tracing.carrier()}
        with aws_errors():
            await self._client.publish(
                TopicArn=self._topic_arn,
                Subject=_as_subject(notification.subject),
                Message=notification.body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
                },
            )


def _as_subject(text: str) -> str:
    """SNS takes printable ASCII on one line, not beginning with a blank; anything else is a permanent error there."""
    printable = "".join(character if " " <= character <= "~" else " " for character in text)
    return " ".join(printable.split())[:SUBJECT_CHARACTERS] or "Notification"
