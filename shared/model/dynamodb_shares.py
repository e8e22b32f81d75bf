"""The members of a model's quota in DynamoDB: one item a model in the table of leases, one attribute a member.

One update renews a member and answers with all of them: twelve writes a minute and task, and no scan.
"""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item
from shared.model.shares import Member

PREFIX = "member#"


class DynamoDbShares:
    """The Shares port. ``client`` is an aiobotocore ``dynamodb`` client; ``table`` has the key ``leaseKey``."""

    def __init__(self, client: Client, table: str, *, model_id: str) -> None:
        self._client = client
        self._table = table
        self._key = to_item({"leaseKey": f"model-shares/{model_id}"})

    async def renew(self, member: Member) -> Sequence[Member]:
        value = {"service": member.service, "demand": int(member.demand), "beat": member.beat}
        with aws_errors():
            answer = await self._client.update_item(
                TableName=self._table,
                Key=self._key,
                UpdateExpression="SET #member = :member",
                ExpressionAttributeNames={"#member": PREFIX + member.task},
                ExpressionAttributeValues=to_item({":member": value}),
                ReturnValues="ALL_NEW",
            )
        return [
            Member(
                task=name.removeprefix(PREFIX),
                service=found["service"],
                demand=float(found["demand"]),
                beat=int(found["beat"]),
            )
            for name, found in from_item(answer["Attributes"]).items()
            if name.startswith(PREFIX)
        ]

    async def remove(self, member: Member) -> None:
        not_renewed_since = "#member.#beat = :beat"
        with aws_errors():
            try:
                await self._client.update_item(
                    TableName=self._table,
                    Key=self._key,
                    UpdateExpression="REMOVE #member",
                    ConditionExpression=not_renewed_since,
                    ExpressionAttributeNames={"#member": PREFIX + member.task, "#beat": "beat"},
                    ExpressionAttributeValues=to_item({":beat": member.beat}),
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                    raise
