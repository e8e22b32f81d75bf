"""Writes ledger entries as links of their ticket's chain: entry, head and whatever belongs to them, all or nothing.

The head is one item beside the entries. Each write moves it on from the digest it was read at, so that of two writers
at once one reads again and comes after the other: no link is lost and none has two followers.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.ticket_agent.domain.chain import HEAD_ENTRY, Head, head_after, linked
from services.ticket_agent.store.port import Superseded
from services.ticket_agent.store.transaction import Condition, ConditionsFailed, Part, commit, put_once, update
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item
from shared.errors import TransientError

TRIES = 20
"""A ticket has one run and now and then a person beside it; so many writers in a row ahead of one are none of ours."""

ENTRY_PART = "entry"
_HEAD_PART = "head"


class LedgerChain:
    """``client`` is an aiobotocore ``dynamodb`` client, ``table`` the ledger's; ``new_salt`` gives random text."""

    def __init__(
        self, client: Client, table: str, *, new_salt: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._client = client
        self._table = table
        self._new_salt = new_salt

    async def head(self, ticket_id: str) -> Head:
        """The last link; a head without a number if there is none yet. The read is consistent."""
        key = to_item({"ticketId": ticket_id, "entry": HEAD_ENTRY})
        with aws_errors():
            answer = await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        row = from_item(answer["Item"]) if "Item" in answer else {}
        return Head(
            number=int(row.get("number", 0)), digest=str(row.get("digest", "")), attempt=int(row.get("attempt", 0))
        )

    async def commit(
        self,
        entry: Mapping[str, Any],
        parts: Sequence[Part] = (),
        *,
        believed: Head | None = None,
        begins: int | None = None,
        within: int | None = None,
    ) -> Head:
        """Put ``entry`` (with its keys) as the next link, together with ``parts``; returns the head that it made.

        ``believed`` saves reading the head where it is known, and costs a try where it is not. ``begins`` is the run
        that this entry begins; ``within`` the run that it belongs to: raises Superseded if a later one has begun.
        Raises ConditionsFailed for the parts and for ``entry``, if there is one of its name; TransientError.
        """
        for _ in range(TRIES):
            head = believed or await self.head(str(entry["ticketId"]))
            if within is not None and head.attempt != within:
                if believed is not None:
                    believed = None
                    continue
                raise Superseded(f"run {within} writes to the ledger after run {head.attempt} has begun")
            link = linked(head, entry, salt=self._new_salt())
            after = head_after(link, attempt=head.attempt if begins is None else begins)
            put = put_once(ENTRY_PART, self._table, link, key="ticketId")
            try:
                await commit(self._client, [*parts, put, self._moved(str(entry["ticketId"]), head, after)])
            except ConditionsFailed as failed:
                if others := failed.parts - {_HEAD_PART}:
                    raise ConditionsFailed(sorted(others)) from None
                believed = None
            else:
                return after
        raise TransientError(f"the ledger of ticket {entry['ticketId']} moved on {TRIES} times before a write")

    def _moved(self, ticket_id: str, before: Head, after: Head) -> Part:
        is_first = "attribute_not_exists(#digest)"
        still_last = "#digest = :before"
        return update(
            _HEAD_PART,
            self._table,
            {"ticketId": ticket_id, "entry": HEAD_ENTRY},
            {"number": after.number, "digest": after.digest, "attempt": after.attempt},
            when=Condition(
                still_last if before.number else is_first,
                {"#digest": "digest"},
                {":before": before.digest} if before.number else {},
            ),
        )
