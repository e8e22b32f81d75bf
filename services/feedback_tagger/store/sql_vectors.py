"""Vectors and the texts of proposals as tables hold them, on either engine."""

import sys
from array import array
from collections.abc import Sequence

from services.feedback_tagger.store.discovery import Member, Vector
from services.feedback_tagger.store.statements import Statements


async def read_members(statements: Statements, proposal_id: int) -> list[Vector]:
    """Texts of a proposal with their vectors of its model; those of another model are not comparable."""
    rows = await statements.fetch(
        "select member.text_digest, there.vector from feedback_membership member"
        " join feedback_proposal proposal on proposal.proposal_id = member.proposal_id"
        " join feedback_embedding there"
        " on there.text_digest = member.text_digest and there.model_id = proposal.model_id"
        " where member.proposal_id = %s order by member.text_digest",
        [proposal_id],
    )
    return [Vector(row["text_digest"], as_numbers(row["vector"])) for row in rows]


async def add_members(statements: Statements, members: Sequence[tuple[int, Member]]) -> None:
    """A text that is in a proposal by now stays there."""
    rows = [
        {"text_digest": member.digest, "proposal_id": proposal, "distance": member.distance}
        for proposal, member in sorted(members, key=lambda each: each[1].digest)
    ]
    await statements.insert_missing("feedback_membership", rows, key="text_digest")


def as_bytes(numbers: Sequence[float]) -> bytes:
    packed = array("f", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def as_numbers(packed: bytes) -> Sequence[float]:
    # Not a tuple of floats, which would take ten times the memory.
    numbers = array("f")
    numbers.frombytes(bytes(packed))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
