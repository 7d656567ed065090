"""Links by mail, in the place of a password. Asking for one always gets the same answer, before anything is looked up.

A link leads to a page with a button: programs that open links in mail use nothing up. It proves no more than a password does,
so a second factor is asked for behind it.
"""

from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, MAIL_NOT_CONFIGURED
from keepwell.domains.factors.models import Ticket
from keepwell.domains.factors.service.gate import Gate
from keepwell.domains.factors.service.letters import Letters
from keepwell.domains.factors.service.logins import attribute, recorded
from keepwell.domains.factors.service.presenting import Presenter
from keepwell.domains.factors.service.tickets import Tickets
from keepwell.domains.identity import Attempt, IdentityService, LoggedIn, Proven
from keepwell.kernel import Kernel, Origin, Refusal, Refused
from keepwell.kernel.problems import OVERLOADED
from keepwell.kit.ids import new_id
from keepwell.platform.mail import Mail, MailError, Smtp

LINK_SECONDS = 900


class Links:
    """Sends links and takes them back. Whoever gets no mail asks again."""

    def __init__(
        self,
        kernel: Kernel,
        identity: IdentityService,
        gate: Gate,
        tickets: Tickets,
        presenter: Presenter,
        public_url: str,
        letters: Letters,
    ) -> None:
        self._kernel = kernel
        self._identity = identity
        self._gate = gate
        self._tickets = tickets
        self._presenter = presenter
        self._public_url = public_url
        self._letters = letters

    def ask(self, email: str, clinic: str | None, origin: Origin) -> str:
        """Has a link sent, if there is an account to send it to; what the browser that asked has to remember.

        Raises:
            Refused: `mail-not-configured`; `overloaded`.
        """
        smtp = self._letters.smtp
        if smtp is None:
            raise Refused(Refusal(MAIL_NOT_CONFIGURED, retry_after=3600))
        if self._letters.full:
            raise Refused(Refusal(OVERLOADED, retry_after=5))
        browser = token_urlsafe(16)
        self._letters.later(self._send(smtp, email, clinic, browser, origin))
        return browser

    def usable(self, token: str) -> bool:
        """Whether a link may still be good: nothing is used up."""
        try:
            self._tickets.read(token, "magic-link")
        except Refused:
            return False
        return True

    async def redeem(self, token: str, browser: str | None, origin: Origin) -> LoggedIn:
        """A session for who has the link. A browser that remembers asking must be the one that asked for this link.

        Raises:
            Refused: `challenge-expired`; what else is asked for; the database is out of reach.
        """
        attempt = Attempt(self._kernel, origin, "login")
        try:
            ticket = self._tickets.read(token, "magic-link")
        except Refused as refused:
            attribute(attempt, refused)
            await attempt.refused("magic-link", "challenge-expired", kind="factors")
            raise
        attempt.tenant, attempt.user = ticket.tenant, ticket.user
        if browser is not None and not compare_digest(_mark(browser), ticket.browser):
            await attempt.refused("magic-link", "other-browser", kind="factors")
            raise Refused(Refusal(CHALLENGE_EXPIRED, "Open the link in the browser that asked for it."))
        await recorded(attempt, self._presenter.spend(attempt, "magic-link", ticket, origin))
        proven = Proven(ticket.tenant, ticket.user, None, ("magic-link",))
        return await self._identity.logins.resume(proven, attempt, origin)

    async def _send(self, smtp: Smtp, email: str, clinic: str | None, browser: str, origin: Origin) -> None:
        attempt = Attempt(self._kernel, origin, "magic-link")
        with attempt.step("account"):
            found = await self._identity.logins.find(email, clinic, origin)
        if found is None:
            await attempt.refused("account", "unknown-email")
            return
        tenant, user = found.tenant, found.user
        attempt.tenant, attempt.user = tenant, user.id
        if "magic-link" not in (await self._gate.asked(tenant, user.id, origin)).policy.allowed:
            await attempt.refused("magic-link", "method-not-allowed")
            return
        until = self._tickets.until(LINK_SECONDS)
        ticket = Ticket(new_id(), "magic-link", tenant, user.id, until, browser=_mark(browser))
        link = f"{self._public_url}/auth/link?token={self._tickets.issue(ticket)}"
        try:
            with attempt.step("magic-link"):
                await smtp.send(Mail(user.email, "Your link to log in", _TEXT.format(link=link)))
        except MailError:
            await attempt.refused("magic-link", "mail-undelivered")


def _mark(browser: str) -> bytes:
    return sha256(browser.encode(errors="replace")).digest()[:16]


_TEXT = """Somebody, we hope you, asked to log in to Keepwell.

Open this link within 15 minutes, in the browser that asked, and press the button:

{link}

If it was not you, do nothing: the link alone lets nobody in who cannot read this mail.
"""
