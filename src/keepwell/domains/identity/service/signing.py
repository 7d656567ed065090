"""The keys that access tokens are signed with: one in use, and those before it until what they signed has expired."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from keepwell.kernel.keys import SIGNING, Generation, KeyRing
from keepwell.kit.time import Clock

ALGORITHM = "Ed25519"  # RFC 9864: the fully specified name of what RFC 8037 called EdDSA
_KID_LENGTH = 16


class PublicKey(msgspec.Struct, frozen=True):
    """A key that access tokens can be verified with, as a JSON Web Key (RFC 8037). `alg` is RFC 9864's name."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = ALGORITHM
    use: str = "sig"


class PublicKeys(msgspec.Struct, frozen=True):
    """A JSON Web Key Set (RFC 7517, 5): every key whose tokens are accepted now."""

    keys: list[PublicKey]


class _Key:
    """One generation, its keys made ready."""

    def __init__(self, generation: Generation) -> None:
        private = Ed25519PrivateKey.from_private_bytes(generation.key)
        self.signing = OKPKey.import_key(private)
        self.verifying = OKPKey.import_key(private.public_key())
        self.kid = self.signing.thumbprint()[:_KID_LENGTH]
        self.until = generation.until

    def accepted(self, now: datetime) -> bool:
        return self.until is None or now < self.until


class SigningKeys:
    """Follows the generations that the ring knows. `changes` counts how often they were others than before."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock
        self._known: Sequence[Generation] = ()
        self._keys: dict[str, _Key] = {}
        self.changes = 0

    @property
    def newest(self) -> tuple[str, OKPKey]:
        """What to sign with, and its id.

        Raises:
            Refused: temporarily unavailable: this process has not seen any keys yet.
        """
        self.look()
        kid, key = next(reversed(self._keys.items()))
        return kid, key.signing

    def verifying(self, kid: str) -> OKPKey | None:
        """The key of this id; None when there is none, or nothing of it is accepted any more. Raises as `newest` does."""
        self.look()
        key = self._keys.get(kid)
        return key.verifying if key is not None and key.accepted(self._clock.now()) else None

    def public(self) -> PublicKeys:
        """What others need to verify tokens, the newest first. Raises as `newest` does."""
        self.look()
        now = self._clock.now()
        accepted = [key for key in reversed(self._keys.values()) if key.accepted(now)]
        return PublicKeys([PublicKey(key.kid, _x(key.verifying.as_dict(private=False))) for key in accepted])

    def look(self) -> None:
        """Takes over what the ring knows; only then does anything change. Raises as `newest` does."""
        known = self._ring.generations(SIGNING)
        if known is not self._known:
            made = (_Key(generation) for generation in known)
            self._keys = {key.kid: key for key in made}
            self._known = known
            self.changes += 1


def _x(key: dict[str, Any]) -> str:
    return str(key["x"])
