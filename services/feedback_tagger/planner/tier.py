"""At which service tier a run is asked: the cheaper one where the model has it and time allows."""

from typing import Literal, TypeAlias

from shared.model.prices import ModelPrice

Tier: TypeAlias = Literal["default", "flex"]

# AWS names no figure for how long flex makes a request wait, only that it yields to the others ("Service tiers for
# optimizing performance and cost", Bedrock user guide). Four times the expected time is our margin, not its promise.
FLEX_MARGIN = 4.0


def choose_tier(price: ModelPrice | None, *, deadline_minutes: float | None, expected_minutes: float) -> Tier:
    """flex if the model is sold at it and ``expected_minutes`` fit several times before the deadline.

    Without a deadline somebody may be waiting: default. So it is for a model whose price is not known.
    """
    if price is None or price.flex is None or price.flex >= 1 or deadline_minutes is None:
        return "default"
    return "flex" if expected_minutes * FLEX_MARGIN <= deadline_minutes else "default"
