"""What a knowledge base promises (services/ticket_agent/knowledge/port.py): our documents, and Bedrock's Retrieve."""

from collections.abc import AsyncIterator

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from services.ticket_agent.knowledge.bedrock import BedrockKnowledgeBase
from services.ticket_agent.knowledge.documents import DocumentKnowledgeBase
from services.ticket_agent.knowledge.port import KnowledgeBase
from shared.errors import PermanentError
from tests.support.bedrock_clients import opened

SECTIONS = (
    ("grants.md", "Grants", "Access is granted automatically for fewer than thirty days."),
    ("held.md", "Held access", "Access that is already held is not granted again."),
    ("owners.md", "Owners", "Everything else is assigned to the owner of the environment."),
    ("printers.md", "Printers", "A printer that jams belongs to the hardware group."),
)
KNOWLEDGE_BASE = "POLICIES01"


def publish(bedrock: BedrockEndpoint, *, hybrid: bool = True) -> None:
    passages = [{"text": f"{title}\n{text}", "source": f"s3://policies/{file}"} for file, title, text in SECTIONS]
    bedrock.control(f"knowledge_bases/{KNOWLEDGE_BASE}", {"passages": passages, "hybrid": hybrid}, method="PUT")


@pytest.fixture(params=["documents", "retrieve"])
async def knowledge(request: pytest.FixtureRequest) -> AsyncIterator[KnowledgeBase]:
    if request.param == "documents":
        yield DocumentKnowledgeBase([(file, f"# {file}\n## {title}\n{text}\n") for file, title, text in SECTIONS])
        return
    bedrock: BedrockEndpoint = request.getfixturevalue("bedrock")
    publish(bedrock)
    async with opened(bedrock, "bedrock-agent-runtime") as client:
        yield BedrockKnowledgeBase(client, KNOWLEDGE_BASE)


async def test_the_best_passage_comes_first_with_where_it_stands(knowledge: KnowledgeBase) -> None:
    best, *_ = await knowledge.search("who takes a printer that jams")
    assert "hardware group" in best.text
    assert "printers.md" in best.source


async def test_at_most_three_passages_come_back(knowledge: KnowledgeBase) -> None:
    passages = await knowledge.search("access granted held owner environment printer group")
    assert 1 <= len(passages) <= 3
    assert len({passage.source for passage in passages}) == len(passages)


async def test_a_question_of_any_length_is_answered(knowledge: KnowledgeBase) -> None:
    assert await knowledge.search("is access granted automatically " * 500)


async def test_a_store_without_hybrid_search_is_asked_without_a_search_type(bedrock: BedrockEndpoint) -> None:
    publish(bedrock, hybrid=False)
    async with opened(bedrock, "bedrock-agent-runtime") as client:
        assert await BedrockKnowledgeBase(client, KNOWLEDGE_BASE).search("access")
        assert await BedrockKnowledgeBase(client, KNOWLEDGE_BASE, search_type="SEMANTIC").search("access")
        with pytest.raises(PermanentError, match="HYBRID"):
            await BedrockKnowledgeBase(client, KNOWLEDGE_BASE, search_type="HYBRID").search("access")


async def test_a_knowledge_base_that_is_not_there_is_a_permanent_error(bedrock: BedrockEndpoint) -> None:
    async with opened(bedrock, "bedrock-agent-runtime") as client:
        with pytest.raises(PermanentError):
            await BedrockKnowledgeBase(client, "NOSUCHBASE").search("access")
