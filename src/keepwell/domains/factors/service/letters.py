"""Mail to people about how they log in. Nobody waits for it: what is on its way lives in this process only."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

import structlog

from keepwell.kernel import Refused
from keepwell.platform.mail import Mail, MailError, Smtp
from keepwell.platform.telemetry import describe

_MOST_WAITING = 200
_log = structlog.stdlib.get_logger("keepwell.factors")


class Letters:
    """`smtp` None: this server sends no mail."""

    def __init__(self, smtp: Smtp | None) -> None:
        self.smtp = smtp
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        """Whether too much is on its way already."""
        return len(self._sending) >= _MOST_WAITING

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Has something done that ends in a letter. Whatever it fails of is logged."""
        task = asyncio.create_task(self._safely(work))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def recovery_code_used(self, email: str, name: str, clinic: str, at: datetime) -> None:
        """Tells whose code it was, who may be somebody else than who used it."""
        if self.smtp is not None and not self.full:
            text = _RECOVERY.format(name=name, clinic=clinic, at=at.strftime("%Y-%m-%d %H:%M UTC"))
            self.later(self._told(self.smtp, Mail(email, "A recovery code of yours was used", text)))

    async def close(self) -> None:
        """Ends what is on its way."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self.smtp is not None:
            self.smtp.close()

    async def _told(self, smtp: Smtp, mail: Mail) -> None:
        try:
            await smtp.send(mail)
        except MailError:
            _log.warning("factors.letter-undelivered")

    async def _safely(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Refused as refused:
            _log.warning("factors.letter-not-sent", code=refused.refusal.code)
        except Exception as error:  # noqa: BLE001 - nobody waits for it: the log is where it is seen
            _log.error("factors.letter-failed", **describe(error))


_RECOVERY = """{name}, a recovery code of yours was used at {clinic}, on {at}. It cannot be used again.

If it was you, make new codes before the last one is used up, and set your authenticator app up again if it is lost.

If it was not you, somebody knows your password and has one of your codes: change the password, end all other sessions,
make new codes, and tell an administrator of {clinic}.
"""
