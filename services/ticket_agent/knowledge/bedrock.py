"""The knowledge base port on Bedrock Knowledge Bases (API reference, "Retrieve")."""

from typing import Any

from services.ticket_agent.knowledge.port import PASSAGES_WANTED, Passage
from shared.aws.clients import Client
from shared.aws.errors import aws_errors

LONGEST_QUERY = 1_000


class BedrockKnowledgeBase:
    """``client`` is an aiobotocore ``bedrock-agent-runtime`` client.

    ``search_type`` (HYBRID or SEMANTIC) is sent only if set: a store without hybrid search refuses the word.
    """

    def __init__(self, client: Client, knowledge_base_id: str, *, search_type: str | None = None) -> None:
        self._client = client
        self._knowledge_base_id = knowledge_base_id
        self._search_type = search_type

    async def search(self, query: str) -> tuple[Passage, ...]:
        vector_search: dict[str, Any] = {"numberOfResults": PASSAGES_WANTED}
        if self._search_type:
            vector_search["overrideSearchType"] = self._search_type
        with aws_errors():
            answer = await self._client.retrieve(
                knowledgeBaseId=self._knowledge_base_id,
                retrievalQuery={"text": query[:LONGEST_QUERY]},
                retrievalConfiguration={"vectorSearchConfiguration": vector_search},
            )
        found = (_as_passage(result) for result in answer.get("retrievalResults", []))
        return tuple(passage for passage in found if passage.text)


def _as_passage(result: dict[str, Any]) -> Passage:
    location = result.get("location", {})
    source = location.get("s3Location", {}).get("uri") or str(location.get("type", "unknown"))
    return Passage(text=str(result.get("content", {}).get("text", "")), source=source)
