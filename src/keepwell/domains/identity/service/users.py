"""Accounts: making, listing, changing them."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.identity import store
from keepwell.domains.identity.errors import EMAIL_TAKEN, UNSUITABLE_PASSWORD
from keepwell.domains.identity.models import ChangeUser, CreateUser, EndReason, Role, SetPassword, UnusedUser, UserView
from keepwell.domains.identity.rules.passwords import password_fault
from keepwell.domains.identity.rules.people import tidy_email, view
from keepwell.domains.identity.service.directory import look_up
from keepwell.domains.identity.service.endings import carried_out, endings
from keepwell.domains.identity.service.hashing import Hashing
from keepwell.domains.tenants import TenantService, operator
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Outcome, Permission, Read, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.ids import new_id

USER = "User"


class NewUser(msgspec.Struct, frozen=True):
    """What an account is made from."""

    email: str
    name: str
    role: Role
    password: str | None = None


class UserService:
    """Accounts of one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel, hashing: Hashing, tenants: TenantService) -> None:
        self._kernel = kernel
        self._hashing = hashing
        self._tenants = tenants

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
            await self.require_suitable(new.password, (new.email, new.name), actor, origin)
            hashed, mark = await self._hashing.hash(new.password), self._hashing.mark(new.password)
        found = await look_up(self._kernel, new.email, origin, "create-user")
        return CreateUser(new_id(), tidy_email(new.email), found.email_index, new.name, new.role, hashed, mark)

    async def set_password(self, tenant: UUID, email: str, password: str, origin: Origin) -> UserView:
        """Sets the password of the clinic's account with this address, as the system, and ends its sessions.

        Raises:
            Refused: `not-found`, `unsuitable-password`, `overloaded`, or the database is out of reach.
        """
        actor = operator(tenant)
        there = await self._existing(actor, email, origin)
        if there is None:
            raise Refused(Refusal(NOT_FOUND))
        await self.require_suitable(password, (there.email, there.name), actor, origin)
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

    async def require_suitable(
        self, password: str, names: tuple[str, ...], actor: Actor, origin: Origin, pointer: str = "/password"
    ) -> None:
        """Judges a new password, by the names of the account and of its clinic too.

        Raises:
            Refused: `unsuitable-password`, with the reason.
        """
        clinic = await self._tenants.own(actor, origin)
        fault = password_fault(password, (*names, clinic.slug, clinic.name), pointer)
        if fault is not None:
            raise Refused(Refusal(UNSUITABLE_PASSWORD, faults=(fault,)))

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

    async def unused(self, actor: Actor, origin: Origin, days: int) -> list[UnusedUser]:
        """Accounts that may log in, were there so many days ago, and were not used since; each counts as a read of that account.

        Raises:
            Refused: as any read.
        """
        since = self._kernel.clock.now() - timedelta(days=days)
        search = Search("user", actor, origin, Permission(USER, "s"), "find-unused")
        found = await self._kernel.search(search, lambda connection: store.unused_users(connection, actor.tenant, since))
        users = await asyncio.gather(*(self.get(actor, id_, origin) for id_, _ in found))
        seen = zip(users, (last for _, last in found), strict=True)
        return [UnusedUser(user, last) for user, last in seen if user.created_at <= since]

    async def end_sessions(self, actor: Actor, user: UUID, origin: Origin) -> int:
        """Ends every session of somebody, for whoever may change their account; how many there were.

        Raises:
            Refused: as any read of the account.
        """
        await self._kernel.read(Read("user", user, actor, origin, Permission(USER, "u"), "end-sessions"))
        ends = await endings(self._kernel, actor, origin, user, "ended-by-admin")
        return await carried_out(self._kernel, ends)

    async def end_sessions_of(self, tenant: UUID, email: str, origin: Origin) -> int:
        """As `end_sessions`, as the system, of the clinic's account with this address.

        Raises:
            Refused: `not-found`, or the database is out of reach.
        """
        actor = operator(tenant)
        there = await self._existing(actor, email, origin)
        if there is None:
            raise Refused(Refusal(NOT_FOUND))
        return await self.end_sessions(actor, there.id, origin)

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
        ends = [] if reason is None else await self.ends(envelope, user, reason)
        outcome, *_ = await self._kernel.execute([envelope, *ends], atomic=bool(ends))
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        if reason is not None:
            # Who logged in between the search and the commit. A login holds the account until it is stored, so none is missed;
            # what cannot be done now, the session's next refresh does.
            with suppress(Refused):
                await self._kernel.execute(await self.ends(envelope, user, reason))
        return outcome

    async def ends(self, envelope: Envelope, user: UUID, reason: EndReason) -> list[Envelope]:
        """What ends each live session of this person, in the name of who sent the envelope."""
        keep = envelope.actor.credential if reason == "factor-changed" else None
        return await endings(self._kernel, envelope.actor, envelope.origin, user, reason, keep)


async def _nothing(_connection: Any) -> None:
    """A search for the sake of its permission."""
