"""What people do with their own factors, and proving once more who one is."""

from base64 import b32encode
from collections.abc import Mapping
from contextlib import suppress
from secrets import token_bytes
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.factors.errors import INVALID_SECOND_FACTOR, PASSKEY_REFUSED
from keepwell.domains.factors.models import (
    AddPasskey,
    ConfirmTotp,
    FactorsView,
    OfferTotp,
    RemovePasskey,
    RemoveTotp,
    ResetFactors,
    SetRecoveryCodes,
    Ticket,
)
from keepwell.domains.factors.service.gate import CHALLENGE_SECONDS, Gate
from keepwell.domains.factors.service.letters import Letters
from keepwell.domains.factors.service.logins import TotpOffer, offer, recorded, secret
from keepwell.domains.factors.service.passkeys import Passkeys
from keepwell.domains.factors.service.presenting import Presenter, Shown
from keepwell.domains.factors.service.tickets import Tickets, ends
from keepwell.domains.identity import SECOND_FACTOR_REQUIRED, Attempt, IdentityService, Method, ReauthenticateSession, Visit
from keepwell.kernel import Actor, Command, Envelope, Kernel, Origin, Permission, Read, Refusal, Refused
from keepwell.kernel.problems import NOT_FOUND, UNAUTHENTICATED
from keepwell.kit.ids import new_id

CODES = 10
_CODE_BYTES = 10  # 80 bits, 16 characters
_READ = Permission("Factor", "r")


class PasskeyOptions(msgspec.Struct, frozen=True):
    """What a browser is asked for, and what has to come back with its answer."""

    challenge: str
    options: dict[str, Any]


