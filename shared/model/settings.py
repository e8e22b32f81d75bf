"""What both services are told about the quotas of their models."""

from typing import Literal

from pydantic import Field

from shared.model.quota import Limits
from shared.settings import Settings


class ModelSettings(Settings):
    """The base of a service's settings. A limit that nobody gives is learned from throttles."""

    model_quotas: Literal["settings", "service-quotas"] = Field(
        default="settings", description="where a limit comes from that MODEL_TOKENS_PER_MINUTE does not give"
    )
    model_tokens_per_minute: float | None = Field(
        default=None, gt=0, description="quota of the model for the whole fleet; none: see MODEL_QUOTAS"
    )
    model_requests_per_minute: float | None = Field(default=None, gt=0, description="likewise; none: not looked at")
    model_tokens_per_day: int | None = Field(
        default=None, gt=0, description="quota tokens of the model a UTC day for the whole fleet; none: no limit"
    )
    model_quota_code: str | None = Field(
        default=None,
        pattern="^L-[0-9A-F]{8}$",
        description="Service Quotas code of the model's tokens a minute; none: the price file's",
    )
    model_prices_file: str | None = Field(default=None, description="a price file of your own; none: the one inside")
    ticket_share: float = Field(
        default=0.1, ge=0, lt=1, description="of a model's quota, kept for tickets while a ticket agent uses the model"
    )

    @property
    def model_limits(self) -> Limits:
        return Limits(
            tokens_per_minute=self.model_tokens_per_minute, requests_per_minute=self.model_requests_per_minute
        )
