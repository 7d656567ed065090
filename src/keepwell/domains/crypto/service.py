"""Rotations from their beginning to their end. Each may be broken off at any point, and goes on from there when asked again."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from keepwell.domains.crypto.errors import WRONG_MASTER_KEY
from keepwell.domains.tenants import Clinic, TenantService, operator
from keepwell.kernel import Kernel, Origin, Refusal, Refused
from keepwell.kernel.keys import SIGNING
from keepwell.kernel.problems import TENANT_DESTROYED
from keepwell.kernel.rotation import Rotation, Standing, resealed
from keepwell.kit.ids import NIL
from keepwell.platform.crypto import UnreadableError

Say = Callable[[str], None]


class Status(msgspec.Struct, frozen=True):
    """How all keys stand. `outdated` keys of the installation are not wrapped by the present master key."""

    tenants: dict[UUID, Standing]
    outdated: int
    signing: int


class CryptoService:
    """Rotation and destruction. `token_seconds` is the longest life of an access token of any process."""

    def __init__(self, kernel: Kernel, tenants: TenantService, token_seconds: float) -> None:
        self._kernel = kernel
        self._tenants = tenants
        self._longest = timedelta(seconds=token_seconds)
        self._rotation = Rotation(kernel)

    async def clinic(self, slug: str, origin: Origin) -> Clinic:
        """The clinic with this short name, closed or not.

        Raises:
            Refused: there is none, or the database is out of reach.
        """
        return await self._tenants.named(slug, origin, closed_too=True)

    async def status(self) -> Status:
        """How the keys of the installation and of every clinic stand; those of destroyed clinics are left out."""
        tenants = {tenant: await self._rotation.standing(tenant) for tenant in await self._rotation.owners()}
        await self._kernel.key_watch.look()
        number = self._kernel.ring.generations(SIGNING)[-1].number
        return Status(tenants, await self._rotation.outdated_installation(), number)

    async def rotate_master(self, origin: Origin, say: Say) -> int:
        """Wraps every key by the present master key; how many were not.

        Raises:
            Refused: `wrong-master-key`: one of them is wrapped by neither of the keys given.
        """
        owners = await self._rotation.owners()
        try:
            done = await self._rotation.rewrap_installation()
            for count, tenant in enumerate(owners, start=1):
                done += await self._rotation.rewrap(tenant)
                if count % 100 == 0 or count == len(owners):
                    say(f"{count} of {len(owners)} clinics' keys looked at, {done} keys wrapped anew.")
        except UnreadableError as error:
            raise Refused(Refusal(WRONG_MASTER_KEY)) from error
        await self._record(NIL, origin, "rotate-master-key")
        return done

    async def rotate_tenants(self, tenants: Sequence[UUID], origin: Origin, say: Say) -> bool:
        """Gives tenants a new data key each and seals their states under it; whether all could be.

        What an earlier call left undone is finished instead of begun anew.
        """
        standing = {tenant: await self._rotation.standing(tenant) for tenant in tenants}
        anew = [tenant for tenant, now in standing.items() if now.coming is not None or not now.behind]
        for tenant in anew:
            await self._rotation.begin(tenant)
        await self._rotation.settle()
        for tenant in anew:
            await self._rotation.activate(tenant)
        await self._rotation.settle()
        sound = True
        for count, tenant in enumerate(tenants, start=1):
            sound = await self._reseal(tenant, f"{count} of {len(tenants)}: {tenant}", say) and sound
            await self._record(tenant, origin, "rotate-data-key")
        return sound

    async def _reseal(self, tenant: UUID, name: str, say: Say) -> bool:
        def tell(done: int) -> None:
            say(f"{name}: {done} states sealed anew.")

        found = await resealed(self._rotation, tenant, tell)
        if found.unreadable:
            say(f"{name}: {found.unreadable} states cannot be opened; `keepwell rebuild` puts them right.")
        return not found.unreadable

    async def everybody(self) -> list[UUID]:
        """All that have keys: every clinic that was not destroyed, and the installation itself."""
        return await self._rotation.owners()

    async def rotate_signing(self, origin: Origin, *, revoke: bool) -> int:
        """Lets access tokens be signed with a new key; its number. With `revoke`, no token signed before counts any more."""
        number = await self._rotation.sign_anew(self._longest, revoke=revoke)
        await self._rotation.settle()
        await self._record(NIL, origin, "revoke-signing-keys" if revoke else "rotate-signing-key")
        return number

    async def destroy(self, clinic: Clinic, origin: Origin) -> None:
        """Closes the clinic and destroys its keys. When this returns, no process opens anything of it any more."""
        try:
            await self._tenants.close(clinic.id, origin)
        except Refused as refused:
            if refused.refusal.type != TENANT_DESTROYED:  # an earlier attempt may have got so far
                raise
        lookups = [aggregate.lookup for aggregate in self._kernel.catalog.kinds.values() if aggregate.lookup is not None]
        await self._rotation.destroy(clinic.id, lookups)
        await self._rotation.settle()
        await self._record(NIL, origin, "destroy-keys", clinic.id)

    async def _record(self, tenant: UUID, origin: Origin, action: str, about: UUID | None = None) -> None:
        await self._kernel.record(operator(tenant), origin, action, "tenant", about or tenant, "ok")
