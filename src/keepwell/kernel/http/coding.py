"""Answers in fewer bytes: which content coding a caller takes (RFC 9110, 12.5.3), and answers in it.

What may be compressed at all, each endpoint says: docs/decisions/0012-what-may-be-compressed.md.
"""

import asyncio
import re
import sys
import threading
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import brotli
import msgspec

from keepwell.kernel.http import observe
from keepwell.kernel.http.call import Answer, Fixed
from keepwell.kernel.http.render import finish

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SMALLEST = 1_400
"""Bytes from which an answer is compressed: a smaller one fits, with its head, into the two packets that it takes anyway."""

PAYS = 0.95
"""What comes out is sent when it is smaller than this part of what went in."""

_MOST_AT_ONCE = 2
_WINDOW_LOG = 18
_ELEMENT = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?")
_LONGEST_REMEMBERED = 200
_encode = msgspec.json.Encoder().encode
_brotli: Any = brotli  # has no types


class Stream(Protocol):
    """Compresses an answer part by part: what has been given can be read once it arrives."""

    def part(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class Coding(NamedTuple):
    """One content coding. `whole` compresses an answer, `best` one that is compressed once and sent often.

    Up to `at_once` bytes are compressed where they are, more in a thread: nobody waits longer than about 0.3 ms.
    """

    name: str
    whole: Callable[[bytes], bytes]
    best: Callable[[bytes], bytes]
    stream: Callable[[], Stream]
    at_once: int


class _GzipStream:
    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_GZIP, zlib.DEFLATED, _GZIP_FORMAT)

    def part(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._compressor.flush()


class _BrotliStream:
    def __init__(self) -> None:
        self._compressor = _brotli.Compressor(quality=_BROTLI, lgwin=_WINDOW_LOG)

    def part(self, data: bytes) -> bytes:
        return self._compressor.process(data) + self._compressor.flush()

    def end(self) -> bytes:
        return self._compressor.finish()


class _ZstdStream:
    def __init__(self) -> None:
        parameters = zstd.CompressionParameter
        options: dict[int, int] = {parameters.compression_level: _ZSTD, parameters.window_log: _WINDOW_LOG}
        self._compressor = zstd.ZstdCompressor(options=options)

    def part(self, data: bytes) -> bytes:
        return self._compressor.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME)


# As measured by `python -m bench.compression`: a level more takes half as long again, for one part in a hundred.
_ZSTD, _BROTLI, _GZIP = 3, 4, 4
_GZIP_FORMAT = 31


class _OfThread(threading.local):
    """A compressor for each thread: making one takes longer than compressing a small answer with it."""

    def __init__(self) -> None:
        self.zstd = zstd.ZstdCompressor(_ZSTD)


_mine = _OfThread()


def _zstd(content: bytes) -> bytes:
    return _mine.zstd.compress(content, zstd.ZstdCompressor.FLUSH_FRAME)


def _gzip(content: bytes, *, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_FORMAT)
    return compressor.compress(content) + compressor.flush()


CODINGS = (
    Coding("zstd", _zstd, partial(zstd.compress, level=19), _ZstdStream, 130_000),
    Coding("br", partial(_brotli.compress, quality=_BROTLI), partial(_brotli.compress, quality=9), _BrotliStream, 40_000),
    Coding("gzip", partial(_gzip, level=_GZIP), partial(_gzip, level=9), _GzipStream, 35_000),
)
"""Those we have, the one we like best first: of what a caller likes equally well, the first is taken."""


def preferred(accept_encoding: bytes | None) -> Coding | None:
    """The coding that a caller likes best of ours; None when it likes none as well as no coding at all.

    A caller that says nothing gets no coding, and so does one whose every wish we cannot fulfil: an answer in the wrong coding
    is of more use than none. What cannot be read of the header counts as not said.
    """
    if accept_encoding is None:
        return None
    return _remembered(accept_encoding) if len(accept_encoding) <= _LONGEST_REMEMBERED else _parsed(accept_encoding)


def _parsed(accept_encoding: bytes) -> Coding | None:
    weights: dict[str, float] = {}
    for element in accept_encoding.split(b","):
        match = _ELEMENT.fullmatch(element)
        if match is not None:
            name = match[1].decode("ascii").lower()
            weights["gzip" if name == "x-gzip" else name] = float(match[2] or 1)
    least = weights.get("identity", 0.0)
    others = weights.get("*", 0.0)
    best: Coding | None = None
    for coding in CODINGS:
        weight = weights.get(coding.name, others)
        if weight > 0 and (weight > least or (best is None and weight == least)):
            best, least = coding, weight
    return best


_remembered = lru_cache(maxsize=256)(_parsed)


def negotiated(answer: Answer, headers: Mapping[bytes, bytes]) -> Coding | None:
    """The coding for this answer; None when it is small, or an error, or its caller takes none.

    An answer that another caller might get in another coding says so (`Vary`). In a coding its tag is weak: the same thing, not
    the same bytes.
    """
    body = answer.body
    if isinstance(body, msgspec.Struct):
        body = answer.body = _encode(body)
    if body is None or (isinstance(body, bytes | Fixed) and len(body) < SMALLEST) or answer.status >= 400:
        return None
    answer.headers["vary"] = ", ".join((*filter(None, [answer.headers.get("vary")]), "Accept-Encoding"))
    coding = preferred(headers.get(b"accept-encoding"))
    if coding is not None:
        for name, value in answer.headers.items():
            if name.lower() == "etag" and not value.startswith("W/"):
                answer.headers[name] = f"W/{value}"
    return coding


class Coder:
    """Compresses the answers of one door. Only so many large ones at once: the others wait, not the event loop."""

    def __init__(self) -> None:
        self._threads = asyncio.Semaphore(_MOST_AT_ONCE)

    async def compress(self, answer: Answer, coding: Coding) -> None:
        """Puts the answer into the coding. One that does not get smaller stays as it is."""
        body = answer.body
        if isinstance(body, AsyncIterator):
            answer.body = self._parts(body, coding)
        elif isinstance(body, bytes | Fixed):
            content = body if isinstance(body, bytes) else body.content
            smaller = await (self._run(coding, coding.whole, content) if isinstance(body, bytes) else self._fixed(body, coding))
            pays = len(smaller) < PAYS * len(content)
            observe.count_compressed(coding.name, len(content), len(smaller) if pays else len(content))
            if not pays:
                return
            answer.body = smaller
        answer.headers["content-encoding"] = coding.name

    async def _fixed(self, body: Fixed, coding: Coding) -> bytes:
        found = body.coded.get(coding.name)
        if found is None:
            found = body.coded[coding.name] = await self._run(coding, coding.best, body.content)
        return found

    async def _parts(self, parts: AsyncIterator[bytes], coding: Coding) -> AsyncGenerator[bytes]:
        stream, size, sent = coding.stream(), 0, 0
        try:
            async for part in parts:
                size += len(part)
                smaller = await self._run(coding, stream.part, part)
                sent += len(smaller)
                yield smaller
            last = stream.end()
            sent += len(last)
            yield last
        finally:
            observe.count_compressed(coding.name, size, sent)
            await finish(parts)  # whatever stopped us here stops its making too

    async def _run(self, coding: Coding, compress: Callable[[bytes], bytes], content: bytes) -> bytes:
        if len(content) <= coding.at_once:
            return compress(content)
        async with self._threads:
            return await asyncio.to_thread(compress, content)
