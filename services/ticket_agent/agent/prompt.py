"""What a model is told: the rules, and the ticket as a block that its text cannot leave."""

import re
from importlib.resources import files

MAX_TOKENS_PER_TURN = 1_024
"""A turn is a few tool calls and a sentence; more is a model that rambles. The quota reserves this number."""

_TICKET_TAG = re.compile(r"<\s*(/?)\s*ticket\b[^>]*>", re.IGNORECASE)


def system_prompt() -> str:
    return files("services.ticket_agent.agent.prompts").joinpath("system.md").read_text(encoding="utf-8")


def as_ticket_block(content: str) -> str:
    """The ticket's text as the model gets it. A ticket cannot close its own block: its tags lose their brackets."""
    harmless = _TICKET_TAG.sub(r"[\1ticket]", content)
    return f"<ticket>\n{harmless}\n</ticket>"
