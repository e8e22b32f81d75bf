"""The feedback tagger as a process of its own, and what a user sees of it: a bucket, a queue and a mailbox."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.provisioning import Provisioned
from local.services import FEEDBACK_TAGGER, Service, migrate, start_service, wait_until_healthy
from services.feedback_tagger.domain.run import run_id
from shared.messages import MessageSchema
from tests.support.waiting import wait_until

RUN_RESULT = MessageSchema.from_package("services.feedback_tagger.messages", "run_result.schema.json")


@contextmanager
def running_tagger(environment: Mapping[str, str], folder: Path) -> Iterator[Service]:
    """One task of the feedback tagger on a migrated database; at the end it must drain and exit with 0."""
    folder.mkdir(parents=True, exist_ok=True)
    migrate(environment, folder)
    service = start_service(FEEDBACK_TAGGER, environment, folder)
    try:
        wait_until_healthy([service])
        yield service
        status = service.stop()
        assert status == 0, service.process.log_tail()
    finally:
        service.stop()


@dataclass(slots=True)
class Analyst:
    """Whoever uploads files, sends rows and reads results. Keeps every result that came, by its run."""

    resources: Provisioned
    results: list[dict[str, Any]] = field(default_factory=list)

    def upload(self, name: str, body: bytes) -> str:
        """Put the file under uploads/; the id its run will have."""
        key = f"uploads/{name}"
        answer = self.resources.client("s3").put_object(Bucket=self.resources.bucket, Key=key, Body=body)
        return run_id(self.resources.bucket, key, etag=answer["ETag"], version_id=answer.get("VersionId"))

    def send_item(self, item: Mapping[str, Any] | str, *, task: str | None = None) -> None:
        """A row alone; with ``task`` as an attribute of its message, if it is given."""
        body = item if isinstance(item, str) else json.dumps(item)
        attributes = {} if task is None else {"task": {"DataType": "String", "StringValue": task}}
        self.resources.client("sqs").send_message(
            QueueUrl=self.resources.queues["feedback-items"], MessageBody=body, MessageAttributes=attributes
        )

    def result_of(self, run: str, *, number: int = 1, within: float = 40) -> dict[str, Any]:
        """The ``number``-th result of a run that SNS delivered."""

        def found() -> dict[str, Any] | None:
            self._read_mail()
            of_run = [result for result in self.results if result["run_id"] == run]
            return of_run[number - 1] if len(of_run) >= number else None

        result = wait_until(found, within=within, what=f"result {number} of {run}")
        assert result is not None
        return result

    def document_of(self, run: str) -> dict[str, Any]:
        return dict(json.loads(self.object(f"runs/{run}.json")))

    def object(self, key: str) -> bytes:
        return bytes(self.resources.client("s3").get_object(Bucket=self.resources.bucket, Key=key)["Body"].read())

    def dead_letters(self, queue: str, *, count: int) -> list[dict[str, str]]:
        """Body and reason of ``count`` dead letters, once they have come."""
        sqs, url = self.resources.client("sqs"), self.resources.queues[f"{queue}-dead"]
        letters: list[dict[str, str]] = []

        def all_there() -> bool:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
            letters.extend(
                {"body": message["Body"], "reason": message["MessageAttributes"]["reason"]["StringValue"]}
                for message in answer.get("Messages", [])
            )
            return len(letters) >= count

        wait_until(all_there, within=40, what=f"{count} dead letters of {queue}")
        return letters

    def _read_mail(self) -> None:
        sqs, url = self.resources.client("sqs"), self.resources.queues["mailbox"]
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        for message in answer.get("Messages", []):
            letter = json.loads(message["Body"])
            if letter["TopicArn"] != self.resources.topics["run-results"]:
                continue  # about a ticket, where the ticket agent runs beside it
            told = letter["Message"]
            if "corrections_id" not in json.loads(told):
                self.results.append(RUN_RESULT.read(told))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
