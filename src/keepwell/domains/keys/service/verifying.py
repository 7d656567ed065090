"""Who a key speaks for. Looked up once by each process, which remembers it; whether the key still lives is asked with each use.

What a key may do never changes, so what is remembered is never wrong; whether it was revoked or has ended is the kernel's
question, in the statement that does the work (docs/decisions/0003). So a revoked key is refused by its next request, everywhere.
"""

import hmac
from collections import OrderedDict
from functools import partial
from hashlib import sha256
from uuid import UUID

from keepwell.domains.keys.models import ApiKey
from keepwell.domains.keys.rules.lifecycle import KIND
from keepwell.domains.keys.rules.texts import KeyText, recognise
from keepwell.domains.keys.service.secrets import Secrets
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Kernel, Origin, Permission, Read, Refusal, Refused, Snapshot
from keepwell.kernel.problems import NOT_FOUND, UNAUTHENTICATED, UndecidedError
from keepwell.kit.ids import new_id

ROLE = "service"
RESOURCE = "ApiKey"
_READ = Permission(RESOURCE, "r")
_MOST_CACHED = 10_000
_UNKNOWN = Refusal(UNAUTHENTICATED, "The key is not one of ours.")


class Verifier:
    """Knows keys."""

    def __init__(self, kernel: Kernel, secrets: Secrets) -> None:
        self._kernel = kernel
        self._secrets = secrets
        self._verified: OrderedDict[bytes, Actor] = OrderedDict()

    def actor(self, text: str) -> Actor:
        """The service account a key speaks for.

        Raises:
            UndecidedError: this process has not seen the key yet, and has to look for it.
            Refused: unauthenticated.
        """
        digest = sha256(text.encode()).digest()
        if (known := self._verified.get(digest)) is not None:
            self._verified.move_to_end(digest)
            return known
        found = recognise(text)
        if found is None or not self._may_be_ours(found):
            raise Refused(_UNKNOWN)
        raise UndecidedError(_UNKNOWN, partial(self._learn, found, digest))

    async def find(self, text: str) -> tuple[UUID, Snapshot] | None:
        """The clinic and the key that this text is, whether it still lives or not; None for all that is no key of ours.

        Raises:
            Refused: the database is out of reach.
        """
        found = recognise(text)
        return None if found is None else await self._stored(found, "leaks.find")

    def _may_be_ours(self, found: KeyText) -> bool:
        """False for an id we never gave. While the installation's keys are not known here, any may be."""
        try:
            return self._secrets.named(found) is not None
        except Refused:
            return True

    async def _learn(self, found: KeyText, digest: bytes) -> None:
        """Looks for a key, and remembers whom it speaks for if there is one."""
        stored = await self._stored(found, "authenticate")
        if stored is None:
            return
        tenant, snapshot = stored
        key: ApiKey = snapshot.state
        actor = Actor(tenant, key.account, ROLE, key.scopes, snapshot.id, networks=key.networks)
        self._verified[digest] = actor
        if len(self._verified) > _MOST_CACHED:
            self._verified.popitem(last=False)

    async def _stored(self, found: KeyText, action: str) -> tuple[UUID, Snapshot] | None:
        """The clinic and the key that a text is; None for all that is no key of ours."""
        named = await self._named(found)
        if named is None:
            return None
        tenant, id_ = named
        origin = Origin("keys", str(new_id()))
        try:
            snapshot = await self._kernel.read(Read(KIND, id_, operator(tenant), origin, _READ, action))
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:  # of a time that the database was set back from
                return None
            raise
        key: ApiKey = snapshot.state
        genuine = hmac.compare_digest(key.digest, self._secrets.digest(found.text, key.pepper))
        return (tenant, snapshot) if genuine else None

    async def _named(self, found: KeyText) -> tuple[UUID, UUID] | None:
        try:
            return self._secrets.named(found)
        except Refused:  # the database was not reached yet
            await self._kernel.key_watch.look()
            return self._secrets.named(found)
