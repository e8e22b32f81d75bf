"""The set of categories as a whole: a JSON file under uploads/categories/ adds, revives and softly deletes.

It comes through the door of commands, under a prefix of its own: carried out once, whole or not at all, and answered
under runs/ as any command.
"""

from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.commands.door import CommandDoor, Kind
from services.feedback_tagger.domain.category_name import folded
from services.feedback_tagger.domain.category_set import checked_set, difference, read_set
from services.feedback_tagger.domain.command import Command, done
from services.feedback_tagger.domain.run import UPLOADS_PREFIX
from services.feedback_tagger.store.commands import CommandLog
from services.feedback_tagger.store.taxonomy import Changing, KnownCategory, Outcome, TaxonomyStore

CATEGORIES_PREFIX = f"{UPLOADS_PREFIX}categories/"
KIND = "categories.set"
WHY = "the whole set was sent"


def set_kind(taxonomy: TaxonomyStore) -> Kind:
    """The same as a command, for who names a sender and a reason."""

    async def carry_out(command: Command) -> Outcome:
        names = checked_set(command.fields["names"])
        why = command.fields.get("reason") or WHY
        return await taxonomy.change(command, lambda changing: set_categories(changing, names, why))

    text = {"type": "string", "maxLength": 1000}
    return Kind(KIND, {"names": {"type": "array"}, "reason": text}, carry_out, ("names",))


async def set_categories(changing: Changing, names: tuple[str, ...], why: str = WHY) -> Outcome:
    """Afterwards exactly ``names`` are categories. One version for all of it; none if nothing changes."""
    known = await changing.categories(deleted=True)
    gone = {folded(each.name) for each in known if each.deleted}
    ids = {each.name: each.category_id for each in known if not each.deleted}
    found = difference(list(ids), names)
    added: list[KnownCategory] = []
    revived: list[KnownCategory] = []
    for name in found.surplus:
        await changing.delete(ids[name])
    for name in found.missing:
        category = await changing.add(name)
        (revived if folded(name) in gone else added).append(category)
    # After all changes: the first note gives them one version, which the others share.
    for kind, categories in (("added", added), ("revived", revived)):
        for category in categories:
            await changing.note(kind, why, name=category.name, category_id=category.category_id)
    for name in found.surplus:
        await changing.note("deleted", why, name=name, category_id=ids[name])
    return done(
        added=[each.name for each in added],
        revived=[each.name for each in revived],
        deleted=list(found.surplus),
        unchanged=len(found.unchanged),
        other_spelling=list(found.other_spelling),
    )


class CategoryFiles(CommandDoor):
    """The entrance. The file is the order: there is nothing else to say."""

    prefix = CATEGORIES_PREFIX

    def __init__(self, taxonomy: TaxonomyStore, *, bucket: Bucket, commands: CommandLog) -> None:
        super().__init__((set_kind(taxonomy),), bucket=bucket, commands=commands)

    def _read(self, text: str, blank: Command) -> Command:
        names = read_set(text.removeprefix("\ufeff"))
        said_by = blank.principal or "an upload"
        return Command(
            command_id=blank.command_id,
            kind=KIND,
            said_by=said_by,
            principal=blank.principal,
            fields={"names": names},
        )
