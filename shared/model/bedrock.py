"""The model port on Bedrock Converse."""

from shared import tracing
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.model.converse import as_parameters, read_reply
from shared.model.port import Reply, Request


class BedrockModel:
    """Speaks through an aiobotocore ``bedrock-runtime`` client opened with ``attempts=1``: retries are the caller's."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def converse(self, request: Request) -> Reply:
        with tracing.model_call(
            request.model_id, max_tokens=request.max_tokens, temperature=request.temperature
        ) as call:
            with aws_errors():
                answer = await self._client.converse(**as_parameters(request))
            reply = read_reply(answer)
            usage = reply.usage
            call.note(
                tracing.answered(
                    input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                    finish_reason=reply.stop_reason,
                )
            )
        return reply