class OwnFactors:
    """Everything here is about the actor, but for `reset`."""

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

    async def show(self, actor: Actor, origin: Origin) -> FactorsView:
        """What the actor has. Raises `Refused` as any read does."""
        try:
            view = await self._kernel.view(Read("factors", actor.id, actor, origin, _READ))
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:
                return FactorsView(actor.id, totp=False, recovery_codes_left=0, passkeys=[], version=0)
            raise
        return msgspec.structs.replace(msgspec.json.decode(view.body, type=FactorsView), answered=None)

    async def offer_totp(self, envelope: Envelope) -> TotpOffer:
        """A secret for an app, which serves once `confirm_totp` was sent a code of it.

        Raises:
            Refused: `step-up-required`; the database is out of reach.
        """
        offered = secret()
        await self._execute(envelope, OfferTotp(envelope.actor.id, offered))
        return offer(offered, str(envelope.actor.id))

    async def confirm_totp(self, envelope: Envelope, code: str) -> FactorsView:
        """The app is the actor's from now on. Raises `Refused` with `invalid-second-factor` or `no-factor`."""
        return await self._change(envelope, ConfirmTotp(envelope.actor.id, code))

    async def remove_totp(self, envelope: Envelope) -> None:
        """The actor has no app any more."""
        await self._change(envelope, RemoveTotp(envelope.actor.id))

    async def recovery_codes(self, envelope: Envelope) -> list[str]:
        """Fresh codes in the place of those that are left. Raises `Refused` with `no-factor` for who has none to recover."""
        codes = [_grouped(b32encode(token_bytes(_CODE_BYTES)).decode().lower()) for _ in range(CODES)]
        user = envelope.actor.id
        await self._change(envelope, SetRecoveryCodes(user, tuple(self._presenter.digest(user, code) for code in codes)))
        return codes

    async def passkey_options(self, actor: Actor, origin: Origin) -> PasskeyOptions:
        """What a browser makes a new passkey from."""
        me = await self._identity.users.get(actor, actor.id, origin)
        there = await self._presenter.factors(actor.tenant, actor.id, origin)
        ticket = self._ticket(actor, "passkey-new")
        return PasskeyOptions(self._tickets.issue(ticket), self._passkeys.creation(ticket, me.email, me.name, there.passkeys))

    async def add_passkey(self, envelope: Envelope, challenge: str, name: str, credential: Mapping[str, Any]) -> FactorsView:
        """One more passkey. Raises `Refused` with `passkey-refused` or `challenge-expired`."""
        ticket = self._tickets.read(challenge, "passkey-new")
        made = self._passkeys.made(ticket, credential) if ticket.user == envelope.actor.id else None
        if made is None:
            raise Refused(Refusal(PASSKEY_REFUSED))
        command = AddPasskey(
            envelope.actor.id,
            new_id(),
            made.credential_id,
            made.public_key,
            name,
            made.sign_count,
            ticket.id,
            ends(ticket),
        )
        return await self._change(envelope, command)

    async def remove_passkey(self, envelope: Envelope, passkey: UUID) -> None:
        """The actor has one passkey less. Raises `Refused` with `not-found`."""
        await self._change(envelope, RemovePasskey(envelope.actor.id, passkey))

    async def reset(self, envelope: Envelope, user: UUID) -> None:
        """Another person has no factor any more, and no session. Raises `Refused` with `not-found` or `forbidden`."""
        await self._change(envelope, ResetFactors(user))

    async def step_up_options(self, actor: Actor, origin: Origin) -> PasskeyOptions:
        """What a browser has a passkey sign so that its holder proves once more who they are."""
        ticket = self._ticket(actor, "step-up")
        await self.show(actor, origin)
        return PasskeyOptions(self._tickets.issue(ticket), self._passkeys.request(ticket))

    async def step_up(
        self, envelope: Envelope, password: str | None, shown: Shown | None, challenge: str | None, visit: Visit
    ) -> None:
        """The actor's session was proved again just now. Who has a second factor has to use one.

        Raises:
            Refused: `invalid-second-factor`, `second-factor-required`, `second-factor-delayed`, `challenge-expired`,
                `challenge-required`, `unauthenticated`; the database is out of reach.
        """
        actor, origin = envelope.actor, envelope.origin
        if actor.credential is None:
            raise Refused(Refusal(UNAUTHENTICATED))
        attempt = Attempt(self._kernel, origin, "step-up")
        attempt.tenant, attempt.user = actor.tenant, actor.id
        method: Method = "password"
        if shown is None:
            await self._by_password(attempt, actor, password or "", origin, visit)
        else:
            method = shown.method
            ticket = await self._stepping_up(attempt, actor, challenge)
            await recorded(attempt, self._presenter.present(attempt, "step-up", ticket, shown, origin))
        await self._execute(envelope, ReauthenticateSession(actor.credential, (method,)))
        if method == "recovery-code":
            with suppress(Refused):  # what was proved is proved, whoever can be told of it
                me = await self._identity.sessions.me(actor, origin)
                self._letters.recovery_code_used(me.user.email, me.user.name, me.clinic.name, self._kernel.clock.now())

    async def _stepping_up(self, attempt: Attempt, actor: Actor, challenge: str | None) -> Ticket:
        if challenge is None:
            return self._ticket(actor, "step-up")
        try:
            ticket = self._tickets.read(challenge, "step-up")
        except Refused:
            await attempt.refused("step-up", "challenge-expired", kind="factors")
            raise
        if (ticket.tenant, ticket.user) != (actor.tenant, actor.id):
            await attempt.refused("step-up", "challenge-expired", kind="factors")
            raise Refused(Refusal(INVALID_SECOND_FACTOR))
        return ticket

    async def _by_password(self, attempt: Attempt, actor: Actor, password: str, origin: Origin, visit: Visit) -> None:
        asked = await self._gate.asked(actor.tenant, actor.id, origin)
        if asked.methods:
            await attempt.refused("step-up", SECOND_FACTOR_REQUIRED.code)
            raise Refused(Refusal(SECOND_FACTOR_REQUIRED, extra={"methods": list(asked.methods)}))
        try:
            with attempt.step("step-up"):
                right = await self._identity.logins.knows_password(actor.tenant, actor.id, password, origin, visit)
        except Refused as refused:
            await attempt.kept(refused)
            raise
        if not right:
            await attempt.refused("step-up", "wrong-password")
            raise Refused(Refusal(INVALID_SECOND_FACTOR, "The password is wrong."))

    def _ticket(self, actor: Actor, purpose: Any) -> Ticket:
        return Ticket(new_id(), purpose, actor.tenant, actor.id, self._tickets.until(CHALLENGE_SECONDS))

    async def _change(self, envelope: Envelope, command: Command) -> FactorsView:
        changed = msgspec.structs.replace(envelope, command=command)
        outcome = await self._identity.users.change_factor(changed, command.id)
        return msgspec.structs.replace(msgspec.json.decode(outcome.body, type=FactorsView), answered=None)

    async def _execute(self, envelope: Envelope, command: Command) -> None:
        [outcome] = await self._kernel.execute([msgspec.structs.replace(envelope, command=command)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)


def _grouped(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))
