"""TCP and TLS connections to an address that was looked at."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from cryptography import x509

from keepwell.platform.probing.models import MOST_BODY, Fault, Observation, TcpProbe, TlsProbe
from keepwell.platform.probing.resolver import Address

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(probe: TcpProbe, addresses: Sequence[Address]) -> Observation:
    """Connects to the first address that lets us, and hears what comes back if that is asked for. The caller bounds the time."""
    started = time.monotonic()
    try:
        reader, writer, address = await _open(addresses, probe.port, None, None)
    except OSError as error:
        return Observation(error=fault(error), total_ms=_since(started))
    seen = Observation(connect_ms=_since(started), address=address)
    try:
        if probe.send or probe.hear:
            said = time.monotonic()
            writer.write(probe.send)
            await writer.drain()
            seen = msgspec.structs.replace(seen, body=await reader.read(MOST_BODY), first_byte_ms=_since(said))
    except OSError as error:
        seen = msgspec.structs.replace(seen, error=fault(error))
    finally:
        writer.transport.abort()
    return msgspec.structs.replace(seen, total_ms=_since(started))


async def secure(probe: TlsProbe, addresses: Sequence[Address], authority: str | None) -> Observation:
    """Connects, and looks at the certificate, also at one that is not valid. The caller bounds the time."""
    started = time.monotonic()
    try:
        _, writer, address = await _open(addresses, probe.port, None, None)
    except OSError as error:
        return Observation(error=fault(error), total_ms=_since(started))
    seen = Observation(connect_ms=_since(started), address=address)
    try:
        shaking = time.monotonic()
        await writer.start_tls(_unjudging(), server_hostname=probe.host)
        seen = msgspec.structs.replace(seen, tls_ms=_since(shaking), certificate_expires=_expiry(writer))
    except OSError as error:
        seen = msgspec.structs.replace(seen, error="tls-failed" if isinstance(error, ssl.SSLError) else fault(error))
    finally:
        writer.transport.abort()
    if seen.error is None and probe.verify:
        seen = msgspec.structs.replace(seen, error=await _judged(probe, addresses, authority))
    return msgspec.structs.replace(seen, total_ms=_since(started))


def fault(error: OSError) -> Fault:
    """What a connection failed of."""
    if isinstance(error, ssl.SSLError):
        return "tls-failed"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return "reset"
    return "timed-out" if isinstance(error, TimeoutError) else "unreachable"


async def _judged(probe: TlsProbe, addresses: Sequence[Address], authority: str | None) -> Fault | None:
    """What somebody who checks certificates is told: a second connection, as the first only looked."""
    context = ssl.create_default_context(cafile=authority)
    try:
        _, writer, _ = await _open(addresses, probe.port, context, probe.host)
    except OSError as error:
        return fault(error)
    writer.transport.abort()
    return None


async def _open(
    addresses: Sequence[Address], port: int, context: ssl.SSLContext | None, name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
    failure: OSError | None = None
    for address in addresses:
        try:
            reader, writer = await asyncio.open_connection(str(address), port, ssl=context, server_hostname=name)
        except OSError as error:
            failure = error
        else:
            return reader, writer, str(address)
    raise failure or ConnectionError


def _unjudging() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _expiry(writer: asyncio.StreamWriter) -> datetime | None:
    shown: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    certificate = shown.getpeercert(binary_form=True) if shown is not None else None
    if certificate is None:
        return None
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc.astimezone(UTC)


def _since(instant: float) -> float:
    return (time.monotonic() - instant) * 1000
