"""The promise of a notification channel: at least once, with a stable id, so that a repeat shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """``notification_id`` is the same however often it is sent and travels as an attribute of that name.

    ``subject`` is cut to the 100 printable ASCII characters that SNS takes (API reference, "Publish").
    ``attributes`` are strings that subscriptions filter on.
    """

    notification_id: str
    subject: str
    body: str = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict)


class Notifications(Protocol):
    """Raises TransientError or PermanentError; returns only when the channel has taken the notification."""

    async def publish(self, notification: Notification) -> None: ...
