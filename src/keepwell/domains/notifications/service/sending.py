"""Sending what a notification says, by the kind of its channel; with a word for what went wrong, and whether to try again."""

import asyncio
import base64
import hmac
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from keepwell.domains.notifications.models.channels import Channel, ChannelKind
from keepwell.domains.notifications.rules.wording import Saying, document, each_by_itself, messages
from keepwell.kit.time import Clock
from keepwell.platform.fetching import Fetcher, ForbiddenAddressError, Reply, UnreachableError
from keepwell.platform.messengers import MessageError, Messenger
from keepwell.platform.probing import forbidden

SECONDS = 10.0
"""How long a webhook may take to answer."""
_THREADS = 16
_MOST_ANSWERED = 10_000
_LONGEST_WAIT = 3_600.0
_FINAL = frozenset({400, 405, 410, 413, 415, 422})
"""Answers that say that this very message will never be taken."""
_KEEPERS = ("pagerduty://",)
"""Services that keep incidents themselves, each told of by itself."""


class NotSentError(Exception):
    """It was not taken: `reason` is a word, `final` says that trying again is in vain, `after` for how many seconds it is."""

    def __init__(self, reason: str, *, final: bool = False, after: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.after = after


class Sender:
    """Sends. `private`: channels may lead to this machine and private networks, and without TLS."""

    def __init__(self, clock: Clock, *, private: bool = False, seconds: float = SECONDS) -> None:
        self._clock = clock
        self._private = private
        self._fetcher = Fetcher(private=private, seconds=seconds, most=_MOST_ANSWERED, threads=_THREADS)
        self._messenger = Messenger(private=private)

    async def fault(self, kind: ChannelKind, url: str) -> str | None:
        """What is wrong with the address of a channel, in words; None: it has the form of one that we send to."""
        if kind == "apprise":
            return None if await self._messenger.known(url) else "Use an address of a service that apprise knows."
        if not self._fetcher.allowed(url):
            return "Use an address with https:// and without user name."
        with suppress(ValueError):
            if not self._private and forbidden(ip_address(urlsplit(url).hostname or "")):
                return "Use a public address."
        return None

    async def send(self, channel: Channel, secret: bytes, said: Saying, *, test: bool = False) -> None:
        """Returns once it was taken at the other end.

        Raises:
            NotSentError: it was not, or nobody can tell.
        """
        if channel.kind == "webhook":
            await self._post(channel.url, secret, said, test=test)
            return
        keeps = channel.url.lower().startswith(_KEEPERS)
        for message in each_by_itself(said) if keeps else messages(said):
            try:
                await self._messenger.send(channel.url, message)
            except MessageError as error:
                raise NotSentError(error.reason, final=error.final) from None

    def close(self) -> None:
        """Lets threads end."""
        self._fetcher.close()
        self._messenger.close()

    async def _post(self, url: str, secret: bytes, said: Saying, *, test: bool) -> None:
        body = document(said, test=test)
        at = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Keepwell",
            "webhook-id": str(said.id),
            "webhook-timestamp": at,
            "webhook-signature": signature(secret, str(said.id), at, body),
        }
        try:
            reply = await self._fetcher.exchange(url, body, headers)
        except ForbiddenAddressError:
            raise NotSentError("forbidden-address", final=True) from None
        except UnreachableError as error:
            raise NotSentError(_reason(error)) from None
        if not 200 <= reply.status < 300:
            raise NotSentError(f"status-{reply.status}", final=reply.status in _FINAL, after=_wait(reply))


def signature(secret: bytes, id_: str, at: str, body: bytes) -> str:
    """By Standard Webhooks 1.0: HMAC-SHA256 over id, time and body."""
    digest = hmac.digest(secret, f"{id_}.{at}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def secret_text(secret: bytes) -> str:
    """A secret as receivers are given it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def _reason(error: UnreachableError) -> str:
    cause = error.__cause__
    if isinstance(cause, ConnectionRefusedError):
        return "refused"
    return "timed-out" if isinstance(cause, TimeoutError | asyncio.TimeoutError) else "unreachable"


def _wait(reply: Reply) -> float:
    """The seconds that the other end asks for; what is no number of seconds is not understood."""
    text = reply.headers.get("retry-after", "")
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() else 0.0
