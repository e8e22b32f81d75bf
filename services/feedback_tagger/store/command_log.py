"""The record of commands on either engine."""

import json
from collections.abc import Mapping
from typing import Any

from services.feedback_tagger.domain.command import Command
from services.feedback_tagger.store.statements import Database, Statements, first, in_transaction


async def kept_outcome(statements: Statements, command: Command, outcome: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keep ``outcome`` in the transaction of the change that it tells of, unless there is one; the one that is kept."""
    row = {
        "command_id": command.command_id,
        "kind": command.kind,
        "said_by": command.said_by,
        "principal": command.principal,
        "outcome": json.dumps(outcome, ensure_ascii=False),
    }
    await statements.insert_missing("feedback_command", [row], key="command_id")
    return await _outcome(statements, command.command_id) or outcome


async def earlier_outcome(statements: Statements, command: Command) -> Mapping[str, Any] | None:
    """How the command ended before; asked first in the transaction that carries it out, behind its locks."""
    return await _outcome(statements, command.command_id)


class SqlCommandLog:
    """The CommandLog port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def outcome_of(self, command_id: str) -> Mapping[str, Any] | None:
        return await in_transaction(self._database, lambda statements: _outcome(statements, command_id))

    async def note(self, command: Command, outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        return await in_transaction(self._database, lambda statements: kept_outcome(statements, command, outcome))


async def _outcome(statements: Statements, command_id: str) -> Mapping[str, Any] | None:
    kept = await first(statements, "select outcome from feedback_command where command_id = %s", [command_id])
    if kept is None:
        return None
    outcome: Mapping[str, Any] = json.loads(kept["outcome"])
    return outcome
