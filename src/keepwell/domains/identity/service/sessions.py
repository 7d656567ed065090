"""Sessions that exist: refreshing, listing, ending them."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.identity import store
from keepwell.domains.identity.models import (
    EndReason,
    EndSession,
    RefreshSession,
    SessionLimits,
    SessionView,
    StartEmergencySession,
    User,
)
from keepwell.domains.identity.service.attempts import Attempt
from keepwell.domains.identity.service.endings import carried_out, endings
from keepwell.domains.identity.service.login import Pair, Person, token_pair
from keepwell.domains.identity.service.tokens import RefreshToken, Tokens
from keepwell.domains.identity.service.users import UserService
from keepwell.domains.tenants import Clinic, TenantService, operator
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Outcome, Permission, Read, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND, UNAUTHENTICATED
from keepwell.kit.ids import new_id


class Me(msgspec.Struct, frozen=True):
    """Who the caller is, where, and what they may do."""

    user: Person
    clinic: Clinic
    role: str
    scopes: tuple[str, ...]
    session_id: UUID | None


class SessionService:
    """What people do with their sessions."""

    def __init__(self, kernel: Kernel, tokens: Tokens, tenants: TenantService, users: UserService) -> None:
        self._kernel = kernel
        self._tokens = tokens
        self._tenants = tenants
        self._users = users

    async def refresh(self, text: str, origin: Origin) -> Pair:
        """The next pair of tokens, or the current one again for a reply that was lost a moment ago.

        Raises:
            Refused: `unauthenticated`: the token is not ours, the session is over, or it just ended because the token had been
                used before; or the database is out of reach.
        """
        attempt = Attempt(self._kernel, origin, "refresh")
        with attempt.step("refresh"):
            token = self._ours(attempt, text)
            session = await self._refreshed(attempt, token, origin)
        with attempt.step("tokens"):
            access, seconds, refresh = token_pair(self._tokens, token.tenant, session, self._kernel.clock.now())
        return Pair(access_token=access, expires_in=seconds, refresh_token=refresh, session_id=session.id)

    def _ours(self, attempt: Attempt, text: str) -> RefreshToken:
        """A token that is not ours costs no look-up, so no record either (docs/decisions/0006); it is counted and logged."""
        try:
            return self._tokens.read_refresh(text)
        except Refused:
            attempt.note("refresh", "token-not-ours")
            raise

    async def _refreshed(self, attempt: Attempt, token: RefreshToken, origin: Origin) -> SessionView:
        # The token itself says who acts: its MAC is ours, and nothing but this one session can be touched with it.
        actor = Actor(token.tenant, token.user, "session", ("system/Session.u",))
        [outcome] = await self._kernel.execute([Envelope(RefreshSession(token.session, token.generation), actor, origin)])
        if outcome.refusal is not None:
            gone = Refusal(UNAUTHENTICATED, "The session is over.", extra={"reason": "unknown-session"})
            raise await self._lost(attempt, token, gone if outcome.refusal.type == NOT_FOUND else outcome.refusal)
        session = msgspec.json.decode(outcome.body, type=SessionView)
        if session.end_reason is not None:
            why = _WHY.get(session.end_reason, "The session is over.")
            raise await self._lost(attempt, token, Refusal(UNAUTHENTICATED, why, extra={"reason": session.end_reason}))
        return session

    async def _lost(self, attempt: Attempt, token: RefreshToken, refusal: Refusal) -> Refused:
        attempt.tenant, attempt.user = token.tenant, token.user
        with suppress(Refused):
            await attempt.refused("refresh", refusal.extra.get("reason", refusal.code))
        return Refused(refusal)

    async def for_emergency(self, actor: Actor, emergency: UUID, seconds: int, origin: Origin) -> Envelope:
        """What starts a session of the actor's own, besides those there are, that lives so long and belongs to an emergency.

        Raises:
            Refused: the actor has no account that could log in.
        """
        search = Read("user", actor.id, operator(actor.tenant), origin, Permission("User", "r"), "emergency")
        user: User = (await self._kernel.read(search)).state
        if user.password_set_at is None:
            raise Refused(Refusal(UNAUTHENTICATED, "The account has no password."))
        limits = SessionLimits(absolute=seconds, idle=seconds)
        command = StartEmergencySession(new_id(), actor.id, user.password_set_at, limits, emergency=emergency)
        starter = msgspec.structs.replace(actor, scopes=("system/Session.c",))
        return Envelope(command, starter, origin)

    def pair(self, tenant: UUID, outcome: Outcome) -> Pair:
        """The tokens of a session just started.

        Raises:
            Refused: it is over already.
        """
        session, now = msgspec.json.decode(outcome.body, type=SessionView), self._kernel.clock.now()
        if session.expires_at <= now:
            raise Refused(Refusal(UNAUTHENTICATED, "The session is over."))
        access, seconds, refresh = token_pair(self._tokens, tenant, session, now)
        return Pair(access_token=access, expires_in=seconds, refresh_token=refresh, session_id=session.id)

    async def live(self, actor: Actor, origin: Origin, before: UUID | None, limit: int) -> list[store.LiveSession]:
        """The actor's own live sessions, the newest first, from behind `before`.

        Raises:
            Refused: as any read.
        """

        async def query(connection: Any) -> list[store.LiveSession]:
            return await store.live_sessions(connection, actor.tenant, actor.id, self._kernel.clock.now(), before, limit)

        return await self._kernel.search(Search("session", actor, origin, Permission("Session", "s")), query)

    async def end(self, envelope: Envelope) -> None:
        """Ends a session; whoever holds it is refused from the next request on.

        Raises:
            Refused: `not-found`: there is none, or it is another person's.
        """
        [outcome] = await self._kernel.execute([envelope])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)

    async def end_all(self, actor: Actor, origin: Origin, *, keep: UUID | None) -> int:
        """Ends the actor's own sessions but `keep`; how many there were. Raises `Refused` as any read does."""
        ends = await endings(self._kernel, actor, origin, actor.id, "ended-by-user", keep)
        return await carried_out(self._kernel, ends)

    async def me(self, actor: Actor, origin: Origin) -> Me:
        """The caller as stored now, not as the token remembers. Raises `Refused` as any read does."""
        user = await self._users.get(actor, actor.id, origin)
        clinic = await self._tenants.own(actor, origin)
        return Me(Person(user.id, user.email, user.name, user.role), clinic, actor.role, actor.scopes, actor.credential)


_WHY: dict[str, str] = {
    "refresh-token-reused": "The refresh token had been used before, so the session was ended for safety.",
    "user-disabled": "The account is disabled.",
    "password-changed": "The password was changed.",
}


def ending(actor: Actor, session: UUID | None, reason: EndReason) -> EndSession:
    """The command that ends a session: the actor's current one when none is named.

    Raises:
        Refused: the actor has none.
    """
    id_ = session or actor.credential
    if id_ is None:
        raise Refused(Refusal(UNAUTHENTICATED))
    return EndSession(id_, reason)
