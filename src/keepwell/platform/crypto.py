"""AES-256-GCM envelopes and key derivation. An envelope's bytes: format (1), key version (2), nonce (12), ciphertext and tag.

Associated data binds an envelope to its place (tenant, table, column, row), so that ciphertext cannot be moved.
"""

import hashlib
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_FORMAT = 1
_HEADER = 3
_NONCE = 12
_HASH_BLOCK = 64


class UnreadableError(Exception):
    """An envelope cannot be opened: wrong key, wrong place, or altered bytes."""


def new_key() -> bytes:
    """32 random bytes from the operating system."""
    return os.urandom(KEY_BYTES)


def derive(key: bytes, label: str) -> bytes:
    """32 bytes derived from `key` for one purpose (HKDF-SHA-256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label.encode()).derive(key)


def blinder(key: bytes) -> Callable[[str], bytes]:
    """What makes 16-byte keyed indexes of texts: equal texts give equal bytes, nothing else can be learned without the key.

    It is HMAC-SHA-256 (RFC 2104), with what depends on the key alone done once: an index then costs a third of a fresh HMAC.
    """
    padded = key.ljust(_HASH_BLOCK, b"\0")
    inside, outside = (hashlib.sha256(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C))

    def blind(text: str) -> bytes:
        inner, outer = inside.copy(), outside.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.digest()[:16]

    return blind


def envelope_prefix(version: int) -> bytes:
    """The three bytes that every envelope sealed under this key version begins with."""
    return bytes((_FORMAT,)) + version.to_bytes(2, "big")


class Sealer:
    """Seals and opens under one key version.

    A random 96-bit nonce allows 2**32 envelopes a key before rotation is due (NIST SP 800-38D, 8.3).
    """

    __slots__ = ("_cipher", "prefix")

    def __init__(self, key: bytes, version: int) -> None:
        self._cipher = AESGCM(key)
        self.prefix = envelope_prefix(version)

    def seal(self, plaintext: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return self.prefix + nonce + self._cipher.encrypt(nonce, plaintext, place)

    def open(self, envelope: bytes, place: bytes) -> bytes:
        """The plaintext.

        Raises:
            UnreadableError: the envelope was made under another key or for another place, or was altered.
        """
        if envelope[:_HEADER] != self.prefix:
            raise UnreadableError("the envelope names another key")
        try:
            return self._cipher.decrypt(envelope[_HEADER : _HEADER + _NONCE], envelope[_HEADER + _NONCE :], place)
        except (InvalidTag, ValueError) as error:
            raise UnreadableError("the envelope does not open") from error


def key_version(envelope: bytes) -> int:
    """The version of the key an envelope was sealed under.

    Raises:
        UnreadableError: these bytes are no envelope.
    """
    if len(envelope) < _HEADER + _NONCE or envelope[0] != _FORMAT:
        raise UnreadableError("not an envelope")
    return int.from_bytes(envelope[1:_HEADER], "big")
