"""People in live rooms: connections that remember everything they were sent, and keep a copy of the response as clients do."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.following import applied

Json = dict[str, Any]
_VERSIONED = ("changed", "submitted", "amended", "voided")


class Pause:
    """While inside, nothing is read from a connection."""

    def __init__(self) -> None:
        self._going = asyncio.Event()
        self._going.set()

    async def __aenter__(self) -> None:
        self._going.clear()

    async def __aexit__(self, *_: object) -> None:
        self._going.set()

    async def over(self) -> None:
        await self._going.wait()


class Guest:
    """What one connection was sent. `copy` is the response as far as it was told."""

    def __init__(self) -> None:
        self.pause = Pause()
        self.received: list[Json] = []
        self.copy: Json | None = None
        self.code: int | None = None
        """The close code, once it is closed; 0 for a stream that ended."""
        self.reason = ""
        self._news = asyncio.Condition()

    @property
    def last_id(self) -> str | None:
        return self.received[-1]["id"] if self.received else None

    @property
    def versions(self) -> list[int]:
        """The versions it was brought to, in order."""
        return [each["data"]["version"] for each in self.received if each["type"] in ("snapshot", *_VERSIONED)]

    def of(self, *types: str) -> list[Json]:
        return [each for each in self.received if each["type"] in types]

    async def until(self, condition: Callable[[Self], object], seconds: float = 15) -> None:
        """Returns when the condition holds.

        Raises:
            AssertionError: it does not within `seconds`.
        """
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: condition(self))
        except TimeoutError:
            kinds = [(each["id"], each["type"]) for each in self.received][-20:]
            raise AssertionError(
                f"not within {seconds} s; closed with {self.code} {self.reason}; last messages {kinds}"
            ) from None

    async def first(self, type: str, seconds: float = 15, **data: Any) -> Json:
        """The first message of a type whose data have these members."""

        def found() -> list[Json]:
            return [each for each in self.of(type) if data.items() <= each["data"].items()]

        await self.until(lambda _: found(), seconds)
        return found()[0]

    async def at(self, version: int, seconds: float = 15) -> None:
        """Returns when it was brought to a version."""
        await self.until(lambda guest: guest.copy is not None and guest.copy["version"] >= version, seconds)

    async def closed(self, seconds: float = 15) -> int | None:
        """The close code."""
        await self.until(lambda guest: guest.code is not None, seconds)
        return self.code

    async def _hear(self, message: Json) -> None:
        assert message.keys() >= {"id", "type", "at", "data"}, message
        async with self._news:
            self.received.append(message)
            if message["type"] == "snapshot":
                self.copy = {name: message["data"].get(name) for name in ("version", "status", "answers", "rows")}
            elif message["type"] in _VERSIONED and self.copy is not None and "status" in message["data"]:
                self.copy = applied(self.copy, message["data"])
            self._news.notify_all()

    async def _end(self, code: int, reason: str = "") -> None:
        async with self._news:
            self.code, self.reason = code, reason
            self._news.notify_all()


class Speaker(Guest):
    """A WebSocket connection."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self.connection = connection
        self._names = 0

    async def say(self, type: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": type, **fields}))

    async def ask(self, type: str, **fields: Any) -> Json:
        """Says something with a name of its own; the answer to it, `ack` or `problem`."""
        self._names += 1
        name = f"m{self._names}"
        await self.say(type, id=name, **fields)

        def answers() -> list[Json]:
            return [each for each in self.of("ack", "problem") if each["data"].get("id") == name]

        await self.until(lambda _: answers())
        return answers()[0]

    async def listen(self) -> None:
        try:
            async for message in self.connection:
                await self._hear(json.loads(message))
                await self.pause.over()
        except ConnectionClosed:
            pass
        await self._end(self.connection.close_code or 1006, self.connection.close_reason or "")


class Follower(Guest):
    """A stream of Server-Sent Events, read as a browser reads it (WHATWG HTML, 9.2.6)."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.retry: int | None = None
        self.last_event_id = ""

    async def listen(self) -> None:
        event, data = "", list[str]()
        try:
            async for line in self.answer.aiter_lines():
                name, _, value = line.partition(": ")
                match name:
                    case "" if data:
                        message = {"id": self.last_event_id, **json.loads("\n".join(data))}
                        assert message["type"] == event
                        await self._hear(message)
                        event, data = "", []
                        await self.pause.over()
                    case "id":
                        self.last_event_id = value
                    case "event":
                        event = value
                    case "data":
                        data.append(value)
                    case "retry":
                        self.retry = int(value)
                    case _:
                        pass  # a comment
        except httpx.TransportError:
            await self._end(1006)
        else:
            await self._end(0)


class Browser(Guest):
    """Somebody who stays in a room whatever happens to the connection: comes back, to the next server if one is gone.

    What it edits it sends until it is told that it is stored.
    """

    def __init__(self, bases: Sequence[str], response: str, token: str) -> None:
        super().__init__()
        self.stored: dict[str, Json] = {}
        """What it was told is stored, by the key it was sent under."""
        self.connections = 0
        self._bases = itertools.cycle(bases)
        self._path = f"/v1/responses/{response}/room"
        self._headers = {"authorization": f"Bearer {token}"}
        self._connection: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._staying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._staying = asyncio.create_task(self._stay())
        await self.until(lambda guest: guest.copy is not None)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.gather(self._staying, return_exceptions=True)

    async def edit(self, answers: Json) -> int:
        """Changes answers, whatever others changed meanwhile; the version that brought it."""
        key = str(uuid4())
        while True:
            await self._connected.wait()
            try:
                async with asyncio.timeout(5):
                    answer = await self._sent(key, answers)
            except (TimeoutError, ConnectionClosed):
                continue
            if answer["type"] == "ack":
                self.stored[key] = answers
                return answer["data"]["version"]
            code = answer["data"]["code"]
            assert code in ("temporarily-unavailable", "outcome-unknown", "overloaded", "idempotency-key-in-use"), answer
            await asyncio.sleep(0.05)

    async def _sent(self, key: str, answers: Json) -> Json:
        assert self._connection is not None
        assert self.copy is not None
        before = len(self.received)
        message = {"type": "patch", "id": key, "idempotency_key": key, "on_conflict": "merge", "answers": answers}
        await self._connection.send(json.dumps({**message, "if_match": self.copy["version"]}))

        def told() -> list[Json]:
            return [each for each in self.received[before:] if each["data"].get("id") == key]

        await self.until(lambda _: told(), 6)
        return told()[0]

    async def _stay(self) -> None:
        for base in self._bases:
            after = "" if self.last_id is None else f"?after={self.last_id}"
            address = f"{base.replace('http', 'ws', 1)}{self._path}{after}"
            try:
                async with connect(
                    address, additional_headers=self._headers, proxy=None, compression=None, open_timeout=3
                ) as found:
                    self._connection = found
                    self.connections += 1
                    self._connected.set()
                    async for message in found:
                        await self._hear(json.loads(message))
            except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake):
                pass
            finally:
                self._connected.clear()
            await asyncio.sleep(0.05)


@asynccontextmanager
async def speaking(
    base: str, response: str, headers: Mapping[str, str] | None = None, after: str | None = None, **options: Any
) -> AsyncGenerator[Speaker]:
    """Somebody connected to the room of a response at `base`, such as `http://127.0.0.1:8080`."""
    query = "" if after is None else f"?after={after}"
    address = f"{base.replace('http', 'ws', 1)}/v1/responses/{response}/room{query}"
    settings: dict[str, Any] = {"compression": None, "ping_interval": None, "close_timeout": 1, **options}
    async with connect(address, additional_headers=dict(headers or {}), proxy=None, **settings) as connection:
        speaker = Speaker(connection)
        listening = asyncio.create_task(speaker.listen())
        try:
            yield speaker
        finally:
            await connection.close()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def following(base: str, response: str, headers: Mapping[str, str], after: str | None = None) -> AsyncGenerator[Follower]:
    """Somebody who follows a response."""
    more = {} if after is None else {"last-event-id": after}
    async with (
        httpx.AsyncClient(timeout=httpx.Timeout(20, read=60), trust_env=False) as http,
        http.stream("GET", f"{base}/v1/responses/{response}/events", headers={**headers, **more}) as answer,
    ):
        follower = Follower(answer)
        if answer.is_error:
            await answer.aread()
            yield follower
            return
        listening = asyncio.create_task(follower.listen())
        try:
            yield follower
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
