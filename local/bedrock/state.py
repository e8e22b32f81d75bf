"""All that this endpoint remembers between calls: settings, quotas, faults still to strike, sessions, counts."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.bedrock.catalogue import Invoked
from local.bedrock.errors import Refusal
from local.bedrock.faults import FaultPlan
from local.bedrock.quota import Quota
from local.bedrock.sessions import Sessions
from local.bedrock.settings import Fault, ModelSettings, Settings


@dataclass(slots=True)
class Counts:
    """Of one invoked id. ``calls`` that were neither answered, throttled nor refused are in flight or were dropped.

    An answer that a fault damaged on its way counts as answered: the model has done the work and charged for it.
    """

    calls: int = 0
    answered: int = 0
    throttled: int = 0
    refused: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    quota_tokens: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    stand_ins: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def call(self, fault: Fault | None) -> Iterator[None]:
        """Counts one call, however it ends."""
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if fault is not None:
            self.faults[fault.kind] += 1
        try:
            yield
        except Refusal as refusal:
            if refusal.code == "ThrottlingException":
                self.throttled += 1
            else:
                self.refused += 1
            raise
        finally:
            self.in_flight -= 1

    def answer(self, by: str, input_tokens: int, output_tokens: int, quota_tokens: int) -> None:
        self.answered += 1
        self.stand_ins[by] += 1
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.quota_tokens += quota_tokens

    def as_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in ("faults", "stand_ins")}
        return {**plain, "faults": dict(self.faults), "stand_ins": dict(self.stand_ins)}


class State:
    """``monotonic`` is the quotas' clock."""

    def __init__(self, at_start: Settings, monotonic: Callable[[], float]) -> None:
        self._at_start = at_start
        self._monotonic = monotonic
        self.sessions = Sessions(monotonic)
        self.reset()

    def reset(self) -> None:
        """As it was at the start."""
        self.counts: dict[str, Counts] = {}
        self.sessions.clear()
        self.replace(self._at_start)

    def replace(self, settings: Settings) -> None:
        """Other settings; quotas start full, faults anew, counts go on."""
        self.settings = settings
        self._cached: dict[tuple[str, ...], ModelSettings] = {}
        self._quotas: dict[str, Quota] = {}
        self._draws = Random(settings.of().seed)  # noqa: S311  repeatable, not secret
        self._plans = {name: FaultPlan(_faults(given)) for name, given in settings.models.items()}

    def set_model(self, name: str, given: Mapping[str, Any]) -> None:
        """Other settings for one name; the quotas and faults of other names go on as they are."""
        self.settings = self.settings.with_model(name, given)
        self._cached.clear()
        self._plans[name] = FaultPlan(_faults(given))
        for invoked_id in list(self._quotas):
            if name in ("*", invoked_id) or invoked_id.endswith(f".{name}"):
                del self._quotas[invoked_id]

    def of(self, names: Sequence[str]) -> ModelSettings:
        key = tuple(names)
        if key not in self._cached:
            self._cached[key] = self.settings.of(*key)
        return self._cached[key]

    def quota(self, invoked: Invoked) -> Quota:
        """An inference profile has a quota of its own, as on AWS, and its model another."""
        if invoked.invoked_id not in self._quotas:
            limits = self.of(names_of(invoked)).limits
            self._quotas[invoked.invoked_id] = Quota(limits, self._monotonic())
        return self._quotas[invoked.invoked_id]

    def plan(self, name: str) -> FaultPlan:
        return self._plans.setdefault(name, FaultPlan())

    def strike(self, names: Sequence[str], operation: str) -> Fault | None:
        """The fault that hits this call: the particular name's before the general one's."""
        for name in (*reversed(names), "*"):
            if (plan := self._plans.get(name)) and (fault := plan.strike(operation, self._draws.random)):
                return fault
        return None

    def count(self, name: str) -> Counts:
        return self.counts.setdefault(name, Counts())

    def as_json(self) -> dict[str, Any]:
        now = self._monotonic()
        models = {
            name: {
                **counts.as_json(),
                **({"room": self._quotas[name].room(now)} if name in self._quotas else {}),
            }
            for name, counts in sorted(self.counts.items())
        }
        return {"models": models, "faults_left": {name: plan.left() for name, plan in self._plans.items()}}


def names_of(invoked: Invoked) -> tuple[str, ...]:
    """From general to particular: the model, then the profile if one was invoked."""
    return (invoked.model.model_id, invoked.invoked_id) if invoked.by_profile else (invoked.model.model_id,)


def _faults(given: Mapping[str, Any]) -> tuple[Fault, ...]:
    return ModelSettings.model_validate(given).faults
