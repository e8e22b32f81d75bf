"""The notification port in memory, for tests of the loops."""

from dataclasses import dataclass, field

from shared.notifications.port import Notification


@dataclass(slots=True)
class MemoryNotifications:
    """Keeps what was published, in order."""

    published: list[Notification] = field(default_factory=list)

    async def publish(self, notification: Notification) -> None:
        self.published.append(notification)
