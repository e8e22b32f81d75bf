"""The promise of the record of commands, whichever database is behind it."""

from collections.abc import Mapping
from typing import Any, Protocol

from services.feedback_tagger.domain.command import Command


class CommandLog(Protocol):
    """One outcome a command, the first. Raises TransientError and PermanentError as the stores do."""

    async def outcome_of(self, command_id: str) -> Mapping[str, Any] | None:
        """How the command ended; None if it did not."""
        ...

    async def note(self, command: Command, outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep ``outcome`` unless there is one, and return the one that is kept.

        A kind that changes the database notes its outcome itself, in the transaction of the change: then a kill leaves
        both or neither.
        """
        ...
