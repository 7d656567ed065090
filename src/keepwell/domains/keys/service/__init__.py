"""What this room does over more than one key: making, verifying, counting, and what to do when one leaks."""

from keepwell.domains.audit import AuditService
from keepwell.domains.incidents import IncidentService
from keepwell.domains.keys.service.activity import ActivityService, KeyActivity
from keepwell.domains.keys.service.keeping import Issued, Keeper, creation, replacement
from keepwell.domains.keys.service.leaks import Finding, LeakService, Response
from keepwell.domains.keys.service.reporters import Reporters
from keepwell.domains.keys.service.secrets import Secrets
from keepwell.domains.keys.service.uses import HOURS, USES, Uses
from keepwell.domains.keys.service.verifying import RESOURCE, Verifier
from keepwell.domains.keys.service.watching import Watcher
from keepwell.domains.tenants import TenantService
from keepwell.kernel import Actor, Kernel


class KeyService:
    """All of keys, built once a process. `reporters` is the address where those publish their keys who may
    report leaks.
    """

    def __init__(
        self,
        kernel: Kernel,
        tenants: TenantService,
        incidents: IncidentService,
        audit: AuditService,
        reporters: str | None = None,
    ) -> None:
        secrets = Secrets(kernel.ring.derive)
        self.kernel = kernel
        self.tenants = tenants
        self.uses = Uses(kernel)
        self.verifier = Verifier(kernel, secrets)
        self.keeper = Keeper(kernel, secrets, self.uses)
        self.leaks = LeakService(kernel, self.verifier, incidents)
        self.watcher = Watcher(kernel, incidents)
        self.activity = ActivityService(self.keeper, self.uses, self.watcher, audit)
        self.reporters = Reporters(reporters)
        kernel.watch_use(self.uses.witness)

    def close(self) -> None:
        """Lets threads end."""
        self.reporters.close()

    def authenticate(self, text: str) -> Actor:
        """The service account that a key speaks for.

        Raises:
            UndecidedError: this process has not seen the key yet, and has to look for it.
            Refused: unauthenticated.
        """
        return self.verifier.actor(text)


__all__ = [
    "HOURS",
    "RESOURCE",
    "USES",
    "Finding",
    "Issued",
    "KeyActivity",
    "KeyService",
    "Response",
    "creation",
    "replacement",
]
