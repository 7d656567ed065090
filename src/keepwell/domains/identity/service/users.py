"""Accounts: making, listing, changing them."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.identity import store
from keepwell.domains.identity.errors import EMAIL_TAKEN, UNSUITABLE_PASSWORD
from keepwell.domains.identity.models import ChangeUser, CreateUser, EndReason, EndSession, Role, SetPassword, UserView
from keepwell.domains.identity.rules.people import password_fault, tidy_email, view
from keepwell.domains.identity.service.directory import look_up
from keepwell.domains.identity.service.hashing import Hashing
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Outcome, Permission, Read, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.ids import new_id

USER = "User"
SESSION = "Session"


class NewUser(msgspec.Struct, frozen=True):
    """What an account is made from."""

    email: str
    name: str
    role: Role
    password: str | None = None


class UserService:
    """Accounts of one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel, hashing: Hashing) -> None:
        self._kernel = kernel
        self._hashing = hashing

    async def create_user(
        self, tenant: UUID, email: str, name: str, role: Role, password: str | None, origin: Origin
    ) -> UserView:
        """The clinic's account with this address, made by the system when there is none; an existing one is left as it is.

        Raises:
            Refused: `invalid-user`, `unsuitable-password`, `overloaded`, or the database is out of reach.
        """
        actor = operator(tenant)
        if (there := await self._existing(actor, email, origin)) is not None:
            return there
        command = await self.creation(actor, NewUser(email, name, role, password), origin)
        [outcome] = await self._kernel.execute([Envelope(command, actor, origin)])
        if outcome.refusal is None:
            return msgspec.json.decode(outcome.body, type=UserView)
        if outcome.refusal.type == EMAIL_TAKEN and (there := await self._existing(actor, email, origin)) is not None:
            return there
        raise Refused(outcome.refusal)

    async def creation(self, actor: Actor, new: NewUser, origin: Origin) -> CreateUser:
        """The command that makes an account: address normalised and indexed, password judged and hashed.

        Raises:
            Refused: `forbidden` before anything is computed; `unsuitable-password`, `overloaded`; the database is out of reach.
        """
        await self._kernel.search(Search("user", actor, origin, Permission(USER, "c"), "create-user"), _nothing)
        hashed, mark = None, b""
        if new.password is not None:
            _require_suitable(new.password)
            hashed, mark = await self._hashing.hash(new.password), self._hashing.mark(new.password)
        found = await look_up(self._kernel, new.email, origin, "create-user")
        return CreateUser(new_id(), tidy_email(new.email), found.email_index, new.name, new.role, hashed, mark)

    async def set_password(self, tenant: UUID, email: str, password: str, origin: Origin) -> UserView:
        """Sets the password of the clinic's account with this address, as the system, and ends its sessions.

        Raises:
            Refused: `not-found`, `unsuitable-password`, `overloaded`, or the database is out of reach.
        """
        _require_suitable(password)
        actor = operator(tenant)
        there = await self._existing(actor, email, origin)
        if there is None:
            raise Refused(Refusal(NOT_FOUND))
        command = SetPassword(there.id, await self._hashing.hash(password))
        outcome = await self._with_sessions_ended(Envelope(command, actor, origin), there.id, "password-changed")
        return msgspec.json.decode(outcome.body, type=UserView)

    async def change(self, envelope: Envelope, change: ChangeUser) -> Outcome:
        """Changes an account. Disabling it or changing its role ends its sessions in the same commit.

        Raises:
            Refused: the change was refused; then no session ended either.
        """
        return await self._with_sessions_ended(envelope, change.id, await self._reason(envelope, change))

    async def change_factor(self, envelope: Envelope, user: UUID) -> Outcome:
        """Carries out a change of how this person proves who they are, which ends their other sessions in the same commit.

        Raises:
            Refused: the change was refused; then no session ended either.
        """
        return await self._with_sessions_ended(envelope, user, "factor-changed")

    async def get(self, actor: Actor, user: UUID, origin: Origin) -> UserView:
        """One account. Raises `Refused` as any read does."""
        return view(await self._kernel.read(Read("user", user, actor, origin, Permission(USER, "r"))))

    async def page(self, actor: Actor, origin: Origin, after: UUID | None, limit: int) -> list[UserView]:
        """The clinic's accounts, the oldest first, from behind `after`; each counts as a read of that account.

        Raises:
            Refused: as any read.
        """

        async def query(connection: Any) -> list[UUID]:
            return list(await store.user_page(connection, actor.tenant, after, limit))

        ids = await self._kernel.search(Search("user", actor, origin, Permission(USER, "s")), query)
        return list(await asyncio.gather(*(self.get(actor, id_, origin) for id_ in ids)))

    async def _existing(self, actor: Actor, email: str, origin: Origin) -> UserView | None:
        found = await look_up(self._kernel, email, origin, "find-user")
        for account in found.accounts:
            if account.tenant == actor.tenant:
                return await self.get(actor, account.user, origin)
        return None

    async def _reason(self, envelope: Envelope, change: ChangeUser) -> EndReason | None:
        """Why the change would end sessions; None when it leaves alone what they stand on, as a retry of a change does."""
        if change.role is None and change.active is not False:
            return None
        try:
            user = await self.get(envelope.actor, change.id, envelope.origin)
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:
                return None  # the change itself will say so, or what else is wrong with it
            raise
        if change.active is False and user.active:
            return "user-disabled"
        return "role-changed" if change.role not in (None, user.role) else None

    async def _with_sessions_ended(self, envelope: Envelope, user: UUID, reason: EndReason | None) -> Outcome:
        ends = [] if reason is None else await self._ends(envelope, user, reason)
        outcome, *_ = await self._kernel.execute([envelope, *ends], atomic=bool(ends))
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        if reason is not None:
            # Who logged in between the search and the commit. A login holds the account until it is stored, so none is missed;
            # what cannot be done now, the session's next refresh does.
            with suppress(Refused):
                await self._kernel.execute(await self._ends(envelope, user, reason))
        return outcome

    async def _ends(self, envelope: Envelope, user: UUID, reason: EndReason) -> list[Envelope]:
        """What ends each live session of this person, in the name of who sent the envelope."""
        actor, origin = envelope.actor, envelope.origin
        search = Search("session", actor, origin, Permission(SESSION, "s"), "find-sessions")
        now = self._kernel.clock.now()
        live = await self._kernel.search(search, lambda c: store.live_sessions(c, actor.tenant, user, now))
        kept = actor.credential if reason == "factor-changed" else None
        return [Envelope(EndSession(session.id, reason), actor, origin) for session in live if session.id != kept]


async def _nothing(_connection: Any) -> None:
    """A search for the sake of its permission."""


def _require_suitable(password: str) -> None:
    fault = password_fault(password)
    if fault is not None:
        raise Refused(Refusal(UNSUITABLE_PASSWORD, faults=(fault,)))
