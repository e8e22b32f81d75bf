"""Model invocation jobs: JSONL in S3, answered by the same stand-ins, JSONL and a manifest out.

A job goes through Submitted, Validating, Scheduled and InProgress, and takes the time that the settings name. It is a
stand-in like the rest: the role is not assumed (what it may read is not checked), a job costs no quota, and how long
one takes on AWS it cannot say. Records come out in another order than they went in, as the service promises none.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import OperationModel

from local.aws import aws_client
from local.bedrock import catalogue, conversation, converse, stand_ins, tokens, validate
from local.bedrock.errors import Refusal, invalid, not_found
from local.bedrock.settings import Jobs as JobSettings
from local.bedrock.state import State

ENDED = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")
_URI = re.compile(r"s3://(?P<bucket>[^/]+)/?(?P<key>.*)")
_ID = re.compile(r"[0-9A-Za-z]+")


@dataclass(slots=True)
class Job:
    """``asked`` is the request that created it."""

    asked: Mapping[str, Any]
    job_id: str
    arn: str
    submitted: datetime
    status: str = "Submitted"
    message: str = ""
    ended: datetime | None = None
    modified: datetime | None = None
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def summary(self) -> dict[str, Any]:
        hours = self.asked.get("timeoutDurationInHours", 24)
        shown = {
            **{name: value for name, value in self.asked.items() if name != "tags"},
            "jobArn": self.arn,
            "status": self.status,
            "submitTime": _stamp(self.submitted),
            "lastModifiedTime": _stamp(self.modified or self.submitted),
            "jobExpirationTime": _stamp(self.submitted + timedelta(hours=hours)),
            "timeoutDurationInHours": hours,
            "totalRecordCount": self.total,
            "processedRecordCount": self.succeeded + self.failed,
            "successRecordCount": self.succeeded,
            "errorRecordCount": self.failed,
        }
        if self.message:
            shown["message"] = self.message
        if self.ended is not None:
            shown["endTime"] = _stamp(self.ended)
        return shown


class Broken(Exception):
    """The job fails as a whole; the text is its message."""


@dataclass(slots=True, kw_only=True)
class Jobs:
    """``s3`` is the environment that names the S3 to read and write, given over the control route."""

    state: State
    converse_model: OperationModel
    wall: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    s3: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def settings(self) -> JobSettings:
        return self.state.settings.jobs

    async def create(self, asked: Mapping[str, Any], region: str) -> dict[str, Any]:
        invoked = catalogue.resolve(asked["modelId"], self.wall())
        if not invoked.model.converses or asked.get("modelInvocationType") != "Converse":
            raise invalid("This endpoint runs batch jobs of the invocation type Converse on models that converse.")
        for job in self.jobs.values():
            same_token = asked.get("clientRequestToken") and job.asked.get("clientRequestToken") == asked.get(
                "clientRequestToken"
            )
            if same_token:
                return {"jobArn": job.arn}
            if job.asked["jobName"] == asked["jobName"]:
                raise Refusal("ConflictException", f"The name {asked['jobName']} is taken by {job.arn}.")
        job_id = hashlib.sha256(f"{asked['jobName']} {len(self.jobs)}".encode()).hexdigest()[:12]
        arn = f"arn:aws:bedrock:{region}:{catalogue.ACCOUNT}:model-invocation-job/{job_id}"
        job = self.jobs[arn] = Job(dict(asked), job_id, arn, self.wall())
        task = asyncio.create_task(self._run(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return {"jobArn": arn}

    async def get(self, asked: Mapping[str, Any], _: str) -> dict[str, Any]:
        return self._job(asked).summary()

    async def stop(self, asked: Mapping[str, Any], _: str) -> dict[str, Any]:
        job = self._job(asked)
        if job.status in ENDED:
            raise Refusal("ConflictException", f"The job is {job.status}.")
        self._turn(job, "Stopping")
        job.stopped.set()
        return {}

    async def listed(self, asked: Mapping[str, Any], _: str) -> dict[str, Any]:
        named = asked.get("nameContains", "")
        status = asked.get("statusEquals")
        found = [
            job.summary()
            for job in self.jobs.values()
            if named in job.asked["jobName"] and status in (None, job.status)
        ]
        return {"invocationJobSummaries": found}

    def forget(self) -> None:
        self.jobs.clear()

    def as_json(self) -> list[dict[str, Any]]:
        return [job.summary() for job in self.jobs.values()]

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _job(self, asked: Mapping[str, Any]) -> Job:
        wanted = asked["jobIdentifier"]
        for job in self.jobs.values():
            if wanted in (job.arn, job.job_id):
                return job
        raise not_found("The provided job identifier is not of a job here.")

    def _turn(self, job: Job, status: str, message: str = "") -> None:
        job.status, job.message, job.modified = status, message, self.wall()
        if status in ENDED:
            job.ended = job.modified

    async def _run(self, job: Job) -> None:
        settings = self.settings
        try:
            self._turn(job, "Validating")
            name, records = await self._validated(job)
            self._turn(job, "Scheduled")
            if await self._stopped_within(job, settings.seconds / 2):
                return
            if settings.ends_as in ("Failed", "Expired"):
                self._turn(job, settings.ends_as, f"Deskhand stand-in: set to end as {settings.ends_as}.")
                return
            self._turn(job, "InProgress")
            if await self._stopped_within(job, settings.seconds / 2):
                return
            most = len(records) // 2 if settings.ends_as == "PartiallyCompleted" else len(records)
            lines = await self._answered(job, records[:most])
            await self._write(job, name, lines)
            self._turn(job, settings.ends_as, "" if settings.ends_as == "Completed" else "Deskhand stand-in: cut off.")
        except Broken as broken:
            self._turn(job, "Failed", str(broken))
        except (BotoCoreError, ClientError) as error:
            self._turn(job, "Failed", f"Deskhand stand-in: S3: {error}")

    async def _stopped_within(self, job: Job, seconds: float) -> bool:
        # In short sleeps, which a virtual clock may pass, too.
        left = seconds
        while left > 0 and not job.stopped.is_set():
            await self.sleep(min(0.1, left))
            left -= 0.1
        if job.stopped.is_set():
            self._turn(job, "Stopped")
        return job.stopped.is_set()

    async def _validated(self, job: Job) -> tuple[str, list[dict[str, Any]]]:
        uri = job.asked["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
        bucket, key = _place(uri)
        if not key.endswith(".jsonl"):
            raise Broken("The input is to be a file that ends in .jsonl.")
        text = await asyncio.to_thread(self._read, bucket, key)
        records = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                record = json.loads(line)
            except ValueError:
                raise Broken(f"Line {number} is no JSON.") from None
            if not isinstance(record, dict) or not isinstance(record.get("modelInput"), dict):
                raise Broken(f"Line {number} has no modelInput.")
            record_id = record.setdefault("recordId", f"CALL{number:07}")
            if not isinstance(record_id, str) or not _ID.fullmatch(record_id):
                raise Broken(f"Line {number}: a recordId is letters and digits.")
            records.append(record)
        settings = self.settings
        if not settings.minimum_records <= len(records) <= settings.maximum_records:
            raise Broken(
                f"A job takes {settings.minimum_records} to {settings.maximum_records} records, not {len(records)}."
            )
        job.total = len(records)
        return key.rpartition("/")[2], records

    async def _answered(self, job: Job, records: list[dict[str, Any]]) -> list[str]:
        settings = self.settings
        lines = []
        for number, record in enumerate(records):
            await self.sleep(0)
            if number < settings.fail_records:
                line: dict[str, Any] = {"error": {"errorCode": 500, "errorMessage": "Deskhand stand-in: set to fail."}}
                job.failed += 1
            else:
                line = self._answer(job, record["modelInput"])
                if settings.fail_records <= number < settings.fail_records + settings.drop_records:
                    continue
            lines.append(json.dumps({**record, **line}, ensure_ascii=False))
        return lines[::-1]

    def _answer(self, job: Job, model_input: Mapping[str, Any]) -> dict[str, Any]:
        model_id = job.asked["modelId"]
        request = {**model_input, "modelId": model_id}
        invoked = catalogue.resolve(model_id, self.wall())
        try:
            assert self.converse_model.input_shape is not None
            validate.require(request, self.converse_model.input_shape)
            if "toolConfig" in request:
                raise invalid("Batch inference does not support tool use.")
            input_tokens = tokens.of_request(request)
            conversation.require(request, invoked.model, input_tokens)
        except Refusal as refusal:
            job.failed += 1
            return {"error": {"errorCode": 400, "errorMessage": refusal.message}}
        most = (request.get("inferenceConfig") or {}).get("maxTokens") or invoked.model.output_tokens
        given = stand_ins.answer(request, self.state.settings.of(invoked.model.model_id, model_id), lambda: "none")
        given = converse.bounded(given, request, most)
        output_tokens = converse.output_tokens(given)
        job.succeeded += 1
        job.input_tokens += input_tokens
        job.output_tokens += output_tokens
        counts = self.state.count(model_id)
        counts.calls += 1
        counts.answer(given.by, input_tokens, output_tokens, 0)
        usage = converse.Usage(input_tokens, output_tokens)
        return {"modelOutput": converse.reply(given, usage, 0, None)}

    async def _write(self, job: Job, name: str, lines: list[str]) -> None:
        bucket, folder = _place(job.asked["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])
        folder = f"{folder.rstrip('/')}/{job.job_id}".lstrip("/")
        manifest = {
            "totalRecordCount": job.total,
            "processedRecordCount": job.succeeded + job.failed,
            "successRecordCount": job.succeeded,
            "errorRecordCount": job.failed,
            "inputTokenCount": job.input_tokens,
            "outputTokenCount": job.output_tokens,
        }
        for key, body in (
            (f"{folder}/{name}.out", "".join(f"{line}\n" for line in lines)),
            (f"{folder}/manifest.json.out", json.dumps(manifest)),
        ):
            await asyncio.to_thread(self._client().put_object, Bucket=bucket, Key=key, Body=body.encode())

    def _read(self, bucket: str, key: str) -> str:
        body: bytes = self._client().get_object(Bucket=bucket, Key=key)["Body"].read()
        return body.decode()

    def _client(self) -> Any:
        if not self.s3:
            raise Broken("Deskhand stand-in: no S3 was named over the control route (PUT /_control/s3).")
        return aws_client(self.s3, "s3")


def _place(uri: str) -> tuple[str, str]:
    match = _URI.fullmatch(uri)
    if match is None:
        raise Broken(f"{uri} is no place in S3.")
    return match["bucket"], match["key"]


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
