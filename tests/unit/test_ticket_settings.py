"""What the ticket agent wants of its environment for each back end, and how it says so."""

import pytest

from services.ticket_agent.settings import NEEDED_BY, TicketAgentSettings
from shared.settings import BadSettings

REQUIRED = {
    name: "x"
    for name in TicketAgentSettings.environment_names()
    if TicketAgentSettings.model_fields[name.lower()].is_required()
}
AGENT = {"BEDROCK_AGENT_ID": "ABCDEFGHIJ", "BEDROCK_AGENT_ALIAS_ID": "TSTALIASID"}
HARNESS = {"AGENTCORE_HARNESS_ARN": "arn:aws:bedrock-agentcore:eu-central-1:123456789012:harness/desk_hand-a1B2c3D4e5"}


def read(**more: str) -> TicketAgentSettings:
    return TicketAgentSettings.from_environment({**REQUIRED, **more})


def problems(**more: str) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        read(**more)
    return caught.value.problems


def test_without_a_word_our_own_loop_is_used_and_nothing_else_is_needed() -> None:
    assert read().ticket_backend == "converse"


@pytest.mark.parametrize(("backend", "more"), [("bedrock_agent", AGENT), ("agentcore_harness", HARNESS)])
def test_a_hosted_back_end_is_used_if_everything_it_needs_is_there(backend: str, more: dict[str, str]) -> None:
    assert read(TICKET_BACKEND=backend, **more).ticket_backend == backend
    # Settings of a back end that is not used do no harm: one environment can hold those of all.
    assert read(**AGENT, **HARNESS).ticket_backend == "converse"


@pytest.mark.parametrize("backend", sorted(set(NEEDED_BY.values())))
def test_everything_that_is_missing_is_named_at_once_with_the_back_end_that_needs_it(backend: str) -> None:
    found = problems(TICKET_BACKEND=backend)
    wanted = [name.upper() for name, needed_by in NEEDED_BY.items() if needed_by == backend]
    assert [problem.partition(":")[0] for problem in found] == wanted
    assert all(f"TICKET_BACKEND={backend}" in problem for problem in found)


def test_a_back_end_that_nobody_knows_is_refused_with_those_that_there_are() -> None:
    (problem,) = problems(TICKET_BACKEND="langchain")
    assert all(name in problem for name in ("TICKET_BACKEND", "converse", "bedrock_agent", "agentcore_harness"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BEDROCK_AGENT_ID", "arn:aws:bedrock:eu-central-1:123456789012:agent/ABCDEFGHIJ"),
        ("BEDROCK_AGENT_ALIAS_ID", "ELEVENCHARS"),
        ("AGENTCORE_HARNESS_ARN", "deskhand-a1B2c3D4e5"),
        ("AGENTCORE_HARNESS_ARN", "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/deskhand-a1B2c3D4e5"),
    ],
)
def test_an_id_that_cannot_be_one_is_refused_before_the_service_has_to(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{name}: ")
