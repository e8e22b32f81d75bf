"""Where the rows of a task go: the table's own columns, and the values of one of its records."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

ColumnType: TypeAlias = Literal["text", "integer", "decimal", "boolean", "moment", "json"]
Value: TypeAlias = str | int | Decimal | bool | datetime | None
Record: TypeAlias = Mapping[str, Value]
"""Values by column of a task's table; a column that is left out is null. JSON is given as text."""

COMMON_COLUMNS: tuple[tuple[str, ColumnType], ...] = (
    ("row_identity", "text"),
    ("part", "integer"),
    ("execution_id", "text"),
    ("run_id", "text"),
    ("chunk_no", "integer"),
    ("line_no", "integer"),
    ("ref_id", "text"),
    ("create_date", "moment"),
)
"""What every task's table has beside its own columns, and ``last_updated_time``; ``row_identity`` and ``part`` (1 is a
row's first record) are unique together. The store fills them in."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class TaskTable:
    """The table ``name`` with the task's own ``columns``. A migration of each engine makes it."""

    name: str
    columns: tuple[tuple[str, ColumnType], ...]

    def __post_init__(self) -> None:
        # They become part of statements.
        for name in (self.name, *(column for column, _ in self.columns)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a table or a column")
        if clash := {name for name, _ in self.columns} & {name for name, _ in COMMON_COLUMNS}:
            raise ValueError(f"{self.name} has columns of every task's table: {sorted(clash)}")

    @property
    def all_columns(self) -> tuple[tuple[str, ColumnType], ...]:
        return (*COMMON_COLUMNS, *self.columns)

    def check(self, records: Sequence[Record]) -> None:
        """Raises ValueError for what would leave no trace of its row, or names a column that is not there."""
        if not records:
            # Without a record nobody would know that the row has been here: it would be asked about, and paid, again.
            raise ValueError(f"{self.name}: a row needs at least one record")
        known = {name for name, _ in self.columns}
        for record in records:
            if unknown := set(record) - known:
                raise ValueError(f"{self.name} has no columns {sorted(unknown)}")
