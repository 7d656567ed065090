"""Logging in: challenge, clinic, account, password, second factor, session, tokens, in this order; every failure recorded, all
before the second factor answered alike.

An unknown address takes the same steps as a known one, with one Argon2 computation in each case, so that neither the answer
nor its time tells which it was.
"""

from contextlib import ExitStack, suppress
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from keepwell.domains.identity.errors import INVALID_CREDENTIALS
from keepwell.domains.identity.models import Method, Role, SessionLimits, SessionView, StartSession, User
from keepwell.domains.identity.rules.people import EMERGENCY_PURPOSE, EMERGENCY_SCOPES, SCOPES, compartment
from keepwell.domains.identity.service.attempts import Attempt, Reason
from keepwell.domains.identity.service.defence import NOWHERE, Defence, Visit
from keepwell.domains.identity.service.directory import Found, look_up
from keepwell.domains.identity.service.hashing import Hashing
from keepwell.domains.identity.service.tokens import RefreshToken, Tokens
from keepwell.domains.identity.store import Account
from keepwell.domains.tenants import Clinic, clinics, operator
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Permission, Read, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.gcra import Pace, Rate
from keepwell.kit.ids import NIL, new_id
from keepwell.kit.time import microseconds

_NAMED = Rate.of(10, 10)
_READ_USER = Permission("User", "r")
_READ_CLINIC = Permission("Organization", "r")


class Person(msgspec.Struct, frozen=True):
    """Who is logged in."""

    id: UUID
    email: str
    name: str
    role: Role


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh access token, how many seconds it lives, and the refresh token for the next one."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6750's own word
    expires_in: int
    refresh_token: str
    session_id: UUID


class LoggedIn(Pair, frozen=True, kw_only=True):
    """The answer to a login."""

    clinic: Clinic
    user: Person


class Proven(msgspec.Struct, frozen=True):
    """Who has proved who they are, and how. `password_set_at` is that of the account at that time."""

    tenant: UUID
    user: UUID
    password_set_at: datetime | None
    methods: tuple[Method, ...]


class Addressee(msgspec.Struct, frozen=True):
    """Somebody found by an address."""

    tenant: UUID
    user: User


class SecondFactor(Protocol):
    """Whoever says at each login whether what was proved is enough."""

    async def ask(self, proven: Proven, role: Role, origin: Origin) -> Refusal | None:
        """What the person is asked for besides; None when nothing is."""
        ...


class NoSecondFactor:
    """Asks nobody for more."""

    async def ask(self, proven: Proven, role: Role, origin: Origin) -> Refusal | None:  # noqa: ARG002 - as the protocol has it
        return None


def session_actor(tenant: UUID, session: SessionView) -> Actor:
    """Whoever holds this session, with what their role may do; in an emergency more, and marked so."""
    subject = compartment(session.user, session.role)
    if session.emergency is None:
        return Actor(tenant, session.user, session.role, SCOPES[session.role], session.id, subject)
    scopes = (*SCOPES[session.role], *EMERGENCY_SCOPES[session.role])
    return Actor(tenant, session.user, session.role, scopes, session.id, subject, EMERGENCY_PURPOSE)


def token_pair(tokens: Tokens, tenant: UUID, session: SessionView, now: datetime) -> tuple[str, int, str]:
    """Access token, its seconds, refresh token of a live session."""
    access, seconds = tokens.access(session_actor(tenant, session), (session.expires_at - now).total_seconds())
    return access, seconds, tokens.refresh(RefreshToken(tenant, session.id, session.user, session.generation))


