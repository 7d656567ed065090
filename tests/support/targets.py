"""Servers to be probed, some of which behave badly on purpose, and certificates for them."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.listening import end

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def target(
    behaviour: Behaviour, context: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[int]:
    """Serves connections; yields the port. What is still under way in the end is cut off."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await behaviour(reader, writer)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(accept, host, port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await end(server)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Answering:
    """Answers every HTTP request in the same way, and remembers the requests."""

    def __init__(self, status: int = 200, body: bytes = b"ok", **headers: str) -> None:
        self.requests: list[bytes] = []
        self.most = self._now = 0
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._answer = "\r\n".join([*lines, "", ""]).encode() + body

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await asyncio.sleep(0)
            writer.write(self._answer)
            await writer.drain()
            writer.write_eof()
            await reader.read()
        finally:
            self._now -= 1


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes everything and says nothing."""
    while await reader.read(65536):
        pass
    await asyncio.Event().wait()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends the connection once it was asked."""
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body without end."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 Said\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte of a header at a time, for ever."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 Said\r\nX-Long: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def swollen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Headers without end."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 Said\r\n")
    while True:
        writer.write(b"X-Many: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def babbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No HTTP at all."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 mail.example ready\r\n")
    await writer.drain()
    writer.write_eof()
    await reader.read()


class Certificate(msgspec.Struct, frozen=True):
    """A self-signed certificate: who trusts the file trusts it."""

    file: Path
    expires: datetime

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context


def certificate(folder: Path, host: str = "localhost", days: int = 30) -> Certificate:
    """A certificate for a host, valid for so many days from now; with a negative number, no more."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC).replace(microsecond=0)
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(names if host == "localhost" else x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}{days}.pem"
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + plain)
    return Certificate(file, now + timedelta(days=days))


Spoilt = Callable[[dns.message.Message], bytes]


def _failing(answer: dns.message.Message) -> bytes:
    answer.answer.clear()
    answer.set_rcode(dns.rcode.SERVFAIL)
    return answer.to_wire()


def _of_another_question(answer: dns.message.Message) -> bytes:
    answer.id ^= 1
    return answer.to_wire()


def _cut_off(answer: dns.message.Message) -> bytes:
    answer.answer.clear()
    answer.flags |= dns.flags.TC
    return answer.to_wire()


def _going_round(answer: dns.message.Message) -> bytes:
    name = answer.question[0].name
    answer.answer = [dns.rrset.from_text(name, 60, "IN", "CNAME", str(name))]
    return answer.to_wire()


SPOILT: dict[str, Spoilt] = {
    "garbage": lambda _: b"\xff" * 40,
    "failing": _failing,
    "of-another-question": _of_another_question,
    "cut-off": _cut_off,
    "going-round": _going_round,
}
"""What a bad name server makes of a good answer. Nobody listens on its TCP port."""


class Names(asyncio.DatagramProtocol):
    """A name server: records by name and type, each with the seconds it holds; how often each was asked."""

    def __init__(self, spoilt: Spoilt = dns.message.Message.to_wire) -> None:
        self._spoilt = spoilt
        self.records: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.asked: list[tuple[str, str]] = []
        self.mute = False
        self.unheard: set[str] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        name, record = str(question.question[0].name).rstrip("."), str(question.question[0].rdtype.name)
        self.asked.append((name, record))
        if self.mute or record in self.unheard or self._transport is None:
            return
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if (name, record) in self.records:
            seconds, texts = self.records[name, record]
            answer.answer.append(dns.rrset.from_text(question.question[0].name, seconds, "IN", record, *texts))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(self._spoilt(answer), addr)


@asynccontextmanager
async def name_server(spoilt: Spoilt = dns.message.Message.to_wire) -> AsyncGenerator[tuple[Names, str]]:
    """Runs a name server; yields it and its `address:port`."""
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(lambda: Names(spoilt), local_addr=("127.0.0.1", 0))
    try:
        host, port = transport.get_extra_info("sockname")
        yield names, f"{host}:{port}"
    finally:
        transport.close()
