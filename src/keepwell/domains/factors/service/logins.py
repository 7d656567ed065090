"""Ways in besides the password: the second step of a login, a passkey alone; and proving again who one is."""

from collections.abc import Awaitable, Mapping
from secrets import token_bytes
from typing import Any

import msgspec
from msgspec.structs import replace

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, INVALID_SECOND_FACTOR, SECOND_FACTOR_DELAYED
from keepwell.domains.factors.models import OfferTotp, Ticket
from keepwell.domains.factors.rules.codes import base32, uri
from keepwell.domains.factors.rules.lifecycle import EXHAUSTED, SPENT
from keepwell.domains.factors.service.gate import CHALLENGE_SECONDS, Gate
from keepwell.domains.factors.service.letters import Letters
from keepwell.domains.factors.service.passkeys import Passkeys, challenge_in, holder
from keepwell.domains.factors.service.presenting import Presenter, Shown
from keepwell.domains.factors.service.tickets import TicketOverError, Tickets
from keepwell.domains.identity import LOGIN_METHOD_NOT_ALLOWED, Attempt, IdentityService, LoggedIn, Proven, Reason
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Refusal, Refused
from keepwell.kit.ids import NIL, new_id


class TotpOffer(msgspec.Struct, frozen=True):
    """The secret for an authenticator app, as text and as what a QR code holds. It is never shown again."""

    secret: str
    otpauth_uri: str


class LoginSteps:
    """What comes after a first factor, or instead of it."""

    def __init__(
        self,
        kernel: Kernel,
        identity: IdentityService,
        gate: Gate,
        tickets: Tickets,
        passkeys: Passkeys,
        presenter: Presenter,
        letters: Letters,
    ) -> None:
        self._kernel = kernel
        self._identity = identity
        self._gate = gate
        self._tickets = tickets
        self._passkeys = passkeys
        self._presenter = presenter
        self._letters = letters

    async def second(self, challenge: str, shown: Shown, origin: Origin) -> LoggedIn:
        """A session for who showed a second factor with the challenge of a login.

        Raises:
            Refused: `challenge-expired`, `invalid-second-factor`, `second-factor-delayed`; the database is out of reach.
        """
        attempt = Attempt(self._kernel, origin, "login")
        ticket = await self._read(attempt, challenge)
        await recorded(attempt, self._presenter.present(attempt, "second-factor", ticket, shown, origin))
        proven = Proven(ticket.tenant, ticket.user, ticket.password_set_at, (*ticket.methods, shown.method))
        entered = await self._identity.logins.resume(proven, attempt, origin, complete=True)
        if shown.method == "recovery-code":
            who = entered.user
            self._letters.recovery_code_used(who.email, who.name, entered.clinic.name, self._kernel.clock.now())
        return entered

    async def enrol(self, challenge: str, origin: Origin) -> TotpOffer:
        """The secret for the app of somebody who must have one to log in. A code of it is then sent like any second factor.

        Raises:
            Refused: `challenge-expired`; the database is out of reach.
        """
        attempt = Attempt(self._kernel, origin, "login")
        ticket = await self._read(attempt, challenge, enrolling=True)
        asked = await self._gate.asked(ticket.tenant, ticket.user, origin)
        if asked.methods:
            await attempt.refused("second-factor", "challenge-spent", kind="factors")
            raise Refused(Refusal(CHALLENGE_EXPIRED, "A second factor is set up: log in with it."))
        actor = Actor(ticket.tenant, ticket.user, "ticket", ("system/Factor.u",))
        offered = secret()
        [outcome] = await self._kernel.execute([Envelope(OfferTotp(ticket.user, offered), actor, origin)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return offer(offered, str(ticket.user))

    def passkey_options(self) -> dict[str, Any]:
        """What a browser is asked for at a login by passkey alone, whoever it is."""
        until = self._tickets.until(CHALLENGE_SECONDS)
        return self._passkeys.request(Ticket(new_id(), "passkey-login", NIL, NIL, until))

    async def passkey(self, credential: Mapping[str, Any], origin: Origin) -> LoggedIn:
        """A session for the holder of a passkey, who was verified by it: nothing else is asked for.

        Raises:
            Refused: `invalid-second-factor`, `challenge-expired`, `login-method-not-allowed`; the database is out of reach.
        """
        attempt = Attempt(self._kernel, origin, "login")
        try:
            challenge = self._tickets.opened(challenge_in(credential), "passkey-login")
        except Refused:
            await attempt.refused("passkey", "challenge-expired", kind="factors")
            raise
        tenant, user = holder(credential)
        if await self._identity.logins.clinic(tenant, origin) is None:
            await attempt.refused("passkey", "unknown-passkey", kind="factors")
            raise Refused(Refusal(INVALID_SECOND_FACTOR))
        attempt.tenant, attempt.user = tenant, user
        policy = (await self._gate.asked(tenant, user, origin)).policy
        if "passkey" not in policy.allowed:
            await attempt.refused("passkey", "method-not-allowed", kind="factors")
            raise Refused(Refusal(LOGIN_METHOD_NOT_ALLOWED, extra={"methods": list(policy.allowed)}))
        ticket = replace(challenge, tenant=tenant, user=user)
        shown = Shown("passkey", credential=credential)
        await recorded(attempt, self._presenter.present(attempt, "passkey", ticket, shown, origin, signed=challenge))
        return await self._identity.logins.resume(Proven(tenant, user, None, ("passkey",)), attempt, origin, complete=True)

    async def _read(self, attempt: Attempt, challenge: str, *, enrolling: bool = False) -> Ticket:
        try:
            ticket = self._tickets.read(challenge, *(("enrol",) if enrolling else ("login", "enrol")))
        except Refused as refused:
            attribute(attempt, refused)
            await attempt.refused("second-factor", "challenge-expired", kind="factors")
            raise
        attempt.tenant, attempt.user = ticket.tenant, ticket.user
        return ticket


def secret() -> bytes:
    """A fresh secret for an app, as long as RFC 4226, 4 recommends."""
    return token_bytes(20)


def offer(secret: bytes, account: str) -> TotpOffer:
    """How a secret is shown."""
    return TotpOffer(base32(secret), uri(secret, ISSUER, account))


async def recorded(attempt: Attempt, step: Awaitable[None]) -> None:
    """Waits for a step, and records why it was refused where it has not done so itself."""
    try:
        await step
    except Refused as refused:
        reason = REASONS.get((refused.refusal.code, refused.refusal.detail))
        if reason is not None:
            await attempt.refused(attempt.at, reason, kind="factors")
        raise


def attribute(attempt: Attempt, refused: Refused) -> None:
    """Says whose attempt it was, where what they held was ours and is only too old."""
    if isinstance(refused, TicketOverError):
        attempt.tenant, attempt.user = refused.ticket.tenant, refused.ticket.user


REASONS: Mapping[tuple[str, str], Reason] = {
    (CHALLENGE_EXPIRED.code, ""): "challenge-expired",
    (SPENT.code, SPENT.detail): "challenge-spent",
    (EXHAUSTED.code, EXHAUSTED.detail): "challenge-exhausted",
    (SECOND_FACTOR_DELAYED.code, ""): "second-factor-delayed",
}
ISSUER = "Keepwell"
