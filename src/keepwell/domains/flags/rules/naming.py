"""Where a clinic's flag lies, and how it is set up before anybody set it."""

from hashlib import sha256
from uuid import UUID

from keepwell.domains.flags.models import WHOLE, Declaration, Setup


def flag_id(tenant: UUID, key: str) -> UUID:
    """The id of a clinic's flag: a UUID version 8 (RFC 9562, 5.8) that follows from clinic and key, so that there is only one."""
    number = int.from_bytes(sha256(b"flag\0" + tenant.bytes + key.encode()).digest()[:16], "big")
    return UUID(int=number & ~(0xF << 76) & ~(0b11 << 62) | 8 << 76 | 0b10 << 62)


def base(declared: Declaration) -> Setup:
    """What counts where nothing was set: everybody gets the default."""
    everybody = WHOLE if declared.default == declared.on else 0
    return Setup(dict(declared.variants), declared.on, declared.off, everybody)
