"""Checkpoints as text: the C2SP `tlog-checkpoint` inside a `signed-note` with one Ed25519 signature.

Such a text can leave the house (mail, a colleague's disk, a public witness) and is verified with the public key alone.
Two extension lines, `below <xid>` and `at <instant>`, bind what else the checkpoint row says.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "


class BadNote(Exception):  # noqa: N818 - what was found wrong, not a fault of ours
    """A text is not a checkpoint of ours, or its signature does not hold. The message says which."""


class Checkpoint(msgspec.Struct, frozen=True):
    """What a checkpoint claims: the first `size` leaves of `log`, all from transactions below `below`, have this root."""

    log: str
    size: int
    root: bytes
    below: int
    at: datetime

    @property
    def origin(self) -> str:
        return origin_of(self.log)


def origin_of(log: str) -> str:
    """The name a log goes by outside; also the name of its key."""
    return f"keepwell/{log}"


class Signer:
    """Signs checkpoints with the Ed25519 key made from a 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(self._key.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note, in the one form `Verifier.open` accepts."""
        text = _text(checkpoint)
        signature = self.verifier.key_id(checkpoint.origin) + self._key.sign(text.encode())
        return f"{text}\n{_DASH}{checkpoint.origin} {b64encode(signature).decode()}\n"


class Verifier:
    """Opens checkpoints with the 32-byte public key alone."""

    def __init__(self, public_key: bytes) -> None:
        self.public_key = public_key
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """The verifier of a key written `<name>+<key id>+<base64>`.

        Raises:
            ValueError: the text is not such a key, or its id belongs to another.
        """
        name, key_id, encoded = vkey.strip().split("+", 2)
        typed = b64decode(encoded, validate=True)
        if typed[:1] != _ED25519:
            raise ValueError("not an Ed25519 key")
        verifier = cls(typed[1:])
        if verifier.key_id(name).hex() != key_id:
            raise ValueError("the key id does not belong to this key")
        return verifier

    def vkey(self, log: str) -> str:
        """The key in the form others verify with: `<name>+<key id>+<base64>`."""
        name = origin_of(log)
        return f"{name}+{self.key_id(name).hex()}+{b64encode(_ED25519 + self.public_key).decode()}"

    def key_id(self, name: str) -> bytes:
        return sha256(name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:4]

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in `note`. Signatures under other names or keys (witnesses) are passed over.

        Raises:
            BadNote: not a checkpoint of ours, not signed by this key, or the signature does not hold.
        """
        text, separator, signatures = note.rpartition("\n\n")
        if not separator:
            raise BadNote("it is not a signed note")
        text += "\n"
        checkpoint = parse(text)
        wanted = self.key_id(checkpoint.origin)
        for line in signatures.splitlines():
            signature = _signature(line, checkpoint.origin)
            if signature[:4] == wanted:
                try:
                    self._key.verify(signature[4:], text.encode())
                except InvalidSignature:
                    raise BadNote("its signature does not hold") from None
                return checkpoint
        raise BadNote("it is not signed by this key")


def parse(text: str) -> Checkpoint:
    """The checkpoint that a note's text claims, its signature aside.

    Raises:
        BadNote: the text is not in the one form we write.
    """
    lines = text.splitlines()
    try:
        origin, size, root, below, at = lines
        checkpoint = Checkpoint(
            log=origin.removeprefix("keepwell/"),
            size=int(size),
            root=b64decode(root, validate=True),
            below=int(below.removeprefix("below ")),
            at=datetime.fromisoformat(at.removeprefix("at ")).astimezone(UTC),
        )
    except (ValueError, NotBase64, OverflowError):
        raise BadNote("its text is not a checkpoint of ours") from None
    if _text(checkpoint) != text:
        raise BadNote("its text is not a checkpoint of ours")
    return checkpoint


def _text(checkpoint: Checkpoint) -> str:
    at = checkpoint.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    root = b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\nbelow {checkpoint.below}\nat {at}\n"


def _signature(line: str, name: str) -> bytes:
    """The key id and signature on a signature line under `name`; empty when the line is under another name."""
    if not line.startswith(_DASH):
        raise BadNote("it has a malformed signature line")
    signer, _, encoded = line.removeprefix(_DASH).rpartition(" ")
    if signer != name:
        return b""
    try:
        return b64decode(encoded, validate=True)
    except (ValueError, NotBase64):
        raise BadNote("it has a malformed signature line") from None
