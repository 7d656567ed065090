"""Making keys and knowing ours: all from keys of the installation, so nothing that is stored can be turned into one."""

import hashlib
import hmac
from collections.abc import Callable
from os import urandom
from uuid import UUID

from keepwell.domains.keys.rules.texts import SECRETS, KeyText, compose

_PROOF_BYTES = 8
_PEPPER, _PLACES, _SECRETS = "keepwell api key pepper", "keepwell api key id v1", "keepwell api key secret v1"
NEWEST_PEPPER = 1
"""Raise it to rotate the pepper: keys made from then on use the new one, the others go on with theirs until they are replaced."""


class Secrets:
    """`derive` gives 32 bytes of the installation for a label; it raises `Refused` until the database was reached once."""

    def __init__(self, derive: Callable[[str], bytes]) -> None:
        self._derive = derive

    def compose(self, tenant: UUID, key: UUID, retry: str | None) -> str:
        """The text of a key. With what names a request and its retries it is always the same, so that a lost answer can be given
        again without storing it; without, it is random.
        """
        drawn = urandom(32) if retry is None else hmac.digest(self._derive(_SECRETS), key.bytes + retry.encode(), hashlib.sha256)
        place = tenant.bytes + key.bytes
        return compose(place + self._proof(place), int.from_bytes(drawn, "big") % SECRETS)

    def named(self, found: KeyText) -> tuple[UUID, UUID] | None:
        """Tenant and id of a key, where its id is one we gave: nobody makes us look for what never was."""
        place, proof = found.place[:-_PROOF_BYTES], found.place[-_PROOF_BYTES:]
        if not hmac.compare_digest(proof, self._proof(place)):
            return None
        return UUID(bytes=place[:16]), UUID(bytes=place[16:])

    def digest(self, text: str, pepper: int = NEWEST_PEPPER) -> bytes:
        """What is stored of a key."""
        return hmac.digest(self._derive(f"{_PEPPER} v{pepper}"), text.encode(), hashlib.sha256)

    def _proof(self, place: bytes) -> bytes:
        return hmac.digest(self._derive(_PLACES), place, hashlib.sha256)[:_PROOF_BYTES]
