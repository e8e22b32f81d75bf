"""How each model behaves: read from the configuration file at start, changed over the control route.

Settings stand under a model id, an inference profile id, a knowledge base id, an agent id, a harness id, or ``*``;
what a profile leaves out comes from its model, what a model leaves out from ``*``. Faults are not inherited: each
strikes the calls that its name covers.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FaultKind = Literal[
    "throttled", "server_error", "unavailable", "model_timeout", "model_not_ready", "model_error", "access_denied",
    "hang", "drop_before_reading", "drop_after_reading", "cut_connection", "truncated_json", "garbled_body",
    "missing_parts", "stop_reason", "bad_gateway", "dependency_failed", "runtime_error",
]  # fmt: skip
StopReason = Literal[
    "end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened", "content_filtered",
    "malformed_model_output", "malformed_tool_use", "model_context_window_exceeded",
    "tool_result", "interrupted", "partial_turn", "max_iterations_exceeded", "max_output_tokens_exceeded",
    "timeout_exceeded", "hook_stopped",
]  # fmt: skip
# The failures that each operation's event stream has a member for.
IN_STREAM: dict[str, tuple[FaultKind, ...]] = {
    "InvokeAgent": (
        "throttled", "server_error", "model_not_ready", "access_denied", "bad_gateway", "dependency_failed",
    ),
    "InvokeHarness": ("server_error", "runtime_error"),
}  # fmt: skip
PlannerVariant = Literal[
    "rules", "wrong_order", "wrong_owner", "parallel_calls", "prose_only", "hostile", "ignores_denials", "loops"
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Latency(_Strict):
    fixed_ms: float = Field(default=0, ge=0)
    per_output_token_ms: float = Field(default=0, ge=0)


class Limit(_Strict):
    """``amount`` tokens or requests in ``per_seconds``, counted in one of three ways (``quota``).

    ``hidden_margin_percent`` is kept back without saying so; ``other_tenant_amount`` is what somebody else uses of the
    same quota in each period, evenly.
    """

    counts: Literal["tokens", "requests"]
    amount: float = Field(gt=0)
    per_seconds: float = Field(default=60, gt=0)
    shape: Literal["fixed_window", "sliding_window", "token_bucket"] = "fixed_window"
    hidden_margin_percent: float = Field(default=0, ge=0, lt=100)
    other_tenant_amount: float = Field(default=0, ge=0)


class Fault(_Strict):
    """Strikes the next ``next`` calls, or any call with ``probability``; exactly one of the two is given.

    ``seconds`` is how long ``hang`` stays silent; ``stop_reason`` what ``stop_reason`` ends with; ``operation`` narrows
    the fault to one operation. Of an event stream, ``cut_connection`` breaks the connection and ``truncated_json`` ends
    the body in good form after ``keep_percent`` of its bytes, and a refusal ``in_stream`` comes as an exception event.
    """

    kind: FaultKind
    next: int | None = Field(default=None, ge=1)
    probability: float | None = Field(default=None, gt=0, le=1)
    seconds: float = Field(default=3600, gt=0)
    stop_reason: StopReason | None = None
    operation: Literal["Converse", "InvokeModel", "CountTokens", "Retrieve", "InvokeAgent", "InvokeHarness"] | None = (
        None
    )
    in_stream: bool = False
    keep_percent: int = Field(default=50, ge=0, le=100)

    @model_validator(mode="after")
    def _says_when_and_what(self) -> "Fault":
        if (self.next is None) == (self.probability is None):
            raise ValueError("give either next or probability")
        if (self.kind == "stop_reason") != (self.stop_reason is not None):
            raise ValueError("stop_reason belongs to the kind stop_reason, and only to it")
        if self.in_stream and self.kind not in IN_STREAM.get(self.operation or "", ()):
            raise ValueError(f"in_stream needs an operation and a kind that fit: {IN_STREAM}")
        return self


class Slips(_Strict):
    """How the tagger errs, each as a probability a row; all zero: as well as it can.

    ``wrong`` grows by ``wrong_per_row`` for every further row of the prompt.
    """

    wrong: float = Field(default=0, ge=0, le=1)
    wrong_per_row: float = Field(default=0, ge=0, le=1)
    copied_from_neighbour: float = Field(default=0, ge=0, le=1)
    dropped: float = Field(default=0, ge=0, le=1)
    renumbered: float = Field(default=0, ge=0, le=1)
    obeys_rows: bool = False


class ModelSettings(_Strict):
    """``answer``: by a stand-in, or ``constant`` (category 1 for every row) to measure a client against."""

    latency: Latency = Latency()
    limits: tuple[Limit, ...] = ()
    faults: tuple[Fault, ...] = ()
    answer: Literal["stand_in", "constant"] = "stand_in"
    planner: PlannerVariant = "rules"
    slips: Slips = Slips()
    seed: int = 0


class Passage(_Strict):
    text: str = Field(min_length=1)
    source: str = Field(min_length=1)
    metadata: dict[str, str | float | bool] = {}


class KnowledgeBase(_Strict):
    """``hybrid``: whether its vector store can search by words too (S3 Vectors cannot)."""

    passages: tuple[Passage, ...] = ()
    hybrid: bool = True


class Agent(_Strict):
    """``calls_by``: whether its action group is made of functions or of API paths. ``asks_to_confirm``: whether every
    call wants the user's word first, as an action group may be set up to do."""

    model_id: str = "amazon.nova-pro-v1:0"
    action_group: str = "ticket-tools"
    calls_by: Literal["functions", "api"] = "functions"
    asks_to_confirm: bool = False
    idle_seconds: float = Field(default=1800, gt=0)


