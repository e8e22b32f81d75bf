"""What a model costs and how it counts against its quota: a dated file, read once.

    price = PRICES.of("us.amazon.nova-micro-v1:0")
    price.nano_usd(reply.usage)

``prices.json`` names its day, its region and a source for every model. Settings may name another file of the same form
(``MODEL_PRICES_FILE``), for another region or a negotiated price.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, TypeAlias

from shared.model.port import ServiceTier, Usage

FILE = Path(__file__).with_name("prices.json")

Reach: TypeAlias = Literal["on_demand", "geographic", "global"]
"""How a model is invoked: in the region itself, through a profile of a part of the world, through a global one."""

# Between the geography and the model's id stands a dot; a maker's name has none and is longer than any geography.
_PROFILE = re.compile(r"(?P<geography>global|us-gov|us|eu|apac|jp|au|ca|in|sa|mx|il|me|af)\.(?P<model>.+)")
_ARN = re.compile(r"arn:[^:]+:bedrock:[^:]*:[^:]*:(foundation-model|inference-profile)/(?P<id>.+)")


class BadPrices(Exception):
    """A price file that cannot be used; says where and why."""


@dataclass(frozen=True, slots=True)
class QuotaCodes:
    """Codes of Service Quotas for one model and reach; None: not known."""

    tokens_per_minute: str | None = None
    tokens_per_day: str | None = None
    requests_per_minute: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What one batch job takes, all of it in one input file: records at least and at most, bytes at most."""

    least_records: int
    most_records: int
    most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """Dollars per million tokens; tiers are multiples of them.

    ``output_burndown`` is how many tokens of the quota one output token uses. ``cache_minimum`` is the shortest prefix,
    in tokens, that the model caches; None: it caches none. ``checked`` is whether the source was seen for it.
    """

    model_id: str
    name: str
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    flex: Decimal | None = None
    priority: Decimal | None = None
    batch: Decimal | None = None
    batch_limits: BatchLimits | None = None
    output_burndown: int = 1
    cache_minimum: int | None = None
    end_of_life: date | None = None
    quota_codes: QuotaCodes = QuotaCodes()
    checked: bool = False
    source: str = ""
    note: str = ""

    def nano_usd(self, usage: Usage, tier: ServiceTier = "default", *, batch: bool = False) -> int:
        """What ``usage`` costs, in billionths of a dollar, rounded up.

        A tier or a cache without a price of its own counts at the default price: a refused tier costs nothing, and a
        bill that is too low would be spent.
        """
        multiples: dict[ServiceTier, Decimal | None] = {"default": None, "flex": self.flex, "priority": self.priority}
        multiple = (self.batch if batch else multiples[tier]) or Decimal(1)
        per_million = (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * (self.input if self.cache_read is None else self.cache_read)
            + usage.cache_write_tokens * (self.input if self.cache_write is None else self.cache_write)
        )
        return int((per_million * multiple * 1000).to_integral_value(ROUND_CEILING))

    def quota_tokens(self, usage: Usage) -> int:
        """What ``usage`` takes of the quota once it is settled: tokens read from a cache are free of it."""
        return usage.input_tokens + usage.cache_write_tokens + usage.output_tokens * self.output_burndown

    def ended(self, on: date) -> bool:
        return self.end_of_life is not None and self.end_of_life <= on


