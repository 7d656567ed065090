"""What this process knows of the clinics' flags.

A clinic's are loaded when first asked for. After that the database is asked whether they changed when somebody says so, and after
a few seconds in any case: an announcement that is lost only delays. While it cannot be asked, what was known goes on to count.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import Context
from time import monotonic
from typing import Any
from uuid import UUID

import msgspec
import structlog

from keepwell.domains.flags.models import Flag
from keepwell.domains.flags.rules.naming import flag_id
from keepwell.domains.tenants import operator
from keepwell.kernel import Kernel, Origin, Permission, Read, Wanted
from keepwell.kernel.announce import Change
from keepwell.kit.ids import new_id
from keepwell.platform.telemetry import describe

KIND, RESOURCE = "flag", "FeatureFlag"
READ = Permission(RESOURCE, "r")
_CLINIC = "tenant"
_MOST = 10_000
_log = structlog.stdlib.get_logger("keepwell.flags")


class Freshness(msgspec.Struct, frozen=True):
    """In seconds: how long what is known counts unasked, how long somebody waits for the database, how long it is left alone when
    it did not answer.
    """

    lasts: float = 3.0
    patience: float = 0.5
    rest: float = 1.0


class _Clinic:
    """One clinic's flags by key, their versions by id, and when to ask again."""

    __slots__ = ("exists", "flags", "until", "versions")

    def __init__(self) -> None:
        self.exists = False
        self.flags: dict[str, Flag] = {}
        self.versions: dict[UUID, int] = {}
        self.until = 0.0


class Memory:
    """The flags of `keys`, of every clinic that was asked for."""

    def __init__(self, kernel: Kernel, keys: Sequence[str], freshness: Freshness) -> None:
        self._kernel = kernel
        self._keys = keys
        self._freshness = freshness
        self._clinics: dict[UUID, _Clinic] = {}
        self._asking: dict[UUID, asyncio.Task[None]] = {}
        self._overtaken: set[UUID] = set()
        kernel.announcer.watch([KIND], self._changed, self._missed)

    async def of(self, tenant: UUID) -> Mapping[str, Flag] | None:
        """What a clinic has set, by key; None: there is no such clinic, or nothing could be learned of it yet."""
        for _ in range(2):  # what is being asked may have been overtaken by a change that the caller knows of
            clinic = self._clinics.get(tenant)
            if clinic is not None and monotonic() < clinic.until:
                break
            await self._ask(tenant)
        clinic = self._clinics.get(tenant)
        return clinic.flags if clinic is not None and clinic.exists else None

    def _changed(self, changes: Sequence[Change]) -> None:
        for tenant in {change.tenant for change in changes}:
            self._doubt(tenant)

    def _missed(self) -> None:
        for tenant in (*self._clinics, *self._asking):
            self._doubt(tenant)

    def _doubt(self, tenant: UUID) -> None:
        if (clinic := self._clinics.get(tenant)) is not None:
            clinic.until = 0.0
        if tenant in self._asking:
            self._overtaken.add(tenant)

    async def _ask(self, tenant: UUID) -> None:
        """Asks, once for all who want the same. Nobody waits longer than patience lasts."""
        asking = self._asking.get(tenant)
        if asking is None:
            # In no request's name: what comes of it serves many.
            asking = asyncio.get_running_loop().create_task(self._learn(tenant), context=Context())
            self._asking[tenant] = asking
            asking.add_done_callback(lambda _: self._asking.pop(tenant, None))
        answered, _ = await asyncio.wait({asking}, timeout=self._freshness.patience)
        if not answered:
            self._rest(tenant)

    async def _learn(self, tenant: UUID) -> None:
        self._overtaken.discard(tenant)
        until = monotonic() + self._freshness.lasts
        clinic = self._clinics.get(tenant) or _Clinic()
        try:
            await self._update(tenant, clinic)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever asks goes on with what is known
            self._rest(tenant)
            _log.warning("flags.not-loaded", tenant=tenant, **describe(error))
            return
        clinic.until = 0.0 if tenant in self._overtaken else until
        self._keep(tenant, clinic)

    def _rest(self, tenant: UUID) -> None:
        """Leaves the database alone about a clinic for a while."""
        clinic = self._clinics.get(tenant) or _Clinic()
        clinic.until = monotonic() + self._freshness.rest
        self._keep(tenant, clinic)

    def _keep(self, tenant: UUID, clinic: _Clinic) -> None:
        self._clinics[tenant] = clinic
        while len(self._clinics) > _MOST:
            del self._clinics[next(iter(self._clinics))]

    async def _update(self, tenant: UUID, clinic: _Clinic) -> None:
        """Loads what is at another version than is known."""
        ids = {flag_id(tenant, key): key for key in self._keys}
        wanted = {(_CLINIC, tenant), *((KIND, id_) for id_ in ids)}
        there = (await self._kernel.versions({tenant: Wanted(wanted, set(), set())})).aggregates
        versions = {id_: version for (_, kind, id_), version in there.items() if kind == KIND}
        changed = [id_ for id_, version in versions.items() if clinic.versions.get(id_) != version]
        actor, origin = operator(tenant), Origin("system", str(new_id()), purpose="HSYSADMIN")
        loads = (self._kernel.read(Read(KIND, id_, actor, origin, READ, "load")) for id_ in changed)
        snapshots: Sequence[Any] = await asyncio.gather(*loads)
        for snapshot in snapshots:
            clinic.flags[ids[snapshot.id]] = snapshot.state
            clinic.versions[snapshot.id] = snapshot.version
        clinic.exists = (tenant, _CLINIC, tenant) in there
