"""A watch over an empty database, and the room that learns from what is seen."""

from collections.abc import AsyncIterator

import pytest

from tests.support.cluster import DatabaseUrls
from tests.support.watching import Watch, watching


@pytest.fixture
async def watch(clean_database: DatabaseUrls) -> AsyncIterator[Watch]:
    async with watching(clean_database) as there:
        yield there
