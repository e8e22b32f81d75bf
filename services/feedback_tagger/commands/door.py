"""The entrance for commands: read strictly, carried out once, answered under runs/ as often as asked."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.feedback_tagger.bucket.port import Bucket, ObjectGone
from services.feedback_tagger.domain.command import (
    COMMANDS_PREFIX,
    FAILED,
    LARGEST_COMMAND_BYTES,
    Command,
    answer_key,
    command_id,
    refused,
)
from services.feedback_tagger.messages.uploaded import Uploaded
from services.feedback_tagger.store.commands import CommandLog
from shared.errors import BadInput
from shared.logs import logger
from shared.messages import MessageSchema

log = logger("commands")

ANSWER_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of command: its name, what its document may hold, and what carries it out.

    ``carry_out`` notes its outcome in the transaction of its change (CommandLog.note) and returns it. It raises
    BadInput for what cannot be done, which is an answer and no failure.
    """

    name: str
    fields: Mapping[str, Any]
    """Properties of a JSON Schema, beside version, kind and by."""
    carry_out: Callable[[Command], Awaitable[Mapping[str, Any]]] = field(repr=False)
    required: tuple[str, ...] = ()

    def schema(self) -> MessageSchema:
        text = {"type": "string", "minLength": 1, "maxLength": 255}
        properties = {"version": {"const": 1}, "kind": {"const": self.name}, "by": text, **self.fields}
        return MessageSchema(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": properties,
                "required": ["version", "kind", "by", *self.required],
                "additionalProperties": False,
            }
        )


class CommandDoor:
    """The entrance. ``kinds`` is a tuple: another kind is one entry more."""

    prefix = COMMANDS_PREFIX

    def __init__(self, kinds: Sequence[Kind], *, bucket: Bucket, commands: CommandLog) -> None:
        self._kinds = {kind.name: (kind, kind.schema()) for kind in kinds}
        self._bucket = bucket
        self._commands = commands

    async def take(self, uploaded: Uploaded) -> None:
        identity = _identity(uploaded)
        outcome = await self._commands.outcome_of(identity)
        again = outcome is not None
        kind = ""
        if outcome is None:
            command = Command(command_id=identity, kind="", said_by="", principal=uploaded.principal)
            try:
                command = self._read(await self._text(uploaded), command)
                kind = command.kind
                outcome = await self._kinds[kind][0].carry_out(command)
            except BadInput as error:
                # Kept: what was refused once must not happen after all when the notification comes again.
                outcome = await self._commands.note(command, refused(error.field, error.problem, error.remedy))
        await self._answer(identity, outcome)
        log.info("command", command_id=identity, kind=kind, status=outcome["status"], again=again)

    async def bury(self, uploaded: Uploaded, reason: str) -> None:
        """No outcome is noted: a redrive may still carry it out."""
        identity = _identity(uploaded)
        if await self._commands.outcome_of(identity) is None:
            await self._answer(identity, {"status": FAILED, "problem": reason})

    async def _answer(self, identity: str, outcome: Mapping[str, Any]) -> None:
        body = json.dumps({"version": 1, "command_id": identity, **outcome}, ensure_ascii=False).encode()
        await self._bucket.put(answer_key(identity), body, content_type=ANSWER_TYPE)

    async def _text(self, uploaded: Uploaded) -> str:
        try:
            async with self._bucket.open(uploaded.key, version_id=uploaded.version_id) as found:
                if found.size > LARGEST_COMMAND_BYTES:
                    problem = f"has {found.size} bytes"
                    raise BadInput(field="body", problem=problem, remedy=f"send at most {LARGEST_COMMAND_BYTES}")
                if uploaded.etag and found.etag != uploaded.etag:
                    # Another command took its key: that one has a notification of its own.
                    raise BadInput(field="key", problem="was written over", remedy="give each command its own key")
                content = b"".join([block async for block in found.blocks])
        except ObjectGone:
            raise BadInput(field="key", problem="is gone", remedy="send the command again") from None
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise BadInput(field="body", problem="is not UTF-8", remedy="send JSON in UTF-8") from None

    def _read(self, text: str, blank: Command) -> Command:
        try:
            named = json.loads(text)["kind"]
            _, schema = self._kinds[named]
        except (ValueError, TypeError, KeyError, RecursionError):
            kinds = ", ".join(sorted(self._kinds))
            raise BadInput(field="kind", problem="is none of ours", remedy=f"send JSON with one of {kinds}") from None
        message = schema.read(text)
        fields = {name: value for name, value in message.items() if name not in ("version", "kind", "by")}
        return Command(
            command_id=blank.command_id,
            kind=str(named),
            said_by=message["by"],
            principal=blank.principal,
            fields=fields,
        )


def _identity(uploaded: Uploaded) -> str:
    return command_id(uploaded.bucket, uploaded.key, etag=uploaded.etag, version_id=uploaded.version_id)
