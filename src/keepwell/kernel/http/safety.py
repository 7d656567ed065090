"""Headers that tell browsers and caches what an answer may not be used for. Nothing in them depends on the answer: made once."""

from collections.abc import Mapping

SAFETY: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What every answer carries, unless its handler says otherwise of one of them."""

SAFETY_OVER_TLS = (*SAFETY, (b"strict-transport-security", b"max-age=31536000"))
"""The same where the request came by https, to us or to the proxy before us (RFC 6797, 7.2 forbids it elsewhere)."""

SAFETY_NAMES = frozenset(name for name, _ in SAFETY_OVER_TLS)

PAGE: Mapping[str, str] = {
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""What pages that people look at carry besides: for an answer that is no document these mean nothing."""

PUBLIC: Mapping[str, str] = {"cache-control": "public, max-age=300"}
"""Of what is the same for everybody, and holds nothing of any clinic."""
