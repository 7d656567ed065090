"""Scopes in SMART App Launch v2 syntax, and whether they allow an action.

`(patient|user|system)/(Type|*).[c][r][u][d][s]`, letters in that order (SMART App Launch 2.2, section 7.1.2).
A `patient/` scope allows the action only on what belongs to the actor's own compartment.
"""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

import msgspec

_SCOPE = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]{0,63}|\*)\.(c?r?u?d?s?)")


class Permission(msgspec.Struct, frozen=True):
    """What a command or read needs: a resource type and one of the letters c, r, u, d, s."""

    resource: str
    action: str


class Grant(msgspec.Struct, frozen=True):
    """How far an actor may go: everywhere in the clinic, or only in its own compartment."""

    own_compartment_only: bool


def parse_scope(scope: str) -> tuple[str, str, str]:
    """The level, resource and letters of one scope.

    Raises:
        ValueError: the text is not a SMART v2 scope, or names no action.
    """
    match = _SCOPE.fullmatch(scope)
    if match is None or not match[3]:
        raise ValueError(f"not a SMART v2 scope: {scope[:80]!r}")
    return match[1], match[2], match[3]


@lru_cache(maxsize=4096)
def grant(scopes: tuple[str, ...], permission: Permission) -> Grant | None:
    """The widest grant `scopes` give for `permission`, or None when they give none."""
    levels = {
        level
        for level, resource, letters in map(parse_scope, scopes)
        if resource in (permission.resource, "*") and permission.action in letters
    }
    if levels & {"user", "system"}:
        return Grant(own_compartment_only=False)
    return Grant(own_compartment_only=True) if levels else None


def covers(scopes: tuple[str, ...], wanted: str) -> bool:
    """Whether who has `scopes` may do everything in the clinic that the scope `wanted` allows: nobody passes on what they lack.

    Raises:
        ValueError: `wanted` is not a SMART v2 scope.
    """
    _, resource, letters = parse_scope(wanted)
    grants = (grant(scopes, Permission(resource, letter)) for letter in letters)
    return all(granted is not None and not granted.own_compartment_only for granted in grants)


@lru_cache(maxsize=16_384)
def within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks, each such as `192.0.2.0/24` or `2001:db8::/32`."""
    try:
        there = ip_address(address)
    except ValueError:
        return False
    if isinstance(there, IPv6Address) and there.ipv4_mapped is not None:
        there = there.ipv4_mapped
    return any(there in ip_network(network) for network in networks)
