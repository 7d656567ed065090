"""Who may report leaked keys: whoever signs with a key that the address in KEEPWELL_LEAK_KEYS_URL publishes.

The form is that of GitHub's secret scanning partners: ECDSA over P-256 and SHA-256, in base64 of DER, over the body as sent.
"""

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from time import monotonic

import msgspec
import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from keepwell.domains.keys.errors import INVALID_SIGNATURE
from keepwell.kernel import Refusal, Refused
from keepwell.kernel.problems import UNAVAILABLE
from keepwell.platform.fetching import Fetcher, UnreachableError

_KEPT_S = 3600.0
_AGAIN_S = 10.0
_MOST_KEYS = 100
_log = structlog.stdlib.get_logger("keepwell.keys")


class _Published(msgspec.Struct, frozen=True):
    key_identifier: str
    key: str


class _Publication(msgspec.Struct, frozen=True):
    public_keys: list[_Published]


_decode = msgspec.json.Decoder(_Publication).decode


class Reporters:
    """Checks signatures of reports. Keys are fetched when the first report comes, again after an hour, and for an unknown one."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._fetcher = Fetcher(private=True, seconds=5.0)
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._fetched: float | None = None
        self._attempted: float | None = None
        self._fetching = asyncio.Lock()

    def close(self) -> None:
        """Lets threads end."""
        self._fetcher.close()

    async def check(self, identifier: str, signature: str, content: bytes) -> None:
        """Returns when the content is signed by the key of this name.

        Raises:
            Refused: `invalid-signature`; `temporarily-unavailable` while the keys cannot be had.
        """
        key = await self._key(identifier)
        if key is None:
            raise Refused(Refusal(INVALID_SIGNATURE))
        try:
            key.verify(b64decode(signature, validate=True), content, ECDSA(SHA256()))
        except (InvalidSignature, Base64Error, ValueError):
            raise Refused(Refusal(INVALID_SIGNATURE)) from None

    async def _key(self, identifier: str) -> EllipticCurvePublicKey | None:
        if self._url is None:
            return None
        async with self._fetching:
            fresh = self._fetched is not None and monotonic() - self._fetched < _KEPT_S
            rested = self._attempted is None or monotonic() - self._attempted >= _AGAIN_S
            if rested and not (fresh and identifier in self._keys):
                await self._fetch(self._url)
        if self._fetched is None:
            raise Refused(Refusal(UNAVAILABLE, "The keys that reports are checked with cannot be had.", retry_after=60))
        return self._keys.get(identifier)

    async def _fetch(self, url: str) -> None:
        """Takes over what is published now. Where that cannot be had, what was published last goes on to count."""
        self._attempted = monotonic()
        try:
            published = _decode(await self._fetcher.document(url)).public_keys[:_MOST_KEYS]
        except (UnreachableError, msgspec.MsgspecError) as error:
            _log.warning("leaks.keys-not-fetched", error=type(error).__qualname__)
            return
        self._fetched = monotonic()
        self._keys = {each.key_identifier: key for each in published if (key := _loaded(each.key)) is not None}


def _loaded(pem: str) -> EllipticCurvePublicKey | None:
    """A key that such reports are signed with; None for any other."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None
