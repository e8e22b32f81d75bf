"""The models and inference profiles that this endpoint knows.

Ids, modalities and burndown follow the Bedrock user guide ("Supported foundation models", "Token burndown rate"). Life
cycle dates are samples that show each state; what AWS announces is on its "Model lifecycle" page, not here.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.bedrock.errors import invalid, not_found

ON_DEMAND, PROFILE_ONLY = ("ON_DEMAND",), ()
GEOGRAPHIES = ("us", "eu", "apac", "jp", "au", "ca", "us-gov", "global")
DEFAULT_REGION = "us-east-1"
ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """``burndown``: how many quota tokens one output token costs."""

    model_id: str
    name: str
    provider: str
    inputs: tuple[str, ...] = ("TEXT",)
    outputs: tuple[str, ...] = ("TEXT",)
    inference: tuple[str, ...] = ON_DEMAND
    context_tokens: int = 200_000
    output_tokens: int = 8_192
    burndown: int = 1
    counts_tokens: bool = False
    started: datetime
    legacy: datetime | None = None
    ended: datetime | None = None

    @property
    def converses(self) -> bool:
        return "TEXT" in self.outputs


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


SEES = ("TEXT", "IMAGE")
MODELS = (
    Model(
        model_id="amazon.nova-micro-v1:0", name="Nova Micro", provider="Amazon",
        context_tokens=128_000, output_tokens=10_000, started=_day(2024, 12, 3),
    ),
    Model(
        model_id="amazon.nova-lite-v1:0", name="Nova Lite", provider="Amazon", inputs=SEES,
        context_tokens=300_000, output_tokens=10_000, started=_day(2024, 12, 3),
    ),
    Model(
        model_id="amazon.nova-pro-v1:0", name="Nova Pro", provider="Amazon", inputs=SEES,
        context_tokens=300_000, output_tokens=10_000, started=_day(2024, 12, 3),
    ),
    Model(
        model_id="amazon.nova-2-lite-v1:0", name="Nova 2 Lite", provider="Amazon", inputs=SEES,
        inference=PROFILE_ONLY, context_tokens=1_000_000, output_tokens=65_535, started=_day(2025, 12, 2),
    ),
    Model(
        model_id="anthropic.claude-3-haiku-20240307-v1:0", name="Claude 3 Haiku", provider="Anthropic", inputs=SEES,
        output_tokens=4_096, counts_tokens=True, started=_day(2024, 3, 13), legacy=_day(2026, 3, 10),
        ended=_day(2027, 3, 10),
    ),
    Model(
        model_id="anthropic.claude-3-sonnet-20240229-v1:0", name="Claude 3 Sonnet", provider="Anthropic", inputs=SEES,
        output_tokens=4_096, counts_tokens=True, started=_day(2024, 3, 4), legacy=_day(2025, 1, 21),
        ended=_day(2025, 7, 21),
    ),
    Model(
        model_id="anthropic.claude-haiku-4-5-20251001-v1:0", name="Claude Haiku 4.5", provider="Anthropic",
        inputs=SEES, inference=PROFILE_ONLY, output_tokens=64_000, burndown=5, counts_tokens=True,
        started=_day(2025, 10, 15),
    ),
    Model(
        model_id="anthropic.claude-sonnet-4-5-20250929-v1:0", name="Claude Sonnet 4.5", provider="Anthropic",
        inputs=SEES, inference=PROFILE_ONLY, output_tokens=64_000, burndown=5, counts_tokens=True,
        started=_day(2025, 9, 29),
    ),
    Model(
        model_id="meta.llama3-3-70b-instruct-v1:0", name="Llama 3.3 70B", provider="Meta", inference=PROFILE_ONLY,
        context_tokens=128_000, started=_day(2024, 12, 19),
    ),
    Model(
        model_id="amazon.titan-embed-text-v2:0", name="Titan Embeddings V2", provider="Amazon",
        outputs=("EMBEDDING",), context_tokens=8_192, output_tokens=0, started=_day(2024, 4, 30),
    ),
)  # fmt: skip
BY_ID = {model.model_id: model for model in MODELS}

_FOUNDATION = re.compile(r"arn:aws[^:]*:bedrock:[a-z0-9-]+::foundation-model/(?P<id>.+)")
_PROFILE = re.compile(r"arn:aws[^:]*:bedrock:[a-z0-9-]+:[0-9]{12}:inference-profile/(?P<id>.+)")


@dataclass(frozen=True, slots=True)
class Invoked:
    """What an invocation's ``modelId`` names; ``invoked_id`` is the bare id of the model or the profile."""

    model: Model
    invoked_id: str

    @property
    def by_profile(self) -> bool:
        return self.invoked_id != self.model.model_id


def resolve(identifier: str, now: datetime) -> Invoked:
    """The model behind an id or ARN, if it may be invoked that way. Raises what the runtime answers otherwise."""
    found = find(identifier)
    if found is None:
        raise invalid("The provided model identifier is invalid.")
    if found.model.ended is not None and found.model.ended <= now:
        raise not_found(f"Model version {found.model.model_id} has reached the end of its life.")
    if not found.by_profile and "ON_DEMAND" not in found.model.inference:
        raise invalid(
            f"Model {found.model.model_id} has no on-demand throughput under its own id: "
            "use the id or ARN of an inference profile that contains it."
        )
    return found


def find(identifier: str) -> Invoked | None:
    if match := _FOUNDATION.fullmatch(identifier):
        model = BY_ID.get(match["id"])
        return None if model is None else Invoked(model, model.model_id)
    if match := _PROFILE.fullmatch(identifier):
        return _by_profile(match["id"])
    if (model := BY_ID.get(identifier)) is not None:
        return Invoked(model, identifier)
    return _by_profile(identifier)


def _by_profile(identifier: str) -> Invoked | None:
    geography, _, model_id = identifier.partition(".")
    model = BY_ID.get(model_id)
    if geography not in GEOGRAPHIES or model is None or not model.converses:
        return None
    return Invoked(model, identifier)


def details(model: Model, region: str, now: datetime) -> dict[str, Any]:
    """The ``FoundationModelDetails`` of a model, which its summary equals here."""
    over = model.legacy is not None and model.legacy <= now
    lifecycle: dict[str, Any] = {"status": "LEGACY" if over else "ACTIVE", "startOfLifeTime": _stamp(model.started)}
    if model.legacy is not None:
        lifecycle["legacyTime"] = _stamp(model.legacy)
    if model.ended is not None:
        lifecycle["endOfLifeTime"] = _stamp(model.ended)
    return {
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model.model_id}",
        "modelId": model.model_id,
        "modelName": model.name,
        "providerName": model.provider,
        "inputModalities": list(model.inputs),
        "outputModalities": list(model.outputs),
        "responseStreamingSupported": False,
        "customizationsSupported": [],
        "inferenceTypesSupported": list(model.inference),
        "modelLifecycle": lifecycle,
    }


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def profile(geography: str, model: Model, region: str) -> dict[str, Any]:
    profile_id = f"{geography}.{model.model_id}"
    return {
        "inferenceProfileId": profile_id,
        "inferenceProfileArn": f"arn:aws:bedrock:{region}:{ACCOUNT}:inference-profile/{profile_id}",
        "inferenceProfileName": f"{geography.upper()} {model.name.replace('.', ' ')}",
        "description": f"Routes requests to {model.name} in {geography}",
        "createdAt": _stamp(model.started),
        "updatedAt": _stamp(model.started),
        "models": [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model.model_id}"}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }
