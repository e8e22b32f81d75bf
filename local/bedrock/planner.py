"""The stand-in for a model with tools: it follows the access rules by reading only the request.

It stands for a model that does as it is told; whether its calls are allowed is not its business to guarantee. The
variants stand for models that do not (``planner_variants``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from local.bedrock import ticket_text
from local.bedrock.ticket_text import TicketText
from local.bedrock.transcript import Called, Transcript

CHECK, SEARCH, OWNER = "checkEmployeeAccess", "searchKnowledgeBase", "getEnvironmentOwner"
MANAGER, GIVE = "getEmployeeManager", "giveAccess"
RESOLVE, ASSIGN = "autoResolveTicket", "assignTicketToEnvironmentOwner"
ROUTE, ANY_GROUP = "assignTicketToResolverGroup", "service-desk"
LONGEST_DAYS = 30

LONGEST_QUERY = 40
SMALL_WORDS = frozenset(
    (
        *("title", "the", "and", "for", "from", "that", "this", "what", "with", "not", "cannot", "have", "has"),
        *("can", "one", "since", "takes", "group"),
    )
)
_GROUP = re.compile(r"Group (?P<group>[a-z][a-z-]*)")

# What a type includes, for a tool that says what is held and leaves the comparison to the model.
INCLUDED = {
    "read": {"read"},
    "write": {"read", "write"},
    "developer": {"read", "write", "developer"},
    "devops": {"read", "write", "devops"},
    "admin": {"read", "write", "developer", "devops", "admin"},
}


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calls:
    calls: tuple[Call, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Final:
    text: str


Step: TypeAlias = Calls | Final


def plan(transcript: Transcript) -> Step:
    """The next step. Without a ticket, or without the tools it needs, it ends in prose."""
    text = ticket_text.ticket_in(transcript.user_text)
    step = (
        Final("I am a rule-following stand-in and see no ticket here.") if text is None else _decide(text, transcript)
    )
    return _as_forced(step, transcript)


def _decide(text: str, seen: Transcript) -> Step:
    if seen.succeeded(RESOLVE):
        return Final("The ticket is resolved.")
    if seen.succeeded(ASSIGN):
        return Final("The ticket is assigned to the environment's owner.")
    if seen.called(ASSIGN):
        return Final("The ticket could not be assigned: a person has to look at it.")
    if seen.succeeded(ROUTE):
        return Final("The ticket is assigned to a group that works on it.")
    ticket = ticket_text.read(text)
    if not ticket.about_access and ROUTE in seen.offered:
        return _to_group(text, seen)
    if ticket.environment_id is None:
        return Final("The ticket names no environment: a person has to look at it.")
    step = _next_call(ticket, ticket.environment_id, seen)
    missing = [call.name for call in step.calls if call.name not in seen.offered] if isinstance(step, Calls) else []
    return Final(f"I would call {missing[0]}, which is not offered: a person has to look at it.") if missing else step


def _next_call(ticket: TicketText, environment: str, seen: Transcript) -> Step:
    here = {"environmentId": environment}
    access = seen.called(CHECK)
    if access is None:
        return _one(CHECK, here)
    if access.failed:
        return _to_owner(environment, "The requester's access could not be checked.", seen)
    if _suffices(access.result, ticket.access_type):
        if seen.called(RESOLVE):
            return _to_owner(environment, "The requester has the access, but the ticket could not be closed.", seen)
        return _one(RESOLVE, {"description": f"The requester already has access to environment {environment}."})
    if seen.called(SEARCH) is None and SEARCH in seen.offered:
        return _one(SEARCH, {"query": f"rules for {ticket.access_type or 'environment'} access"})
    if reason := _why_not_automatic(ticket):
        return _to_owner(environment, reason, seen)
    return _grant_if_owner_manages(ticket, environment, seen)


def _grant_if_owner_manages(ticket: TicketText, environment: str, seen: Transcript) -> Step:
    here = {"environmentId": environment}
    manager, owner, grant = seen.called(MANAGER), seen.called(OWNER), seen.called(GIVE)
    if manager is None:
        return _one(MANAGER)
    if manager.failed or not manager.result.get("manager"):
        return _to_owner(environment, "The requester's manager is not known.", seen)
    if owner is None:
        return _one(OWNER, here)
    if owner.failed or owner.result.get("owner") != manager.result["manager"]:
        return _to_owner(environment, "The environment's owner is not the requester's manager.", seen)
    if grant is None:
        return _one(GIVE, here)
    if grant.failed:
        return _to_owner(environment, f"The grant was refused: {grant.result.get('message', 'no reason given')}", seen)
    if seen.called(RESOLVE):
        return _to_owner(environment, "Access is granted, but the ticket could not be closed.", seen)
    kind = (ticket.access_type or "").capitalize()
    return _one(RESOLVE, {"description": f"{kind} access to environment {environment} granted for {ticket.days} days."})


def _to_owner(environment: str, reason: str, seen: Transcript) -> Step:
    owner = seen.called(OWNER)
    if owner is None:
        return _one(OWNER, {"environmentId": environment})
    name = owner.result.get("owner")
    if owner.failed or not isinstance(name, str):
        return Final(f"The owner of environment {environment} cannot be found: a person has to look at it. {reason}")
    instructions = f"Please decide on access to environment {environment}. {reason}"
    return _one(ASSIGN, {"owner": name, "instructions": instructions})


def _to_group(text: str, seen: Transcript) -> Step:
    """By the first passage of the knowledge base that is about a group; where that fails, the group that takes all."""
    search, routed = seen.called(SEARCH), seen.called(ROUTE)
    words = " ".join(re.findall(r"[\w-]+", text)[:LONGEST_QUERY])
    if search is None and SEARCH in seen.offered and words:
        return _one(SEARCH, {"query": f"group that takes: {words}"})
    said = {word.casefold() for word in re.findall(r"[\w-]{3,}", text)} - SMALL_WORDS
    groups = [
        match["group"]
        for passage in _passages(search)
        if (match := _GROUP.match(passage)) and said & set(re.findall(r"[\w-]+", passage.casefold()))
    ]
    group = groups[0] if groups and routed is None else ANY_GROUP
    if routed is not None and routed.arguments.get("group") == ANY_GROUP:
        return Final("No group could take the ticket: a person has to look at it.")
    title = next((line.strip() for line in text.splitlines() if line.strip()), "nothing that can be recognised")
    return _one(ROUTE, {"group": group, "instructions": f"Please see to this: {title[:200]}"})


def _passages(search: Called | None) -> list[str]:
    passages = search.result.get("passages") if search and not search.failed else None
    texts = [passage.get("text") for passage in passages or [] if isinstance(passage, dict)]
    return [text for text in texts if isinstance(text, str)]


def _suffices(result: Mapping[str, Any], asked: str | None) -> bool:
    if isinstance(sufficient := result.get("sufficient"), bool):
        return sufficient
    held = str(result.get("accessType") or "").casefold()
    return bool(result.get("hasAccess")) and asked is not None and asked in INCLUDED.get(held, set())


def _why_not_automatic(ticket: TicketText) -> str | None:
    if ticket.access_type is None:
        return "The access type is missing or unknown."
    if ticket.access_type == "admin":
        return "Admin access needs the owner's decision."
    if ticket.days is None:
        return "The access duration is missing or unclear."
    if ticket.days >= LONGEST_DAYS:
        return f"{ticket.days} days is {LONGEST_DAYS} days or more."
    if not ticket.complete:
        return "The title or the business justification is missing."
    return None


def _one(name: str, arguments: Mapping[str, Any] | None = None) -> Calls:
    return Calls((Call(name, arguments or {}),))


def _as_forced(step: Step, seen: Transcript) -> Step:
    """toolChoice binds a model: ``any`` allows no prose, ``tool`` no other tool."""
    if seen.forced is None or not seen.offered:
        return step
    planned = step.calls[0] if isinstance(step, Calls) else None
    name = seen.forced if seen.forced != "any" else planned.name if planned else next(iter(seen.offered))
    if planned and planned.name == name:
        return step
    return _one(name, _least_arguments(seen.offered[name]))


def _least_arguments(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The plainest arguments that a schema's required properties allow."""
    properties = schema.get("properties", {})
    return {name: _least_value(properties.get(name, {})) for name in schema.get("required", ())}


def _least_value(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return "unknown"  # true and false are schemas too
    if schema.get("enum"):
        return schema["enum"][0]
    plain: dict[str, Any] = {"integer": 0, "number": 0, "boolean": False, "array": [], "null": None}
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    return _least_arguments(schema) if kind == "object" else plain.get(kind, "unknown")
