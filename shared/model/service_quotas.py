"""Published limits from Service Quotas (API reference, "GetServiceQuota"): what applies to this account and region."""

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.errors import PermanentError
from shared.logs import logger
from shared.model.prices import QuotaCodes
from shared.model.quota import Limits

log = logger("service_quotas")


class ServiceQuotas:
    """Speaks through an aiobotocore ``service-quotas`` client; needs ``servicequotas:GetServiceQuota``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def limits(self, codes: QuotaCodes) -> Limits:
        return Limits(
            tokens_per_minute=await self._value(codes.tokens_per_minute, "tokens per minute"),
            requests_per_minute=None,  # Off unless settings ask for it: tokens are what holds prompts back.
        )

    async def _value(self, code: str | None, named: str) -> float | None:
        if code is None:
            return None
        try:
            with aws_errors():
                answer = await self._client.get_service_quota(ServiceCode="bedrock", QuotaCode=code)
        except PermanentError as error:
            log.warning("quota_unknown", quota_code=code, reason=error.reason[:200])
            return None
        quota = answer["Quota"]
        if named not in str(quota.get("QuotaName", "")).lower():
            # A wrong code would let through by a limit of something else altogether.
            log.warning("quota_is_another", quota_code=code, quota_name=quota.get("QuotaName"), wanted=named)
            return None
        value = float(quota["Value"])
        return value if value > 0 else None
