"""Which call a fault strikes, and what a call that is refused by one says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local.bedrock.errors import Refusal
from local.bedrock.settings import Fault, FaultKind

REFUSALS: dict[FaultKind, Refusal] = {
    "throttled": Refusal("ThrottlingException", "Too many requests: wait before you send this one again."),
    "server_error": Refusal("InternalServerException", "The service met an unexpected error."),
    "unavailable": Refusal("ServiceUnavailableException", "The service cannot take the request at present."),
    "model_timeout": Refusal("ModelTimeoutException", "The model took too long to process the request."),
    "model_not_ready": Refusal("ModelNotReadyException", "The model is not ready to serve requests yet."),
    "model_error": Refusal("ModelErrorException", "The model failed to process the request."),
    "access_denied": Refusal(
        "AccessDeniedException", "You don't have access to the model with the specified model ID."
    ),
    "bad_gateway": Refusal("BadGatewayException", "A service that the agent depends on answered with an error."),
    "dependency_failed": Refusal("DependencyFailedException", "A service that the agent depends on failed."),
    "runtime_error": Refusal("RuntimeClientError", "The runtime met an error while it worked on the request."),
}


@dataclass(slots=True)
class _Planned:
    fault: Fault
    left: int | None


class FaultPlan:
    """The faults of one name; those with a number left strike before those with a probability."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._planned: list[_Planned] = []
        self.add(faults)

    def add(self, faults: Sequence[Fault]) -> None:
        self._planned += [_Planned(fault, fault.next) for fault in faults]

    def clear(self) -> None:
        self._planned.clear()

    def strike(self, operation: str, draw: Callable[[], float]) -> Fault | None:
        """The fault for this call, used up by one."""
        here = [one for one in self._planned if _concerns(one.fault, operation)]
        for one in here:
            if one.left is not None:
                one.left -= 1
                if one.left == 0:
                    self._planned.remove(one)
                return one.fault
        return next((one.fault for one in here if draw() < (one.fault.probability or 0)), None)

    def left(self) -> list[dict[str, object]]:
        """What is still to strike, as settings."""
        return [
            {**one.fault.model_dump(exclude_defaults=True), **({"next": one.left} if one.left is not None else {})}
            for one in self._planned
        ]


# What an answer can end with, by operation; an agent's says no more than that a guardrail stepped in.
_OF_HARNESSES_ALONE = frozenset(
    {
        "tool_result",
        "interrupted",
        "partial_turn",
        "max_iterations_exceeded",
        "max_output_tokens_exceeded",
        "timeout_exceeded",
        "hook_stopped",
    }
)


def _concerns(fault: Fault, operation: str) -> bool:
    if fault.stop_reason is not None and not _can_end_with(fault.stop_reason, operation):
        return False  # the fault would be used up without a trace
    return fault.operation in (None, operation)


def _can_end_with(stop_reason: str, operation: str) -> bool:
    match operation:
        case "Converse":
            return stop_reason not in _OF_HARNESSES_ALONE
        case "InvokeHarness":
            return stop_reason != "guardrail_intervened"
        case "InvokeAgent":
            return stop_reason == "guardrail_intervened"
        case _:
            return False
