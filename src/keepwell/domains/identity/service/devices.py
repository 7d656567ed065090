"""Devices that were logged in to an account before: each holds a token that says so, signed, and nothing about it is stored."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from secrets import token_bytes

from keepwell.kit.time import Clock

LIFETIME_SECONDS = 180 * 86_400
_PREFIX = "kwd_"
_ID_BYTES, _UNTIL_BYTES, _MAC_BYTES = 16, 6, 32
_LENGTH = _ID_BYTES + _UNTIL_BYTES + _MAC_BYTES


class Devices:
    """Makes and reads device tokens. One is worth nothing for another account, and opens none: it spares others' failures."""

    def __init__(self, derive: Callable[[str], bytes], clock: Clock) -> None:
        self._key = partial(derive, "keepwell device token v1")
        self._clock = clock

    def welcome(self, account: str) -> str:
        """The token of a device that has just been logged in to this account for the first time."""
        until = int(self._clock.now().timestamp()) + LIFETIME_SECONDS
        body = token_bytes(_ID_BYTES) + until.to_bytes(_UNTIL_BYTES, "big")
        return _PREFIX + urlsafe_b64encode(body + self._mac(body, account)).decode()

    def known(self, token: str | None, account: str) -> str | None:
        """What names the device, if it was in this account before and that is not too long ago."""
        raw = _unarmoured(token or "")
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(raw) != _LENGTH or not hmac.compare_digest(mac, self._mac(body, account)):
            return None
        until = int.from_bytes(body[_ID_BYTES:], "big")
        return body[:_ID_BYTES].hex() if self._clock.now().timestamp() < until else None

    def _mac(self, body: bytes, account: str) -> bytes:
        return hmac.digest(self._key(), body + account.encode(errors="replace"), hashlib.sha256)


def _unarmoured(token: str) -> bytes:
    if not token.startswith(_PREFIX) or len(token) > 2 * _LENGTH or not token.isascii():
        return b""
    try:
        return urlsafe_b64decode(token.removeprefix(_PREFIX))
    except ValueError:
        return b""
