"""Second factors, other ways in, and what clinics ask for: one gate behind every login, and what people do with their own."""

from functools import partial

import msgspec

from keepwell.domains.factors.models import LoginPolicy, LoginPolicyView, OidcProviderView
from keepwell.domains.factors.service.gate import Gate
from keepwell.domains.factors.service.letters import Letters
from keepwell.domains.factors.service.links import Links
from keepwell.domains.factors.service.logins import LoginSteps, TotpOffer
from keepwell.domains.factors.service.oidc import Oidc
from keepwell.domains.factors.service.own import OwnFactors, PasskeyOptions
from keepwell.domains.factors.service.passkeys import Passkeys
from keepwell.domains.factors.service.presenting import Presenter, Shown
from keepwell.domains.factors.service.tickets import Tickets
from keepwell.domains.identity import IdentityService
from keepwell.kernel import Actor, Kernel, Origin, Permission, Read, Refused
from keepwell.kernel.problems import NOT_FOUND
from keepwell.platform.fetching import Fetcher
from keepwell.platform.mail import Smtp


class FactorSettings(msgspec.Struct, frozen=True):
    """`public_url` is the address at which people know this server: passkeys belong to its host. Without `smtp_url` no mail is
    sent; `mail_from` is who sends it. `oidc_allow_private`: providers may be on this machine or a private network.
    """

    public_url: str = "http://localhost:8080"
    smtp_url: str | None = None
    mail_from: str = "keepwell@localhost"
    oidc_allow_private: bool = False


class FactorGate:
    """The part that stands behind every login: made before identity, which asks it."""

    def __init__(self, kernel: Kernel, settings: FactorSettings) -> None:
        self.settings = settings
        self.tickets = Tickets(partial(kernel.ring.derive, "keepwell login ticket v1"), kernel.clock)
        self.passkeys = Passkeys(self.tickets, settings.public_url)
        self.presenter = Presenter(kernel, self.passkeys)
        self.gate = Gate(kernel, self.tickets, self.passkeys)


class FactorService:
    """All of the room, built once a process."""

    def __init__(self, kernel: Kernel, identity: IdentityService, parts: FactorGate) -> None:
        self._kernel = kernel
        self.identity = identity
        wanted = parts.settings
        self.letters = Letters(Smtp(wanted.smtp_url, wanted.mail_from) if wanted.smtp_url else None)
        shared = (kernel, identity, parts.gate, parts.tickets, parts.passkeys, parts.presenter, self.letters)
        self.logins = LoginSteps(*shared)
        self.own = OwnFactors(*shared)
        fetcher = Fetcher(private=wanted.oidc_allow_private)
        self.oidc = Oidc(kernel, identity, parts.tickets, parts.presenter, wanted.public_url, fetcher)
        self.links = Links(kernel, identity, parts.gate, parts.tickets, parts.presenter, wanted.public_url, self.letters)

    async def policy(self, actor: Actor, origin: Origin) -> LoginPolicyView:
        """What the actor's clinic asks for. Raises `Refused` as any read does."""
        read = Read("login-policy", actor.tenant, actor, origin, Permission("LoginPolicy", "r"))
        try:
            view = await self._kernel.view(read)
        except Refused as refused:
            if refused.refusal.type != NOT_FOUND:
                raise
            usual = LoginPolicy()
            return LoginPolicyView(list(usual.allowed), list(usual.required_for), 0)
        return msgspec.json.decode(view.body, type=LoginPolicyView)

    async def provider(self, actor: Actor, origin: Origin) -> OidcProviderView:
        """The provider of the actor's clinic. Raises `Refused` as any read does."""
        view = await self._kernel.view(Read("oidc-provider", actor.tenant, actor, origin, Permission("LoginPolicy", "r")))
        return msgspec.json.decode(view.body, type=OidcProviderView)

    async def close(self) -> None:
        """Ends what is on its way."""
        await self.letters.close()
        self.oidc.fetcher.close()


__all__ = [
    "FactorGate",
    "FactorService",
    "FactorSettings",
    "Links",
    "LoginSteps",
    "Oidc",
    "OwnFactors",
    "PasskeyOptions",
    "Shown",
    "TotpOffer",
]
