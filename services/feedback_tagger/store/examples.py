"""The promise of what is kept of prompt examples, whichever database is behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from services.feedback_tagger.domain.feedback import Feedback

TenantColumn: TypeAlias = Literal["product_name", "store"]


@dataclass(frozen=True, slots=True)
class Corrected:
    """A row that a person has corrected; ``said`` is the label that it had."""

    row_id: int
    identity: str
    said: str
    label: str
    feedback: Feedback = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose rows may stand in one prompt: those that have ``value`` in ``column``."""

    column: TenantColumn
    value: str


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """``rows`` are ids of rows with the label each shows, in the prompt's order."""

    version: int
    rows: Sequence[tuple[int, str]]


class ExampleStore(Protocol):
    """Raises TransientError and PermanentError as the other stores do."""

    async def corrected(self, labels: Sequence[str], *, tenant: Tenant | None, each: int) -> list[Corrected]:
        """The last stored rows that people gave each of the labels, at most ``each`` a label; of one tenant if so
        said."""
        ...

    async def of_run(self, run_id: str, tenant: str) -> ExampleSet | None:
        """What the run's prompts show for this tenant; None if nobody has asked yet."""
        ...

    async def bind(self, run_id: str, tenant: str, rows: Sequence[tuple[int, str]]) -> ExampleSet:
        """From now on the run's prompts show ``rows``, unless another task was first: then what it said."""
        ...

    async def feedback(self, row_ids: Sequence[int]) -> Mapping[int, Feedback]:
        """Title and text of those rows that are there."""
        ...
