"""Mail by SMTP: one message at a time and thread, within a bounded time, whatever the server does.

Passwords are sent over TLS or to this machine only. Nothing of a message or its address reaches a log or an error.
"""

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

SECONDS = 20.0
_THREADS = 4
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Mail(msgspec.Struct, frozen=True):
    """One message to one person."""

    to: str
    subject: str
    text: str


class MailError(Exception):
    """It was not taken; who wants it delivered asks again."""


class Smtp:
    """A mail server at an address such as `smtp://user:password@mail.example:587` or `smtps://...`; `seconds` for all of it."""

    def __init__(self, url: str, sender: str, seconds: float = SECONDS) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="mail")

    async def send(self, mail: Mail) -> None:
        """Returns once the server has taken the message.

        Raises:
            MailError: it refused, hung up, or did not answer in time.
        """
        held: list[smtplib.SMTP] = []
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.get_running_loop().run_in_executor(self._pool, self._deliver, mail, held.append)
        except (OSError, smtplib.SMTPException, ValueError, UnicodeError) as error:
            # A thread cannot be stopped: taking its socket away makes it end.
            for server in held:
                with suppress(OSError):
                    server.close()
            raise MailError from error

    def close(self) -> None:
        """Lets threads end; a message on its way may not be delivered."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, mail: Mail, hold: Callable[[smtplib.SMTP], object]) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message.set_content(mail.text)
        with _connected(self._url, self._seconds) as server:
            hold(server)
            secure = self._url.scheme == "smtps"
            server.ehlo()
            if not secure and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
                secure = True
            if self._url.username is not None:
                if not secure and self._url.hostname not in _LOOPBACK:
                    raise smtplib.SMTPException("no password is sent in clear")
                server.login(unquote(self._url.username), unquote(self._url.password or ""))
            server.send_message(message)


def _connected(url: SplitResult, seconds: float) -> smtplib.SMTP:
    host = url.hostname or "localhost"
    if url.scheme == "smtps":
        return smtplib.SMTP_SSL(host, url.port or 465, timeout=seconds, context=ssl.create_default_context())
    return smtplib.SMTP(host, url.port or 25, timeout=seconds)
