"""Channels, what was told on them, and the two halves of telling: following incidents, and sending what is due."""

import msgspec

from keepwell.domains.incidents import IncidentService
from keepwell.domains.notifications.service.following import Follower
from keepwell.domains.notifications.service.keeping import Keeper
from keepwell.domains.notifications.service.sending import SECONDS, Sender
from keepwell.domains.notifications.service.telling import Teller
from keepwell.kernel import Kernel


class NotificationSettings(msgspec.Struct, frozen=True):
    """`base`: where people find this server. `private`: channels may be on this machine and private networks, and without TLS.
    `seconds`: how long a webhook may take.
    """

    base: str = "http://localhost:8080"
    private: bool = False
    seconds: float = SECONDS


class NotificationService:
    """All that this room does for others."""

    def __init__(self, kernel: Kernel, incidents: IncidentService, settings: NotificationSettings) -> None:
        self._sender = Sender(kernel.clock, private=settings.private, seconds=settings.seconds)
        self.keeper = Keeper(kernel, self._sender, settings.base)
        self.follower = Follower(kernel, self.keeper, incidents)
        self.teller = Teller(kernel, self.keeper, incidents, self._sender, settings.base)

    def close(self) -> None:
        """Lets threads end; what was on its way is sent again."""
        self._sender.close()
