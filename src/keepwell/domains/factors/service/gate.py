"""What a login asks for besides: the clinic's policy, and what the person has."""

from typing import Any
from uuid import UUID

from keepwell.domains.factors import store
from keepwell.domains.factors.models import Ticket
from keepwell.domains.factors.service.passkeys import Passkeys
from keepwell.domains.factors.service.tickets import Tickets
from keepwell.domains.identity import LOGIN_METHOD_NOT_ALLOWED, SECOND_FACTOR_REQUIRED, Method, Proven, Role
from keepwell.domains.tenants import operator
from keepwell.kernel import Kernel, Origin, Permission, Refusal, Search
from keepwell.kit.ids import new_id

CHALLENGE_SECONDS = 600
_SEARCH = Permission("Factor", "s")


class Gate:
    """Stands behind the first factor of every login."""

    def __init__(self, kernel: Kernel, tickets: Tickets, passkeys: Passkeys) -> None:
        self._kernel = kernel
        self._tickets = tickets
        self._passkeys = passkeys

    async def ask(self, proven: Proven, role: Role, origin: Origin) -> Refusal | None:
        """None when what was proved is enough. Somebody who must have a second factor and has none may set one up first.

        Raises:
            Refused: the database is out of reach.
        """
        asked = await self.asked(proven.tenant, proven.user, origin)
        if not set(proven.methods) & set(asked.policy.allowed):
            return Refusal(LOGIN_METHOD_NOT_ALLOWED, extra={"methods": list(asked.policy.allowed)})
        if asked.methods:
            return self._challenge(proven, asked.methods, enrol=False)
        return self._challenge(proven, ("totp",), enrol=True) if role in asked.policy.required_for else None

    async def asked(self, tenant: UUID, user: UUID, origin: Origin) -> store.Asked:
        """What the person has and the clinic asks for. Raises as `ask`."""

        async def query(connection: Any) -> store.Asked:
            return await store.asked(connection, tenant, user)

        return await self._kernel.search(Search("factors", operator(tenant), origin, _SEARCH, "login.second-factor"), query)

    def _challenge(self, proven: Proven, methods: tuple[Method, ...], *, enrol: bool) -> Refusal:
        ticket = Ticket(
            new_id(),
            "enrol" if enrol else "login",
            proven.tenant,
            proven.user,
            self._tickets.until(CHALLENGE_SECONDS),
            proven.password_set_at,
            proven.methods,
        )
        told: dict[str, Any] = {"challenge": self._tickets.issue(ticket), "methods": list(methods), "enrol": enrol}
        if "passkey" in methods:
            told["passkey"] = self._passkeys.request(ticket)
        detail = "Set up a second factor first: POST /v1/auth/second-factor/enrolment." if enrol else ""
        return Refusal(SECOND_FACTOR_REQUIRED, detail, extra=told)
