"""What identity does over more than one aggregate: logging in, refreshing, accounts, and the tokens all doors accept."""

from functools import partial

import msgspec

from keepwell.domains.identity.models import SessionLimits
from keepwell.domains.identity.service.attempts import Attempt, Reason, Step
from keepwell.domains.identity.service.cookies import CookieService
from keepwell.domains.identity.service.defence import Defence, DefenceSettings, Visit
from keepwell.domains.identity.service.devices import LIFETIME_SECONDS as DEVICE_LIFETIME_SECONDS
from keepwell.domains.identity.service.diagnostic import Diagnostic, DiagnosticService, StepHealth
from keepwell.domains.identity.service.hashing import Hashing
from keepwell.domains.identity.service.login import LoggedIn, LoginService, NoSecondFactor, Pair, Person, Proven, SecondFactor
from keepwell.domains.identity.service.passwords import PasswordService
from keepwell.domains.identity.service.sessions import Me, SessionService, ending
from keepwell.domains.identity.service.signing import PublicKey, PublicKeys
from keepwell.domains.identity.service.tokens import Tokens, bearer
from keepwell.domains.identity.service.users import NewUser, UserService
from keepwell.domains.tenants import TenantService
from keepwell.kernel import Actor, Kernel
from keepwell.platform.counts import Counts


class Settings(msgspec.Struct, frozen=True):
    """How identity is set up. `access_seconds` is an access token's life; None in the last two: by the number of cores."""

    access_seconds: int = 600
    session: SessionLimits = SessionLimits()
    hashing_threads: int | None = None
    hashing_queue: int | None = None
    defence: DefenceSettings = DefenceSettings()


class IdentityService:
    """All of identity, built once a process. Without `counts` this is the only process that logs anybody in. `second` is asked at
    each login whether what was proved is enough.
    """

    def __init__(
        self,
        kernel: Kernel,
        tenants: TenantService,
        settings: Settings | None = None,
        counts: Counts | None = None,
        second: SecondFactor | None = None,
    ) -> None:
        chosen = settings or Settings()
        self.tenants = tenants
        mark_key = partial(kernel.ring.derive, "keepwell password mark v1")
        self.hashing = Hashing(mark_key, threads=chosen.hashing_threads, queue=chosen.hashing_queue)
        self.tokens = Tokens(kernel.ring, kernel.key_watch.look, kernel.clock, life=chosen.access_seconds)
        self.defence = Defence(kernel.ring.derive, kernel.clock, counts or Counts(), chosen.defence)
        self.users = UserService(kernel, self.hashing, tenants)
        gates = (self.defence, second or NoSecondFactor())
        self.logins = LoginService(kernel, self.hashing, self.tokens, chosen.session, *gates)
        self.passwords = PasswordService(kernel, self.hashing, self.users, self.defence)
        self.sessions = SessionService(kernel, self.tokens, tenants, self.users)
        self.cookies = CookieService(kernel, chosen.session, chosen.access_seconds)
        self.diagnostics = DiagnosticService(kernel, self.hashing, self.tokens)

    def authenticate(self, authorization: str) -> Actor:
        """The actor an Authorization header speaks for: what every door calls.

        Raises:
            Refused: unauthenticated.
        """
        return self.tokens.authenticate(authorization)

    def close(self) -> None:
        """Ends the hashing threads."""
        self.hashing.close()


__all__ = [
    "DEVICE_LIFETIME_SECONDS",
    "Attempt",
    "DefenceSettings",
    "Diagnostic",
    "IdentityService",
    "LoggedIn",
    "Me",
    "NewUser",
    "Pair",
    "Person",
    "Proven",
    "PublicKey",
    "PublicKeys",
    "Reason",
    "SecondFactor",
    "Settings",
    "Step",
    "StepHealth",
    "Visit",
    "bearer",
    "ending",
]
