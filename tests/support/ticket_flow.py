"""The ticket agent as its users see it: messages in, tables, mail and dead letters out."""

import json
from pathlib import Path
from typing import Any

import yaml

from local.provisioning import Provisioned
from shared.aws.items import from_item, to_item
from tests.support.cloud import AwsClients
from tests.support.waiting import wait_until

SAMPLE = Path(__file__).resolve().parents[2] / "local" / "sample"
MODEL = "amazon.nova-lite-v1:0"


class OutsideDesk:
    """What a user and a platform engineer can do from outside: send, read tables, read mail, read dead letters."""

    def __init__(self, aws: AwsClients, resources: Provisioned) -> None:
        self.aws, self.resources = aws, resources
        self.dynamodb, self.sqs = aws("dynamodb"), aws("sqs")
        self._mail: list[dict[str, Any]] = []

    def import_sample_directory(self) -> None:
        sample = yaml.safe_load((SAMPLE / "directory.yaml").read_text(encoding="utf-8"))
        for row in sample["employees"]:
            self.put("User", employeeId=row["id"], manager=row["manager"])
        for row in sample["environments"]:
            names = {"environment_name": row["name"], "managing_entity": row["owner"]}
            self.put("Environment", environmentId=row["id"], **names)
        for row in sample["groups"]:
            self.put("ResolverGroup", groupId=row["id"], name=row["name"])
        for row in sample["access"]:
            self.put("UserAccess", employeeId=row["employee"], environmentId=row["environment"])

    def clear(self) -> None:
        """Empty every table that tickets leave something in."""
        for table in ("Ticket", "User", "Environment", "UserAccess", "ResolverGroup", "Ledger"):
            name = self.resources.tables[table]
            keys = [key["AttributeName"] for key in self.dynamodb.describe_table(TableName=name)["Table"]["KeySchema"]]
            for row in self.rows(table):
                self.dynamodb.delete_item(TableName=name, Key=to_item({key: row[key] for key in keys}))

    def put(self, table: str, **values: Any) -> None:
        self.dynamodb.put_item(TableName=self.resources.tables[table], Item=to_item(values))

    def rows(self, table: str) -> list[dict[str, Any]]:
        answer = self.dynamodb.scan(TableName=self.resources.tables[table], ConsistentRead=True)
        assert "LastEvaluatedKey" not in answer
        return [from_item(item) for item in answer["Items"]]

    def ledger(self, ticket_id: str, prefix: str = "") -> list[dict[str, Any]]:
        rows = [row for row in self.rows("Ledger") if row["ticketId"] == ticket_id and row["entry"].startswith(prefix)]
        return sorted(rows, key=lambda row: str(row["entry"]))

    def submit(self, ticket_id: str, employee: str, content: str, *, access_key: str | None = None) -> None:
        body = {"version": 1, "ticketId": ticket_id, "employeeId": employee, "content": content}
        self.send("ticket-intake", json.dumps(body), access_key=access_key)

    def send(self, queue: str, body: str, *, access_key: str | None = None) -> None:
        client = self.aws("sqs", access_key=access_key) if access_key else self.sqs
        client.send_message(QueueUrl=self.resources.queues[queue], MessageBody=body)

    def ticket(self, ticket_id: str) -> dict[str, Any] | None:
        return next((row for row in self.rows("Ticket") if row["ticketId"] == ticket_id), None)

    def ended(self, ticket_id: str, *, within: float = 30.0) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            ticket = self.ticket(ticket_id)
            return ticket if ticket is not None and ticket["assignStatus"] != "unassigned" else None

        ticket = wait_until(ended, within=within, what=f"the end of ticket {ticket_id}")
        assert ticket is not None
        return ticket

    def grants(self) -> list[dict[str, Any]]:
        return [row for row in self.rows("UserAccess") if "#grant#" in row["environmentId"]]

    def mail(self, ticket_id: str) -> list[dict[str, Any]]:
        """Every notification about the ticket so far, in the order of arrival."""
        answer = self.sqs.receive_message(QueueUrl=self.resources.queues["mailbox"], MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self._mail.append(json.loads(message["Body"]))
            self.sqs.delete_message(QueueUrl=self.resources.queues["mailbox"], ReceiptHandle=message["ReceiptHandle"])
        return [mail for mail in self._mail if attributes_of(mail)["notification_id"].startswith(f"{ticket_id}:")]

    def dead_letter(self, queue: str) -> dict[str, Any]:
        """The next dead letter of ``queue``, taken out."""

        def receive() -> dict[str, Any] | None:
            answer = self.sqs.receive_message(
                QueueUrl=self.resources.queues[f"{queue}-dead"], MessageAttributeNames=["All"]
            )
            return next(iter(answer.get("Messages", [])), None)

        letter = wait_until(receive, within=30.0, what=f"a dead letter of {queue}")
        assert letter is not None
        self.sqs.delete_message(QueueUrl=self.resources.queues[f"{queue}-dead"], ReceiptHandle=letter["ReceiptHandle"])
        return letter


def attributes_of(mail: dict[str, Any]) -> dict[str, str]:
    return {name: attribute["Value"] for name, attribute in mail["MessageAttributes"].items()}


def reason_of(letter: dict[str, Any]) -> str:
    return str(letter["MessageAttributes"]["reason"]["StringValue"])
