"""Four ways in which a trajectory matches the expected one."""

import pytest

from services.ticket_agent.evaluation.matching import Matches, match


@pytest.mark.parametrize(
    ("invoked", "holding", "closest"),
    [
        ("check owner assign", {"strict", "unordered", "subset", "superset"}, "strict"),
        ("owner check assign", {"unordered", "subset", "superset"}, "unordered"),
        ("check assign", {"subset"}, "subset"),
        ("check owner give assign", {"superset"}, "superset"),
        ("check check owner assign", {"superset"}, "superset"),
        ("", {"subset"}, "subset"),
        ("check give", set(), "none"),
    ],
)
def test_a_trajectory_matches_check_owner_assign(invoked: str, holding: set[str], closest: str) -> None:
    matches = match(invoked.split(), ["check", "owner", "assign"])

    assert {name for name in ("strict", "unordered", "subset", "superset") if getattr(matches, name)} == holding
    assert matches.closest == closest


def test_no_call_matches_no_call() -> None:
    assert match([], []) == Matches(strict=True, unordered=True, subset=True, superset=True)