class Harness(_Strict):
    """``model_id`` answers where a request names no model of its own."""

    model_id: str = "amazon.nova-pro-v1:0"
    idle_seconds: float = Field(default=900, gt=0)


class Jobs(_Strict):
    """How batch jobs go: for how long, with how many records, and to which end. The first ``fail_records`` records come
    back with an error, ``drop_records`` behind them not at all. PartiallyCompleted answers the first half."""

    seconds: float = Field(default=0, ge=0)
    minimum_records: int = Field(default=100, ge=1)
    maximum_records: int = Field(default=50_000, ge=1)
    fail_records: int = Field(default=0, ge=0)
    drop_records: int = Field(default=0, ge=0)
    ends_as: Literal["Completed", "PartiallyCompleted", "Failed", "Expired"] = "Completed"


class Settings(_Strict):
    models: dict[str, dict[str, Any]] = {}
    knowledge_bases: dict[str, KnowledgeBase] = {}
    agents: dict[str, Agent] = {}
    harnesses: dict[str, Harness] = {}
    jobs: Jobs = Jobs()

    @model_validator(mode="after")
    def _are_all_valid(self) -> "Settings":
        for given in self.models.values():
            ModelSettings.model_validate(given)
        return self

    def of(self, *names: str) -> ModelSettings:
        """The settings of what ``names`` lists from general to particular (``*`` first is implied)."""
        merged: dict[str, Any] = {}
        for name in ("*", *names):
            merged |= self.models.get(name, {})
        return ModelSettings.model_validate(merged)

    def with_model(self, name: str, given: Mapping[str, Any]) -> "Settings":
        return self._with(models={**self.models, name: dict(given)})

    def with_knowledge_base(self, name: str, knowledge_base: KnowledgeBase) -> "Settings":
        return self._with(knowledge_bases={**self.knowledge_bases, name: knowledge_base})

    def with_agent(self, name: str, agent: Agent) -> "Settings":
        return self._with(agents={**self.agents, name: agent})

    def with_jobs(self, jobs: Jobs) -> "Settings":
        return self._with(jobs=jobs)

    def _with(self, **changes: Any) -> "Settings":
        return Settings(**{**dict(self), **changes})