class LoginService:
    """Turns an address and a password into a session."""

    def __init__(
        self,
        kernel: Kernel,
        hashing: Hashing,
        tokens: Tokens,
        limits: SessionLimits,
        defence: Defence,
        second: SecondFactor,
    ) -> None:
        self._kernel = kernel
        self._hashing = hashing
        self._tokens = tokens
        self._limits = limits
        self._defence = defence
        self._second = second
        self._named = Pace(_NAMED)

    async def login(self, email: str, password: str, clinic: str | None, origin: Origin, visit: Visit = NOWHERE) -> LoggedIn:
        """A new session of the person in the clinic named, or in their first active clinic when that one is not known.

        Raises:
            Refused: `invalid-credentials`; `challenge-required`; what else is asked for; `overloaded`; the database is out of
                reach.
        """
        attempt = Attempt(self._kernel, origin, "login")
        try:
            return await self._defended(attempt, email, password, clinic, origin, visit)
        except Refused as refused:
            if refused.refusal.type != INVALID_CREDENTIALS:
                await self._keep(attempt, refused, email, clinic, origin)
            raise

    async def resume(self, proven: Proven, attempt: Attempt, origin: Origin, *, complete: bool = False) -> LoggedIn:
        """A session of somebody who has proved who they are in another way. `complete`: no second factor is asked for.

        Raises:
            Refused: `invalid-credentials`: they may not log in; what else is asked for; the database is out of reach.
        """
        with attempt.step("account"):
            user = await self._user(Account(proven.tenant, proven.user, active=True), origin)
            clinic = await self.clinic(proven.tenant, origin)
        if user is None or not user.active or clinic is None:
            raise await self._invalid(attempt, "user-disabled")
        if "password" not in proven.methods:  # then it does not matter which one it was
            proven = replace(proven, password_set_at=user.password_set_at)
        try:
            if not complete:
                await self._asked(attempt, proven, user.role, origin)
            return await self._begin(attempt, proven, user, clinic, origin)
        except Refused as refused:
            await attempt.kept(refused)
            raise

    async def find(self, email: str, clinic: str | None, origin: Origin) -> Addressee | None:
        """Whose address this is, in the clinic a login would choose; None where nobody of it may log in.

        Raises:
            Refused: the database is out of reach.
        """
        account = _choose(await look_up(self._kernel, email, origin, "login.clinic", clinic))
        user = await self._user(account, origin)
        return None if account is None or user is None or not user.active else Addressee(account.tenant, user)

    async def knows_password(self, tenant: UUID, user: UUID, password: str, origin: Origin, visit: Visit) -> bool:
        """Whether this is the password of an active account. A wrong one counts like a login that failed.

        Raises:
            Refused: `challenge-required`; `overloaded`; the database is out of reach.
        """
        account = await self._user(Account(tenant, user, active=True), origin)
        if account is None or not account.active:
            return False
        with self._defence.trying(account.email, visit):
            await self._defence.admit(account.email, visit)
            verified = await self._hashing.verify(account.password_hash, password)
            if not verified:
                await self._defence.failed(account.email, visit)
        return verified

    async def clinic(self, tenant: UUID, origin: Origin) -> Clinic | None:
        """The clinic, if it is active. Raises `Refused` when the database is out of reach."""
        search = Search("tenant", operator(NIL), origin, _READ_CLINIC, "login.clinic")
        found = await self._kernel.search(search, lambda connection: clinics(connection, [tenant]))
        return found.get(tenant)

    async def _defended(
        self, attempt: Attempt, email: str, password: str, clinic: str | None, origin: Origin, visit: Visit
    ) -> LoggedIn:
        """Who is held up costs no look at the database: so much a flood must not be able to ask for."""
        with ExitStack() as until_counted:
            with attempt.step("challenge"):
                await self._kernel.know_keys()
                until_counted.enter_context(self._defence.trying(email, visit))
                await self._defence.admit(email, visit)
            try:
                return await self._attempt(attempt, email, password, clinic, origin)
            except Refused as refused:
                if refused.refusal.type == INVALID_CREDENTIALS:
                    await self._defence.failed(email, visit)
                raise

    async def _attempt(self, attempt: Attempt, email: str, password: str, clinic: str | None, origin: Origin) -> LoggedIn:
        with attempt.step("clinic"):
            found = await look_up(self._kernel, email, origin, "login.clinic", clinic)
        account = _choose(found)
        with attempt.step("account"):
            user = await self._user(account, origin)
        _attribute(attempt, found)
        with attempt.step("password"):
            verified = await self._hashing.verify(None if user is None else user.password_hash, password)
        if account is None or user is None:
            raise await self._invalid(attempt, _missing(found))
        if not verified:
            raise await self._invalid(attempt, _mismatch(user, password))
        if not user.active or user.password_set_at is None:
            raise await self._invalid(attempt, "user-disabled")
        proven = Proven(account.tenant, user.id, user.password_set_at, ("password",))
        await self._asked(attempt, proven, user.role, origin)
        return await self._begin(attempt, proven, user, found.clinics[account.tenant], origin)

    async def _asked(self, attempt: Attempt, proven: Proven, role: Role, origin: Origin) -> None:
        with attempt.step("second-factor"):
            if (refusal := await self._second.ask(proven, role, origin)) is not None:
                raise Refused(refusal)

    async def _begin(self, attempt: Attempt, proven: Proven, user: User, clinic: Clinic, origin: Origin) -> LoggedIn:
        with attempt.step("session"):
            session = await self._start(proven, user, origin)
        with attempt.step("tokens"):
            access, seconds, refresh = token_pair(self._tokens, proven.tenant, session, self._kernel.clock.now())
        return LoggedIn(
            access_token=access,
            expires_in=seconds,
            refresh_token=refresh,
            session_id=session.id,
            clinic=clinic,
            user=Person(user.id, user.email, user.name, session.role),
        )

    async def _user(self, account: Account | None, origin: Origin) -> User | None:
        """The account's state. An account that is not there is looked up all the same: it takes the same time."""
        tenant, id_ = (NIL, new_id()) if account is None else (account.tenant, account.user)
        try:
            snapshot = await self._kernel.read(Read("user", id_, operator(tenant), origin, _READ_USER, "login.account"))
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:
                return None
            raise
        return snapshot.state

    async def _start(self, proven: Proven, user: User, origin: Origin) -> SessionView:
        actor = Actor(proven.tenant, user.id, user.role, ("system/Session.c",))
        command = StartSession(new_id(), user.id, proven.password_set_at, self._limits, proven.methods)
        [outcome] = await self._kernel.execute([Envelope(command, actor, origin)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return msgspec.json.decode(outcome.body, type=SessionView)

    async def _keep(self, attempt: Attempt, refused: Refused, email: str, clinic: str | None, origin: Origin) -> None:
        """Records what held an attempt up. Whose account that was is looked up for a few each second, not for a flood."""
        if attempt.at == "challenge" and self._named.take(microseconds(self._kernel.clock.now())):
            with suppress(Refused):
                _attribute(attempt, await look_up(self._kernel, email, origin, "login.clinic", clinic))
        await attempt.kept(refused)

    async def _invalid(self, attempt: Attempt, reason: Reason) -> Refused:
        step = "password" if reason in ("wrong-password", "empty-password", "no-password-set") else "account"
        await attempt.refused(step, reason)
        return Refused(Refusal(INVALID_CREDENTIALS))


def _choose(found: Found) -> Account | None:
    """The account in the clinic named; when no clinic of that name is known, the first in an active clinic."""
    open_accounts = [account for account in found.accounts if account.tenant in found.clinics]
    if found.named is not None:
        open_accounts = [account for account in open_accounts if account.tenant == found.named.id]
    return open_accounts[0] if open_accounts else None


def _attribute(attempt: Attempt, found: Found) -> None:
    """Says whose attempt it is, as far as that is known: the account's, or at least the clinic's."""
    account = _choose(found)
    if account is not None:
        attempt.tenant, attempt.user = account.tenant, account.user
    elif found.named is not None:
        attempt.tenant = found.named.id


def _missing(found: Found) -> Reason:
    if not found.accounts:
        return "unknown-email"
    return "no-active-clinic" if found.named is None else "no-account-in-clinic"


def _mismatch(user: User, password: str) -> Reason:
    if user.password_hash is None:
        return "no-password-set"
    return "wrong-password" if password else "empty-password"
