"""The promise of where published limits come from."""

from typing import Protocol

from shared.model.prices import QuotaCodes
from shared.model.quota import Limits


class Published(Protocol):
    """Raises TransientError or PermanentError if the limits cannot be read at all."""

    async def limits(self, codes: QuotaCodes) -> Limits:
        """What the account may use; None for each limit whose code is unknown or is not what it should be."""
        ...
