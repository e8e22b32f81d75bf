"""The migrations of this build: numbered files, one folder an engine, forward only."""

import re
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

from services.feedback_tagger.store.address import EngineName

_NAME = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def statements(self) -> tuple[str, ...]:
        """The file's statements, each ending with its line; comments between them are left out."""
        lines = [line for line in self.sql.splitlines() if not line.lstrip().startswith("--")]
        return tuple(part.strip() for part in re.split(r";[ \t]*(?:\n|$)", "\n".join(lines)) if part.strip())


def migrations(engine: EngineName = "postgres") -> list[Migration]:
    """In order; raises ValueError where two files have one number."""
    folder = files("services.feedback_tagger.store").joinpath("migrations", engine)
    found = [
        Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := _NAME.fullmatch(entry.name)) is not None
    ]
    ordered = sorted(found, key=lambda migration: migration.version)
    for one, other in pairwise(ordered):
        if one.version == other.version:
            raise ValueError(f"{one.name} and {other.name} have the same number")
    return ordered
