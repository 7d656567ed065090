"""Presenting something to be checked against what a person has, and what came of it."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from hmac import digest as keyed
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, INVALID_SECOND_FACTOR
from keepwell.domains.factors.models import Factors, FactorsView, Present, Second, SpendTicket, Ticket
from keepwell.domains.factors.rules.codes import tidy
from keepwell.domains.factors.service.passkeys import Passkeys
from keepwell.domains.factors.service.tickets import ends
from keepwell.domains.identity import Attempt, Step
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Permission, Read, Refusal, Refused
from keepwell.kernel.problems import NOT_FOUND

_READ = Permission("Factor", "r")


class Shown(msgspec.Struct, frozen=True):
    """What somebody sends to prove who they are."""

    method: Second
    code: str = ""
    credential: Mapping[str, Any] = {}


class Presenter:
    """Checks what people present, in the name of the person a ticket is for."""

    def __init__(self, kernel: Kernel, passkeys: Passkeys) -> None:
        self._kernel = kernel
        self._passkeys = passkeys
        self._key = partial(kernel.ring.derive, "keepwell recovery code v1")

    def digest(self, user: UUID, code: str) -> bytes:
        """A recovery code as it is stored: worth nothing without the key."""
        return keyed(self._key(), user.bytes + tidy(code).encode(errors="replace"), sha256)

    async def factors(self, tenant: UUID, user: UUID, origin: Origin) -> Factors:
        """What a person has, for checking a signature against it. Raises `Refused` when the database is out of reach."""
        try:
            read = Read("factors", user, operator(tenant), origin, _READ, "login.second-factor")
            return (await self._kernel.read(read)).state
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:
                return Factors()
            raise

    async def present(
        self, attempt: Attempt, step: Step, ticket: Ticket, shown: Shown, origin: Origin, *, signed: Ticket | None = None
    ) -> None:
        """Returns when what was shown was right; whatever it was, it is recorded first. `signed` is what a passkey signs, where
        that is not the ticket.

        Raises:
            Refused: `invalid-second-factor`, `challenge-expired`, `second-factor-delayed`; the database is out of reach.
        """
        with attempt.step(step):
            command = await self._command(ticket, shown, signed or ticket, origin)
            outcome = None if command is None else await self._executed(ticket, command, origin)
        if outcome is None:
            await attempt.refused(step, "passkey-unverified", kind="factors")
            raise Refused(Refusal(INVALID_SECOND_FACTOR))
        answered = outcome.answered
        if answered is None or answered.ticket != ticket.id or answered.verdict != "accepted":
            verdict = answered.verdict if answered is not None and answered.ticket == ticket.id else "wrong-code"
            await attempt.refused(step, verdict, kind="factors")
            raise Refused(Refusal(INVALID_SECOND_FACTOR))

    async def spend(self, attempt: Attempt, step: Step, ticket: Ticket, origin: Origin) -> None:
        """Uses up a ticket that proves something by itself. Raises `Refused` with `challenge-expired` when it is."""
        command = SpendTicket(ticket.user, ticket.id, ends(ticket))
        with attempt.step(step):
            [outcome] = await self._kernel.execute([Envelope(command, _holder(ticket), origin)])
            if outcome.refusal is not None:
                raise Refused(outcome.refusal)

    async def _command(self, ticket: Ticket, shown: Shown, challenge: Ticket, origin: Origin) -> Present | None:
        until, enrolling = ends(ticket), ticket.purpose == "enrol"
        if enrolling and shown.method != "totp":
            raise Refused(Refusal(CHALLENGE_EXPIRED, "This challenge serves to set up an authenticator app."))
        if shown.method == "totp":
            return Present(ticket.user, ticket.id, until, "totp", code=shown.code, enrolling=enrolling)
        if shown.method == "recovery-code":
            digest = self.digest(ticket.user, shown.code)
            return Present(ticket.user, ticket.id, until, "recovery-code", digest=digest)
        factors = await self.factors(ticket.tenant, ticket.user, origin)
        signed = self._passkeys.signed(challenge, shown.credential, factors.passkeys)
        if signed is None:
            return None
        return Present(ticket.user, ticket.id, until, "passkey", passkey=signed.passkey, sign_count=signed.sign_count)

    async def _executed(self, ticket: Ticket, command: Present, origin: Origin) -> FactorsView:
        [outcome] = await self._kernel.execute([Envelope(command, _holder(ticket), origin)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return msgspec.json.decode(outcome.body, type=FactorsView)


def _holder(ticket: Ticket) -> Actor:
    """The ticket itself says who acts: its signature is ours, and nothing but this person's factors can be touched with it."""
    return Actor(ticket.tenant, ticket.user, "ticket", ("system/Factor.u",))
