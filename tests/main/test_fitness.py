"""What a process refuses to work on."""

import base64
from typing import Any

import pytest

from keepwell.main import fitness
from keepwell.main.addresses import Addresses
from keepwell.main.health import NotReadyError
from keepwell.main.parts import Parts
from keepwell.platform.postgres import DatabaseUnavailable
from keepwell.platform.settings import InvalidSettingsError, ProcessKind, Settings
from tests.support.cluster import DatabaseUrls


@pytest.fixture
def stranger(addresses: Addresses) -> Parts:
    """Parts with another master key than the database's."""
    given: dict[str, Any] = {"_env_file": None, "master_key": base64.b64encode(b"o" * 32).decode()}
    return Parts(Settings(**given), addresses, ProcessKind.API)


@pytest.mark.usefixtures("demo")
async def test_a_key_that_does_not_open_what_is_stored_is_refused(parts: Parts, stranger: Parts):
    await fitness.check(parts)
    with pytest.raises(InvalidSettingsError, match="KEEPWELL_MASTER_KEY"):
        await fitness.check(stranger)
    async with stranger.running():
        with pytest.raises(InvalidSettingsError, match="KEEPWELL_MASTER_KEY"):
            await fitness.require(stranger)


async def test_any_key_will_do_while_nothing_is_stored(stranger: Parts):
    await fitness.check(stranger)
    async with stranger.running():
        await fitness.require(stranger)


async def test_a_database_without_schema_is_waited_for_but_not_worked_on(
    chosen: Settings, bare_database: DatabaseUrls, valkey_url: str
):
    bare = Addresses(bare_database.app, bare_database.owner, bare_database.auditor, valkey_url)
    parts = Parts(chosen, bare, ProcessKind.API)
    await fitness.check(parts)
    async with parts.running():
        with pytest.raises(NotReadyError, match="db migrate"):
            await fitness.require(parts)


async def test_a_database_that_is_away_is_waited_for_but_not_worked_on(chosen: Settings, valkey_url: str):
    nowhere = "postgresql://u@127.0.0.1:1/d"
    parts = Parts(chosen, Addresses(nowhere, nowhere, nowhere, valkey_url), ProcessKind.API)
    await fitness.check(parts)
    async with parts.running():
        with pytest.raises(DatabaseUnavailable):
            await fitness.require(parts)
