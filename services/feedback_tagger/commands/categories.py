"""What can be ordered about categories and proposals: one function a kind, each whole or not at all."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from services.feedback_tagger.aside import aside
from services.feedback_tagger.commands.door import Kind
from services.feedback_tagger.domain.category_name import checked_name, folded
from services.feedback_tagger.domain.command import Command, done
from services.feedback_tagger.store.discovery import NewProposal, Vector
from services.feedback_tagger.store.taxonomy import (
    Changing,
    KnownCategory,
    Outcome,
    Proposal,
    TaxonomyStore,
)
from shared.errors import BadInput

Ordered: TypeAlias = Callable[[Changing, Command], Awaitable[Outcome]]
PartsOf: TypeAlias = Callable[[Sequence[Vector]], Sequence[NewProposal]]
"""The subjects that a proposal with such texts holds; nothing if it is one."""

_NUMBER = {"type": "integer", "minimum": 1}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
_WHY = {"type": "string", "maxLength": 1000}


def category_kinds(store: TaxonomyStore, parts_of: PartsOf) -> tuple[Kind, ...]:
    def kind(verb: str, ordered: Ordered, *required: str, **optional: Any) -> Kind:
        async def carry_out(command: Command) -> Outcome:
            return await store.change(command, lambda changing: ordered(changing, command))

        known = {"proposal": _NUMBER, "into_proposal": _NUMBER}
        fields = {field: known.get(field, _TEXT) for field in required}
        return Kind(f"categories.{verb}", {**fields, **optional, "reason": _WHY}, carry_out, required)

    return (
        kind("accept", accept, "proposal", name=_TEXT),
        kind("reject", reject, "proposal"),
        kind("name", name_proposal, "proposal", "name"),
        kind("merge", merge_proposals, "proposal", "into_proposal"),
        kind("split", partial(split, parts_of=parts_of), "proposal"),
        kind("add", add, "name"),
        kind("rename", rename, "category", "name"),
        kind("combine", combine, "category", "into_category"),
        kind("delete", delete, "category"),
    )


async def accept(changing: Changing, command: Command) -> Outcome:
    """The proposal becomes a category, or part of the one that ``name`` or its likeness says."""
    proposal = await _waiting(changing, command.fields["proposal"])
    given = command.fields.get("name") or proposal.extends or proposal.name
    if not given:
        raise BadInput(field="name", problem="is missing: the proposal has none yet", remedy="give --name")
    return await accepted(changing, command, proposal, checked_name(given))


async def accepted(changing: Changing, command: Command, proposal: Proposal, name: str) -> Outcome:
    there = _named(await changing.categories(), name)
    category = there or await changing.add(name)
    texts = await changing.accept(proposal.proposal_id, category)
    await changing.note(
        "accepted",
        _why(command, f"{texts} texts, as {'a part of the' if there else 'a new'} category"),
        name=category.name,
        proposal_id=proposal.proposal_id,
        category_id=category.category_id,
    )
    return done(category=category.name, new=there is None, texts=texts)


async def reject(changing: Changing, command: Command) -> Outcome:
    proposal = await _waiting(changing, command.fields["proposal"])
    await changing.reject(proposal.proposal_id)
    reason = _why(command, "not a category of ours")
    await changing.note("rejected", reason, name=proposal.name, proposal_id=proposal.proposal_id)
    return done(proposal=proposal.proposal_id)


async def name_proposal(changing: Changing, command: Command) -> Outcome:
    proposal = await _waiting(changing, command.fields["proposal"])
    name = checked_name(command.fields["name"])
    await changing.name(proposal.proposal_id, name)
    reason = _why(command, f"before: {proposal.name}")
    await changing.note("named", reason, name=name, proposal_id=proposal.proposal_id)
    return done(proposal=proposal.proposal_id, name=name)


async def merge_proposals(changing: Changing, command: Command) -> Outcome:
    one, other = command.fields["proposal"], command.fields["into_proposal"]
    if one == other:
        raise BadInput(field="into_proposal", problem="is the same proposal", remedy="name two")
    # In the order of their numbers: two merges the other way round wait for each other instead of deadlocking.
    found = {each: await _waiting(changing, each) for each in sorted((one, other))}
    texts = await changing.merge(one, other)
    reason = _why(command, f"{texts} texts of proposal {one} are of proposal {other} now")
    await changing.note("merged", reason, name=found[one].name, proposal_id=one)
    return done(proposal=other, texts=texts)


async def split(changing: Changing, command: Command, *, parts_of: PartsOf) -> Outcome:
    """Two proposals instead of one, for good: nobody joins or decides on the old one any more."""
    proposal = await _waiting(changing, command.fields["proposal"])
    # Whoever ends a pass waits meanwhile, so that no text joins what is being split.
    parts = await aside(parts_of, await changing.members(proposal.proposal_id))
    if not parts:
        raise BadInput(
            field="proposal",
            problem=f"{proposal.proposal_id} holds one subject: no two groups of its texts are far enough apart",
            remedy="accept it, or reject it",
        )
    numbers = await changing.split(proposal.proposal_id, parts)
    sizes = [len(part.members) for part in parts]
    said = " and ".join(f"proposal {number} ({texts} texts)" for number, texts in zip(numbers, sizes, strict=True))
    reason = _why(command, f"two subjects: {said}")
    await changing.note("split", reason, name=proposal.name, proposal_id=proposal.proposal_id)
    for number, texts in zip(numbers, sizes, strict=True):
        await changing.note("proposed", f"{texts} texts of proposal {proposal.proposal_id}", proposal_id=number)
    return done(proposal=proposal.proposal_id, parts=numbers, texts=sizes)


async def add(changing: Changing, command: Command) -> Outcome:
    name = checked_name(command.fields["name"])
    if there := _named(await changing.categories(), name):
        raise BadInput(field="name", problem=f"is a category already: {there.name}", remedy="choose another name")
    category = await changing.add(name)
    await changing.note("added", _why(command, "by hand"), name=name, category_id=category.category_id)
    return done(category=name)


async def rename(changing: Changing, command: Command) -> Outcome:
    """Rows follow, also those that a person has labelled with the old name."""
    category = await _category(changing, command.fields["category"])
    name = checked_name(command.fields["name"])
    there = _named(await changing.categories(), name)
    if there is not None and there != category:
        raise BadInput(field="name", problem="is another category", remedy="merge the two instead")
    if name != category.name:
        await changing.rename(category.category_id, name)
        await changing.relabel(category.name, name)
        reason = _why(command, f"before: {category.name}")
        await changing.note("renamed", reason, name=name, category_id=category.category_id)
    return done(category=name)


async def combine(changing: Changing, command: Command) -> Outcome:
    """One category becomes part of another: its rows go over, and it is deleted."""
    one = await _category(changing, command.fields["category"])
    other = await _category(changing, command.fields["into_category"], field="into_category")
    if one == other:
        raise BadInput(field="into_category", problem="is the same category", remedy="name two")
    await changing.delete(one.category_id)
    await changing.relabel(one.name, other.name)
    reason = _why(command, f"is part of {other.name} now")
    await changing.note("combined", reason, name=one.name, category_id=one.category_id)
    return done(category=other.name)


async def delete(changing: Changing, command: Command) -> Outcome:
    """New rows do not get it any more; the others keep it."""
    category = await _category(changing, command.fields["category"])
    if len(await changing.categories()) == 1:
        raise BadInput(field="category", problem="is the last one", remedy="add another category first")
    await changing.delete(category.category_id)
    await changing.note("deleted", _why(command, "by hand"), name=category.name, category_id=category.category_id)
    return done(category=category.name)


async def _waiting(changing: Changing, number: int) -> Proposal:
    proposal = await changing.proposal(number)
    if proposal is None:
        raise BadInput(field="proposal", problem=f"{number} does not exist", remedy="list them with: proposals")
    if proposal.state != "proposed":
        raise BadInput(field="proposal", problem=f"{number} is {proposal.state} already", remedy="see: history")
    return proposal


async def _category(changing: Changing, name: str, *, field: str = "category") -> KnownCategory:
    found = _named(await changing.categories(), name)
    if found is None:
        raise BadInput(field=field, problem="is no category", remedy="list them with: categories")
    return found


def _named(categories: list[KnownCategory], name: str) -> KnownCategory | None:
    return next((each for each in categories if folded(each.name) == folded(name)), None)


def _why(command: Command, otherwise: str) -> str:
    return str(command.fields.get("reason") or otherwise)
