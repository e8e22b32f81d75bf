"""The Embedder port on Amazon Titan Text Embeddings V2 (user guide, "Amazon Titan Embeddings Text")."""

import json
from typing import Literal

from shared import tracing
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.errors import PermanentError, TransientError
from shared.model.embeddings import Embedding
from shared.model.tokens import estimated_tokens

TITAN_V2 = "amazon.titan-embed-text-v2:0"
MOST_CHARACTERS, MOST_TOKENS = 50_000, 8_192
"""What the model takes; it refuses a text beyond either."""


class TitanEmbedder:
    """Speaks through an aiobotocore ``bedrock-runtime`` client opened with ``attempts=1``."""

    def __init__(self, client: Client, *, model_id: str = TITAN_V2, dimensions: Literal[256, 512, 1024] = 1024) -> None:
        self._client = client
        self._model_id = model_id
        self._dimensions = dimensions

    async def embed(self, text: str) -> Embedding:
        if not text.strip():
            raise PermanentError("a text without a word has no embedding")
        body = json.dumps({"inputText": _cut(text), "dimensions": self._dimensions, "normalize": True})
        with tracing.model_call(self._model_id, operation="embeddings") as call:
            with aws_errors():
                answer = await self._client.invoke_model(
                    modelId=self._model_id, body=body, contentType="application/json", accept="application/json"
                )
                content = await answer["body"].read()
            vector, tokens = _read(content)
            call.note(tracing.answered(input_tokens=tokens))
        if len(vector) != self._dimensions:
            raise TransientError(f"InvokeModel: a vector of {len(vector)} numbers, {self._dimensions} were asked for")
        return Embedding(vector, tokens)


def _read(content: bytes) -> tuple[tuple[float, ...], int]:
    try:
        parsed = json.loads(content)
        return tuple(float(number) for number in parsed["embedding"]), int(parsed["inputTextTokenCount"])
    except (KeyError, TypeError, ValueError) as error:
        raise TransientError(f"InvokeModel: unreadable reply: {type(error).__name__}: {error}") from error


def _cut(text: str) -> str:
    """As much of the beginning as the model takes, by an estimate with a tenth to spare."""
    most = int(0.9 * MOST_TOKENS)
    if len(text) <= most:
        return text  # No estimate is needed: a character is seldom more than a token.
    tokens = estimated_tokens(text)
    return text[: min(MOST_CHARACTERS, len(text) * most // max(most, tokens))]
