"""Which addresses may be asked: none by which a clinic could look into the operator's own networks."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NAT64 = ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
_CARRIER = ip_network("100.64.0.0/10")
_SITE_LOCAL = ip_network("fec0::/10")


@lru_cache(maxsize=20_000)
def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address a text is, without brackets; None if it is a name."""
    try:
        return ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def forbidden(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is of this machine, or of a private or special network, or leads to one (RFC 6890, 6052, 3056)."""
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return forbidden(inner)
        if address in _LOCAL_NAT64 or address in _SITE_LOCAL:
            return True
    elif address in _CARRIER:
        return True
    return not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one end at: mapped, translated, or through a tunnel."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.sixtofour
