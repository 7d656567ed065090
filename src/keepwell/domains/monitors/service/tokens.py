"""The tokens by which heartbeats are known: 256 bits, shown once, of which only a digest is stored."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from os import urandom
from uuid import UUID

PREFIX = "kwhb_"
_LABEL = "keepwell heartbeat token v1"
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class Tokens:
    """`derive` gives 32 bytes of the installation for a label; it raises `Refused` until the database was reached once."""

    def __init__(self, derive: Callable[[str], bytes]) -> None:
        self._derive = derive

    def compose(self, monitor: UUID, retry: str | None) -> str:
        """A token. With what names a request and its retries it is always the same, so that a lost answer can be given again
        without storing it; without, it is random.
        """
        named = None if retry is None else monitor.bytes + retry.encode()
        drawn = urandom(32) if named is None else hmac.digest(self._derive(_LABEL), named, hashlib.sha256)
        return PREFIX + base64.urlsafe_b64encode(drawn).decode("ascii").rstrip("=")


def digest(token: str) -> bytes | None:
    """What is stored of a token; None for a text that is formed like none."""
    return hashlib.sha256(token.encode()).digest() if _FORM.fullmatch(token) else None
