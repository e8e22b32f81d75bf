"""Finds the passages of the policy that fit a question."""

from collections.abc import Mapping
from typing import Any

from services.ticket_agent.tools.port import Answer, Case, Tool, say


async def _run(case: Case, arguments: Mapping[str, Any]) -> Answer:
    passages = await case.desk.knowledge.search(arguments["query"])
    message = f"{len(passages)} passages fit." if passages else "No passage fits; ask in other words."
    return say(message, passages=[{"text": passage.text, "source": passage.source} for passage in passages])


SEARCH_KNOWLEDGE_BASE = Tool(
    name="searchKnowledgeBase",
    description="Returns the passages of the access policy and the routing guide that fit a question best.",
    parameters={"query": "What you want to know, in a few words."},
    run=_run,
)
