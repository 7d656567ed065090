"""What a target names, and whether its host may be reached by whom private addresses are closed to.

Only what is written is judged here: what a name leads to is known when it is looked up, and judged again then.
"""

import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from keepwell.platform.probing import forbidden

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_ODD_ADDRESS = re.compile(r"(?:\d+|0[xX][0-9A-Fa-f]*)")
_LOCAL = ("localhost", "local", "internal", "lan", "home.arpa", "localdomain", "intranet", "corp", "private")
_LONGEST = 2_000
_TLS_PORT = 443


class Place(NamedTuple):
    """Where a target is."""

    host: str
    port: int


class TargetError(ValueError):
    """The text names no target; the argument says what would."""


def web_place(url: str) -> Place:
    """Where an address of the web leads.

    Raises:
        TargetError: it is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise TargetError("Use an address such as https://clinic.example/health.") from None
    if parts.scheme not in ("http", "https") or not url.isprintable() or " " in url or len(url) > _LONGEST:
        raise TargetError("Use an address such as https://clinic.example/health.")
    if "@" in parts.netloc:
        raise TargetError("Name and password do not belong into the address: use secrets.basic.")
    return _checked(host, port if port is not None else (443 if parts.scheme == "https" else 80))


def socket_place(text: str, usual_port: int | None = None) -> Place:
    """Where `host:port` leads; without a port to the usual one, where there is any.

    Raises:
        TargetError: it is no such text.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise TargetError("Use a host and a port, such as clinic.example:5432.") from None
    if "//" + parts.netloc != f"//{text}" or "@" in text or (port is None and usual_port is None):
        raise TargetError("Use a host and a port, such as clinic.example:5432.")
    return _checked(host, port if port is not None else usual_port or 0)


def tcp_place(text: str) -> Place:
    """As `socket_place`; `tcp://` may stand before it."""
    return socket_place(text.removeprefix("tcp://"))


def tls_place(text: str) -> Place:
    """As `socket_place`: without a port, that of HTTPS. `https://` or `tls://` may stand before it."""
    return socket_place(text.removeprefix("https://").removeprefix("tls://").removesuffix("/"), _TLS_PORT)


def dns_name(text: str) -> str:
    """The name that is asked for.

    Raises:
        TargetError: it is none.
    """
    if not text or len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.removesuffix(".").split(".")):
        raise TargetError("Use a name such as clinic.example.")
    return text


def is_closed(host: str) -> bool:
    """Whether a host is one that only those may watch to whom private addresses are open: an address that is no public one, or a
    name that is only known inside of a network.
    """
    bare = host.removesuffix(".").lower()
    try:
        return forbidden(ip_address(bare.partition("%")[0]))
    except ValueError:
        return "." not in bare or any(bare == suffix or bare.endswith(f".{suffix}") for suffix in _LOCAL)


def _checked(host: str, port: int) -> Place:
    if not 0 < port < 65_536 or not _is_host(host):
        raise TargetError("Use the name of a host, or an address written in full, and a port from 1 to 65535.")
    return Place(host, port)


def _is_host(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        labels = host.removesuffix(".").split(".")
        # The shortened and octal forms of addresses that old functions understand would lead elsewhere than they seem to.
        return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not _ODD_ADDRESS.fullmatch(labels[-1])
    return True
