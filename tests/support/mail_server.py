"""A small mail server, by RFC 5321, that keeps what it gets, and can behave badly on purpose."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal

from tests.support.listening import beside, end

Manner = Literal["good", "refuses", "drops", "silent", "drips"]


@dataclass
class MailServer:
    """What it got, and how it behaves from now on."""

    url: str = ""
    manner: Manner = "good"
    messages: list[EmailMessage] = field(default_factory=list[EmailMessage])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    async def next(self) -> EmailMessage:
        """The next message, which must come within some seconds."""
        async with asyncio.timeout(10):
            await self.arrived.wait()
        self.arrived.clear()
        return self.messages[-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.manner == "silent":
            await reader.read()
            return
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            word = line[:4].upper().strip()
            if self.manner == "drips":
                while True:  # a line that never ends, one character after the other
                    writer.write(b"2")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            if word == b"DATA":
                if self.manner == "drops":
                    return
                writer.write(b"354 go on\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                self._keep(data)
                writer.write(b"250 taken\r\n")
            elif word == b"RCPT" and self.manner == "refuses":
                writer.write(b"550 nobody of this name\r\n")
            elif word == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 mail.test\r\n")

    def _keep(self, data: bytes) -> None:
        text = (b"\r\n" + data.removesuffix(b".\r\n")).replace(b"\r\n..", b"\r\n.")[2:]
        self.messages.append(message_from_bytes(text, policy=policy.default))  # pyright: ignore[reportArgumentType]
        self.arrived.set()


@asynccontextmanager
async def mail_server() -> AsyncGenerator[MailServer]:
    """A mail server on a port of its own."""
    mail = MailServer()
    server = await asyncio.start_server(mail.serve, "127.0.0.1", 0)
    mail.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield mail
    finally:
        await end(server)


@contextmanager
def mail_server_beside() -> Generator[MailServer]:
    """A mail server in a thread of its own, for tests without a loop."""
    with beside(mail_server()) as mail:
        yield mail
