"""Batch inference on Bedrock: model invocation jobs of the type Converse."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.errors import PermanentError
from shared.model.batch_jobs import JobState, NewJob
from shared.model.converse import as_parameters, read_reply
from shared.model.port import Reply, Request


class BedrockBatchJobs:
    """The BatchJobs port on an aiobotocore ``bedrock`` client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(self, job: NewJob) -> str:
        with aws_errors():
            try:
                answer = await self._client.create_model_invocation_job(
                    jobName=job.name,
                    clientRequestToken=job.token,
                    roleArn=job.role_arn,
                    modelId=job.model_id,
                    modelInvocationType="Converse",
                    inputDataConfig={"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": job.input_uri}},
                    outputDataConfig={"s3OutputDataConfig": {"s3Uri": job.output_uri}},
                    timeoutDurationInHours=job.timeout_hours,
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ConflictException":
                    raise
                # The name is taken. By an earlier try whose answer was lost, if the token is ours.
                if (arn := await self._named(job)) is None:
                    raise
                return arn
        return str(answer["jobArn"])

    async def state(self, arn: str) -> JobState | None:
        with aws_errors():
            try:
                answer = await self._client.get_model_invocation_job(jobIdentifier=arn)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
                    return None
                raise
        return JobState(
            status=answer["status"],
            message=answer.get("message", ""),
            records=answer.get("totalRecordCount", 0),
            processed=answer.get("processedRecordCount", 0),
            succeeded=answer.get("successRecordCount", 0),
            failed=answer.get("errorRecordCount", 0),
        )

    async def stop(self, arn: str) -> None:
        try:
            with aws_errors():
                await self._client.stop_model_invocation_job(jobIdentifier=arn)
        except PermanentError:
            # Refused for a job that has ended, or is stopping already: then there is nothing to stop.
            state = await self.state(arn)
            if state is not None and not state.ended and state.status != "Stopping":
                raise

    def as_input(self, request: Request) -> Mapping[str, Any]:
        return {name: value for name, value in as_parameters(request).items() if name != "modelId"}

    def as_reply(self, output: Mapping[str, Any]) -> Reply:
        return read_reply(output)

    async def _named(self, job: NewJob) -> str | None:
        answer = await self._client.list_model_invocation_jobs(nameContains=job.name)
        for found in answer["invocationJobSummaries"]:
            if found["jobName"] == job.name and found.get("clientRequestToken") == job.token:
                return str(found["jobArn"])
        return None
