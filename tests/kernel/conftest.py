"""Kernels over a small room of notes, on a real database."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from keepwell.kernel import Catalog, Kernel, Limits
from keepwell.kernel.keys import KeyRing
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.notes import CATALOG, SCHEMA

MakeKernel = Callable[..., Kernel]
_MASTER = bytes(range(32))
_asyncpg: Any = asyncpg  # partly typed


@pytest.fixture
async def owner(clean_database: DatabaseUrls) -> AsyncIterator[Any]:
    """A connection that sees every row, to look behind the kernel's back."""
    connection = await _asyncpg.connect(clean_database.superuser)
    await connection.execute("DROP TABLE IF EXISTS note")
    await connection.execute(SCHEMA)
    yield connection
    await connection.close()


@pytest.fixture
async def make_kernel(clean_database: DatabaseUrls, owner: Any, manual_clock: ManualClock) -> AsyncIterator[MakeKernel]:
    """Makes kernels with pools and keys of their own, as separate processes have them."""
    del owner
    databases = [Database(PoolSettings(clean_database.app)) for _ in range(2)]
    for database in databases:
        await database.open()
    unused = iter(databases)

    def make(limits: Limits | None = None, catalog: Catalog = CATALOG, **parts: Any) -> Kernel:
        return Kernel(next(unused), catalog, KeyRing(_MASTER, manual_clock), manual_clock, limits or Limits(), **parts)

    yield make
    for database in databases:
        await database.close()


@pytest.fixture
def kernel(make_kernel: MakeKernel) -> Kernel:
    return make_kernel()
