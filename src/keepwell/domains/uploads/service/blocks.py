"""A stream of bytes as blocks of whole lines, decoded: never more than a block and one unfinished line in memory."""

import codecs
import re
from collections.abc import AsyncIterator

import msgspec

from keepwell.domains.uploads.errors import unreadable
from keepwell.domains.uploads.models import Limits

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "windows-1252": "windows-1252",
    "cp1252": "windows-1252",
    "iso-8859-1": "windows-1252",  # as browsers take it, by the Encoding standard of WHATWG
    "latin1": "windows-1252",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
PLAIN = "us-ascii"
"""As long as nothing else was seen: what is to come may be UTF-8 or Windows-1252."""

_UNDEFINED = frozenset(b"\x81\x8d\x8f\x90\x9d")
_WIDE = {"utf-16-le": b"\n\0", "utf-16-be": b"\0\n"}
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


class Pieces:
    """A stream in pieces of about one size. The first can be looked at before it is taken."""

    def __init__(self, stream: AsyncIterator[bytes], size: int) -> None:
        self._stream = stream
        self._size = size
        self._ahead: bytes | None = None

    async def look(self) -> bytes:
        """The next piece, which stays the next one. Empty at the end."""
        if self._ahead is None:
            self._ahead = await self.take()
        return self._ahead

    async def take(self) -> bytes:
        """The next piece. Empty at the end."""
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            return ahead
        found = bytearray()
        async for piece in self._stream:
            found += piece
            if len(found) >= self._size:
                break
        return bytes(found)


class Block(msgspec.Struct, frozen=True):
    """Whole lines, and the number of bytes of the file up to their end. The last one may lack the end of its line."""

    text: str
    end: int


def encoding_of(head: bytes, declared: str | None) -> tuple[str, int]:
    """The encoding that a mark at the beginning says, or else the sender, or else `PLAIN`; and the length of the mark.

    Raises:
        Refused: it is one that is not read.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            if encoding == "utf-32":
                raise unreadable("unknown-encoding", "The text is in UTF-32. Save it as UTF-8.")
            return encoding, len(mark)
    if declared is None:
        return PLAIN, 0
    if declared.lower() not in _DECLARED:
        raise unreadable("unknown-encoding", "The charset named is not read. Save the text as UTF-8.")
    return _DECLARED[declared.lower()], 0


class Blocks:
    """The blocks of a stream. An `encoding` that is `PLAIN` becomes what the first other letters show, unless one is declared."""

    def __init__(self, pieces: Pieces, encoding: str, skip: int, limits: Limits, *, declared: bool) -> None:
        self._pieces = pieces
        self._limits = limits
        self._left = b""
        self._skip = skip
        self._end = 0
        self._line = 0
        self._declared = declared
        self.encoding = encoding

    def go_on(self, offset: int, line: int) -> None:
        """Begins not at the first byte of the file but at this one, after so many lines."""
        self._end, self._line = offset, line

    async def next(self) -> Block | None:
        """The next block; None after the last one.

        Raises:
            Refused: it cannot be decoded, or a line does not end.
        """
        while True:
            piece = await self._pieces.take()
            held = self._left + piece[self._skip :]
            self._end += self._skip
            self._skip = 0
            if not piece:
                self._left = b""
                return self._block(held, last=True) if held else None
            cut = self._cut(held)
            self._left = held[cut:]
            if len(self._left) > self._limits.record:
                reason = f"The line is longer than {self._limits.record:,} bytes."
                raise unreadable("line-too-long", reason, self._line + _lines(self._decoded(held[:cut], last=False)) + 1)
            if cut:
                return self._block(held[:cut], last=False)

    def _cut(self, held: bytes) -> int:
        """After the last line feed; or the last carriage return that no line feed can follow, if they are what ends lines."""
        wide = _WIDE.get(self.encoding)
        if wide is not None:
            at = held.rfind(wide)
            while at % 2 == 1 and at > 0:
                at = held.rfind(wide, 0, at + 1)
            return at + 2 if at >= 0 and at % 2 == 0 else 0
        at = held.rfind(b"\n")
        return (at if at >= 0 else held.rfind(b"\r", 0, -1)) + 1

    def _block(self, content: bytes, *, last: bool) -> Block:
        text = self._decoded(content, last=last)
        at = text.find("\0")
        if at >= 0:
            raise unreadable("nul-byte", "There is a NUL byte; text has none.", *self._place(text[:at]))
        self._line += _lines(text)
        self._end += len(content)
        return Block(text, self._end)

    def _decoded(self, content: bytes, *, last: bool) -> str:
        if self.encoding == PLAIN and not content.isascii():
            self.encoding = "windows-1252" if _is_windows(content) else "utf-8"
        if self.encoding == "windows-1252" and not self._declared:
            self._pure(content)
        try:
            return content.decode(self.encoding)
        except UnicodeDecodeError as error:
            raise self._undecodable(content, error, last=last) from None

    def _pure(self, content: bytes) -> None:
        found = _UTF8_LETTER.search(content)
        if found is not None:
            before = content[: found.start()].decode("windows-1252", "replace")
            message = "Some of the text is in UTF-8, some in Windows-1252. Save all of it as UTF-8."
            raise unreadable("mixed-encodings", message, *self._place(before))

    def _undecodable(self, content: bytes, error: UnicodeDecodeError, *, last: bool) -> Exception:
        place = self._place(content[: error.start].decode(self.encoding, "replace"))
        if last and error.end == len(content):
            return unreadable("truncated", "The text ends in the middle of a letter: a part of the file is missing.", *place)
        if self.encoding == "utf-8" and not self._declared:
            message = "The text is not all in UTF-8, and not all in Windows-1252. Save all of it as UTF-8."
            return unreadable("mixed-encodings", message, *place)
        return unreadable("invalid-encoding", f"This is not {self.encoding.upper()}. Save the text as UTF-8.", *place)

    def _place(self, before: str) -> tuple[int, int]:
        begun = max(before.rfind("\n"), before.rfind("\r")) + 1
        return self._line + _lines(before[:begun]) + 1, len(before) - begun + 1


def _is_windows(content: bytes) -> bool:
    """Whether it can only be Windows-1252: not UTF-8, not even one cut off or in a part, and no byte that is undefined."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return False
    else:
        return False
    return _UTF8_LETTER.search(content) is None and not _UNDEFINED.intersection(content)


def _lines(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
