"""The set of categories as one prompt sees it: numbers for the model, names for the store."""

from collections.abc import Sequence
from dataclasses import dataclass, field

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Category:
    """``category_id`` is the table's; it orders the prompt and never reaches a label column."""

    category_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Example:
    """A text that people have sorted: ``label`` is a category's name, or unknown."""

    label: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Categories that are not deleted, in the order of their ids; ``examples`` show the model what they mean."""

    categories: tuple[Category, ...]
    examples: tuple[Example, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(category.name for category in self.categories)

    def label(self, number: int) -> str:
        """The name of category ``number`` (1 is the first); 0 is unknown. Raises IndexError for any other number."""
        if not 0 <= number <= len(self.categories):
            raise IndexError(number)
        return self.categories[number - 1].name if number else UNKNOWN


def taxonomy_of(categories: Sequence[Category]) -> Taxonomy:
    return Taxonomy(tuple(sorted(categories, key=lambda category: category.category_id)))
