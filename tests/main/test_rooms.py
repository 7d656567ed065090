"""What the rooms together have to agree on with the database."""

from typing import Any

import asyncpg

from keepwell.main.rooms import catalog
from tests.support.cluster import DatabaseUrls

_asyncpg: Any = asyncpg  # partly typed


async def test_the_database_looks_for_the_same_kinds_of_credentials_as_the_program(database_urls: DatabaseUrls):
    connection = await _asyncpg.connect(database_urls.app)
    kinds = await connection.fetchval("SELECT credential_kinds()")
    await connection.close()
    assert set(kinds) == set(catalog().credentials) == {"session", "api-key"}
