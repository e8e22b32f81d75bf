"""Retrieve over passages kept in memory: by meaning, or by meaning and words together."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.bedrock import vocabulary
from local.bedrock.defaults import KNOWLEDGE_BASE_ID
from local.bedrock.embeddings import embed
from local.bedrock.errors import invalid, not_found
from local.bedrock.settings import KnowledgeBase, Passage

DEFAULT_RESULTS = 5
WORDS_SHARE = 0.4
_WORD = re.compile(r"\w{3,}")

# So that Retrieve answers without configuration; a test that asks for something in particular configures its own.
DEFAULT = KnowledgeBase(
    passages=(
        Passage(
            text="A ticket for access must give a title, the environment's id, a business justification, "
            "the duration in days and the access type.",
            source="s3://deskhand-policies/required-fields.md",
        ),
        Passage(
            text="Who already holds the access asked for needs no new grant: the ticket is resolved automatically.",
            source="s3://deskhand-policies/existing-access.md",
        ),
        Passage(
            text="Access may be granted automatically only if the environment's owner is the requester's manager, "
            "the duration is less than 30 days, and the type is not Admin.",
            source="s3://deskhand-policies/automatic-grants.md",
        ),
        Passage(
            text="Every other request, also an unclear or incomplete one, is assigned to the environment's owner.",
            source="s3://deskhand-policies/assignment.md",
        ),
    )
)


def retrieve(parameters: Mapping[str, Any], knowledge_bases: Mapping[str, KnowledgeBase]) -> dict[str, Any]:
    """The best passages, best first. Raises ValidationException or ResourceNotFoundException as the service does."""
    identifier = parameters["knowledgeBaseId"].rpartition("/")[2]
    known = {KNOWLEDGE_BASE_ID: DEFAULT, **knowledge_bases}
    if identifier not in known:
        raise not_found(f"Knowledge Base with id {identifier} does not exist")
    if "nextToken" in parameters:
        raise invalid("The nextToken is not one that this knowledge base has given out.")
    query = parameters["retrievalQuery"].get("text", "").strip()
    if not query:
        raise invalid("The retrievalQuery must have a text: this knowledge base holds text only.")
    search = (parameters.get("retrievalConfiguration") or {}).get("vectorSearchConfiguration") or {}
    kind = _search_type(search.get("overrideSearchType"), known[identifier])
    passages = [one for one in known[identifier].passages if _passes(search.get("filter"), one.metadata)]
    scored = sorted(zip(_scores(query, passages, kind), passages, strict=True), key=lambda pair: -pair[0])
    return {
        "retrievalResults": [
            {
                "content": {"type": "TEXT", "text": passage.text},
                "location": _location(passage.source),
                "score": round(score, 6),
                **({"metadata": passage.metadata} if passage.metadata else {}),
            }
            for score, passage in scored[: search.get("numberOfResults", DEFAULT_RESULTS)]
        ]
    }


def _search_type(asked: str | None, knowledge_base: KnowledgeBase) -> str:
    if asked == "HYBRID" and not knowledge_base.hybrid:
        raise invalid("HYBRID search type is not supported for search operation on the vector store of this index.")
    return asked or ("HYBRID" if knowledge_base.hybrid else "SEMANTIC")


def _scores(query: str, passages: Sequence[Passage], kind: str) -> list[float]:
    if not passages:
        return []
    vectors = embed([vocabulary.in_english(text) for text in (query, *(passage.text for passage in passages))])
    meaning = [max(0.0, float(score)) for score in vectors[1:] @ vectors[0]]
    if kind == "SEMANTIC":
        return meaning
    asked = set(_WORD.findall(query.lower()))
    words = [len(asked & set(_WORD.findall(one.text.lower()))) / max(1, len(asked)) for one in passages]
    return [(1 - WORDS_SHARE) * near + WORDS_SHARE * share for near, share in zip(meaning, words, strict=True)]


def _location(source: str) -> dict[str, Any]:
    if source.startswith("s3://"):
        return {"type": "S3", "s3Location": {"uri": source}}
    if source.startswith(("https://", "http://")):
        return {"type": "WEB", "webLocation": {"url": source}}
    return {"type": "CUSTOM", "customDocumentLocation": {"id": source}}


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda held, asked: held == asked,
    "notEquals": lambda held, asked: held != asked,
    "greaterThan": lambda held, asked: held > asked,
    "greaterThanOrEquals": lambda held, asked: held >= asked,
    "lessThan": lambda held, asked: held < asked,
    "lessThanOrEquals": lambda held, asked: held <= asked,
    "in": lambda held, asked: held in asked,
    "notIn": lambda held, asked: held not in asked,
    "startsWith": lambda held, asked: str(held).startswith(str(asked)),
    "stringContains": lambda held, asked: str(asked) in str(held),
    "listContains": lambda held, asked: isinstance(held, list) and asked in held,
}


def _passes(condition: Mapping[str, Any] | None, metadata: Mapping[str, Any]) -> bool:
    """Whether a passage's metadata meets the filter; a passage without the key meets only the negative tests."""
    if condition is None:
        return True
    ((name, operand),) = ((name, operand) for name, operand in condition.items() if operand is not None)
    if name == "andAll":
        return all(_passes(one, metadata) for one in operand)
    if name == "orAll":
        return any(_passes(one, metadata) for one in operand)
    if operand["key"] not in metadata:
        return name in ("notEquals", "notIn")
    try:
        return _TESTS[name](metadata[operand["key"]], operand["value"])
    except TypeError:
        raise invalid(f"The filter {name} on {operand['key']} compares values of different types.") from None
