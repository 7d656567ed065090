"""An authenticator app, written apart from the program's: the reference algorithm of RFC 6238 by the `cryptography` library."""

from base64 import b32decode
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP


def app_code(secret: str, now: datetime) -> str:
    """What an app with this secret shows."""
    key = b32decode(secret + "=" * (-len(secret) % 8))
    return TOTP(key, 6, SHA1(), 30).generate(int(now.timestamp())).decode()  # noqa: S303 - what every app computes
