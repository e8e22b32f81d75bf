"""What becomes of each line of a file of corrections, given the rows it may be about and the categories there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.feedback_tagger.domain.category_name import folded
from services.feedback_tagger.domain.correction_file import ID, LABEL, REF_ID, Correction
from services.feedback_tagger.domain.corrections import Fate
from services.feedback_tagger.domain.feedback import Fault
from services.feedback_tagger.domain.taxonomy import UNKNOWN
from services.feedback_tagger.domain.upload import Rejected


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A row of the table; ``correction`` is empty if nobody has corrected it, ``said`` is its label without it."""

    row_id: int
    ref_id: str
    correction: str
    said: str
    create_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What an earlier line of the same upload gave a row; ``label`` is empty where it took a correction back."""

    line: int
    label: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """``row`` gets ``label`` (empty: none) if ``fate`` is changed or cleared; ``fault`` says why a line is rejected."""

    line: int
    fate: Fate
    row: KnownRow | None = None
    label: str = ""
    fault: Fault | None = None


@dataclass(slots=True)
class Names:
    """The labels that a correction may give, by what is left of them when case and blanks do not count."""

    categories: Sequence[str]
    deleted: Sequence[str] = ()
    _by_name: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        # No category is a right label too: a person may know that none fits.
        self._by_name = {folded(name): name for name in (UNKNOWN, *self.categories)}

    def label(self, written: str) -> str | None:
        return self._by_name.get(folded(written))

    def problem(self, written: str) -> str:
        if folded(written) in {folded(name) for name in self.deleted}:
            return "is a category that was deleted; bring it back, or name another"
        return "is no category; see `deskhand feedback categories`"


def latest(rows: Sequence[KnownRow]) -> Mapping[str, KnownRow]:
    """The row of each reference id that counts: as in the views, the one with the latest date, then the last stored."""
    found: dict[str, KnownRow] = {}
    for row in rows:
        other = found.get(row.ref_id)
        if other is None or _place(row) > _place(other):
            found[row.ref_id] = row
    return found


def _place(row: KnownRow) -> tuple[bool, float, int]:
    # By numbers: of two engines' dates one has a zone and the other none, and all of a database are alike.
    date = row.create_date
    return date is not None, 0.0 if date is None else date.timestamp(), row.row_id


def rulings(
    lines: Sequence[Correction | Rejected],
    names: Names,
    *,
    by_id: Mapping[int, KnownRow],
    by_ref: Mapping[str, KnownRow],
    given: Mapping[int, Given],
) -> list[Ruling]:
    """One a line, in order. Of two lines that give a row different labels the first one counts: which is meant, nobody
    knows, and if both were done, the same file would change the row each time anew."""
    so_far = dict(given)
    found = []
    for line in lines:
        ruling = _invalid(line) if isinstance(line, Rejected) else _ruled(line, names, by_id, by_ref, so_far)
        if ruling.row is not None and ruling.fault is None:
            so_far.setdefault(ruling.row.row_id, Given(ruling.line, ruling.label))
        found.append(ruling)
    return found


def _invalid(line: Rejected) -> Ruling:
    return Ruling(line.line, "invalid", fault=line.fault)


def _ruled(
    line: Correction,
    names: Names,
    by_id: Mapping[int, KnownRow],
    by_ref: Mapping[str, KnownRow],
    so_far: Mapping[int, Given],
) -> Ruling:
    label = "" if line.label is None else names.label(line.label)
    if label is None:
        return _invalid(Rejected(line.line, Fault(LABEL, names.problem(line.label or ""))))
    row = by_id.get(line.row_id) if line.row_id is not None else by_ref.get(line.ref_id or "")
    if row is None:
        column = ID if line.row_id is not None else REF_ID
        return Ruling(line.line, "not_found", fault=Fault(column, "is no row of the table"))
    if line.row_id is not None and line.ref_id is not None and line.ref_id != row.ref_id:
        fault = Fault(REF_ID, "is not the ref_id of the row with this id; is the file from another database?")
        return Ruling(line.line, "not_found", fault=fault)
    before = so_far.get(row.row_id)
    if before is not None and before.label != label:
        fault = Fault(LABEL, f"is not what line {before.line} gives the same row; keep one")
        return _invalid(Rejected(line.line, fault))
    if before is not None or label == row.correction:
        return Ruling(line.line, "unchanged", row, label)
    return Ruling(line.line, "changed" if label else "cleared", row, label)
