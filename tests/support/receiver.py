"""A server that is told of incidents: it keeps what it gets, and can behave badly on purpose."""

import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.listening import beside, end

Manner = Literal["good", "fails", "limits", "hangs", "cuts", "gone", "moves", "keeps"]
_ANSWERS: dict[Manner, bytes] = {
    "good": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "fails": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "limits": b"HTTP/1.1 429 Slow down\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "gone": b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "moves": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


@dataclass
class Request:
    """One request as it came: whether it was answered well is the server's manner at that time."""

    path: str
    headers: dict[str, str]
    body: bytes
    taken: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What it got, and how it behaves from now on. Who `refuses` does not listen at all."""

    url: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    manner: Manner = "good"
    requests: list[Request] = field(default_factory=list[Request])
    _server: asyncio.Server | None = None

    @property
    def taken(self) -> list[Request]:
        """What was answered well."""
        return [each for each in self.requests if each.taken]

    @property
    def told(self) -> list[Request]:
        """The first of each notification: what came again is known by its id."""
        return list({each.headers["webhook-id"]: each for each in reversed(self.taken)}.values())[::-1]

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{self.host}:{self.port}"

    async def refuse(self) -> None:
        """Listens no more, until it listens again."""
        if self._server is not None:
            server, self._server = self._server, None
            await end(server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            # Who cuts, or keeps it for itself, has taken it: the sender cannot know.
            taken = self.manner in ("good", "cuts", "keeps")
            self.requests.append(Request(head[0].split()[1], headers, body, taken))
            if self.manner in ("hangs", "keeps"):
                await reader.read()
            elif self.manner in _ANSWERS:
                writer.write(_ANSWERS[self.manner])
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver(host: str = "127.0.0.1") -> AsyncGenerator[Receiver]:
    """A receiver on a port of its own."""
    one = Receiver(host=host)
    await one.listen()
    try:
        yield one
    finally:
        await one.refuse()


@contextmanager
def receiver_beside() -> Generator[Receiver]:
    """A receiver in a thread of its own, for tests without a loop."""
    with beside(receiver()) as one:
        yield one