@dataclass(frozen=True, slots=True)
class _Entry:
    """One model's line of the file."""

    price: ModelPrice
    geographic: Decimal
    quota_codes: Mapping[str, QuotaCodes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """``as_of`` is the day the file was made; ``region`` the one whose prices it holds."""

    as_of: date
    region: str
    _entries: Mapping[str, _Entry] = field(repr=False)

    @classmethod
    def load(cls, path: Path | str | None = None) -> "Prices":
        """The file at ``path``, or the one that comes with the code. Raises BadPrices."""
        file = FILE if path is None else Path(path)
        try:
            return cls._read(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
            raise BadPrices(f"{file}: {type(error).__name__}: {error}") from error

    @classmethod
    def _read(cls, content: Mapping[str, Any]) -> "Prices":
        sources = content.get("sources", {})
        batch = content.get("batch_limits", {})
        return cls(
            as_of=date.fromisoformat(content["as_of"]),
            region=content["region"],
            _entries={model_id: _entry(model_id, line, sources, batch) for model_id, line in content["models"].items()},
        )

    @property
    def models(self) -> tuple[ModelPrice, ...]:
        """Every model of the file at its base price, in the file's order."""
        return tuple(entry.price for entry in self._entries.values())

    def of(self, model_id: str) -> ModelPrice | None:
        """The price of a model id, a profile id, or the ARN of either; None if the file does not have it.

        What an application inference profile stands for its ARN does not say: give the ARN a line of its own.
        """
        if (entry := self._entries.get(model_id)) is not None:
            bare, reach = model_id, "on_demand"
        else:
            bare, reach = _resolved(model_id)
            entry = self._entries.get(bare)
        if entry is None:
            return None
        codes = entry.quota_codes.get(reach, QuotaCodes())
        factor = entry.geographic if reach == "geographic" else Decimal(1)
        return replace(
            entry.price,
            input=entry.price.input * factor,
            output=entry.price.output * factor,
            cache_read=None if entry.price.cache_read is None else entry.price.cache_read * factor,
            cache_write=None if entry.price.cache_write is None else entry.price.cache_write * factor,
            quota_codes=codes,
        )


def _resolved(identifier: str) -> tuple[str, Reach]:
    if arn := _ARN.fullmatch(identifier):
        identifier = arn["id"]
    if profile := _PROFILE.fullmatch(identifier):
        return profile["model"], "global" if profile["geography"] == "global" else "geographic"
    return identifier, "on_demand"


def _entry(
    model_id: str, line: Mapping[str, Any], sources: Mapping[str, str], batch: Mapping[str, int | str]
) -> _Entry:
    try:
        return _Entry(
            price=ModelPrice(
                model_id=model_id,
                name=line.get("name", model_id),
                input=_amount(line["input"]),
                output=_amount(line["output"]),
                cache_read=_maybe(line.get("cache_read")),
                cache_write=_maybe(line.get("cache_write")),
                flex=_maybe(line.get("flex")),
                priority=_maybe(line.get("priority")),
                batch=_maybe(line.get("batch")),
                batch_limits=_batch_limits({**batch, **line.get("batch_limits", {})}),
                output_burndown=_count(line["output_burndown"]),
                cache_minimum=None if line.get("cache_minimum") is None else _count(line["cache_minimum"]),
                end_of_life=date.fromisoformat(line["end_of_life"]) if line.get("end_of_life") else None,
                checked=bool(line.get("checked", False)),
                source=sources.get(line.get("source", ""), line.get("source", "")),
                note=line.get("note", ""),
            ),
            geographic=_amount(line.get("geographic", "1")),
            quota_codes={reach: QuotaCodes(**codes) for reach, codes in line.get("quota_codes", {}).items()},
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise ValueError(f"{model_id}: {type(error).__name__}: {error}") from error


def _batch_limits(given: Mapping[str, Any]) -> BatchLimits | None:
    """None if the file names none: then no job can be sized, and the model is asked at once instead."""
    names = ("least_records", "most_records", "most_bytes")
    return (
        BatchLimits(**{name: _count(given[name]) for name in names}) if all(name in given for name in names) else None
    )


def _amount(text: Any) -> Decimal:
    amount = Decimal(str(text))
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{text} is no price")
    return amount


def _maybe(text: Any) -> Decimal | None:
    return None if text is None else _amount(text)


def _count(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{number} is no count")
    return number


PRICES = Prices.load()
"""The prices that come with the code."""
