"""One-time codes: RFC 6238 with steps of 30 seconds, six digits and SHA-1, as every authenticator app has it."""

import hmac
from base64 import b32encode
from datetime import datetime
from hashlib import sha1
from urllib.parse import quote

STEP_SECONDS = 30
DIGITS = 6
DRIFT = 1
"""How many steps a clock may be off, either way."""


def step_at(now: datetime) -> int:
    """The number of the step an instant lies in."""
    return int(now.timestamp()) // STEP_SECONDS


def code_of(secret: bytes, step: int) -> str:
    """The code of one step (RFC 4226, 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), sha1)
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """The newest step near this instant whose code this is; None when it is that of none."""
    given, middle = tidy(code).encode(errors="replace"), step_at(now)
    steps = range(middle + DRIFT, middle - DRIFT - 1, -1)
    found = [step for step in steps if hmac.compare_digest(code_of(secret, step).encode(), given)]
    return found[0] if found else None


def tidy(code: str) -> str:
    """A code as typed, without what people put between its parts, in small letters."""
    return "".join(code.split()).replace("-", "").lower()


def uri(secret: bytes, issuer: str, account: str) -> str:
    """What an authenticator app reads from a QR code."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    return f"otpauth://totp/{label}?secret={base32(secret)}&issuer={quote(issuer, safe='')}"


def base32(secret: bytes) -> str:
    """The secret for who types it."""
    return b32encode(secret).decode().rstrip("=")
