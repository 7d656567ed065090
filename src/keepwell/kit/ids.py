"""Identifiers: UUID version 7 (RFC 9562, 5.7), so that new rows land at the end of their index. Some follow from a key."""

from uuid import UUID

from uuid_utils import compat

NIL = UUID(int=0)


def new_id() -> UUID:
    """A fresh UUID version 7, later than every earlier one from this process."""
    return compat.uuid7()


def keyed_id(digest: bytes) -> UUID:
    """The UUID version 8 (RFC 9562, 5.8) made of the first 16 bytes of a keyed digest: the same for the same digest."""
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) & ~(0b11 << 62) | 0x8 << 76 | 0b10 << 62
    return UUID(int=number)


def parse_id(text: str) -> UUID | None:
    """The UUID written in its canonical 36-character form, in either case; None for anything else."""
    if len(text) != 36:
        return None
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text.lower() else None
