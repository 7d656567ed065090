"""A clinic of each test's own, over HTTP."""

from collections.abc import AsyncIterator

import pytest

from tests.support.clinic import Clinic, opened
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls


@pytest.fixture
async def clinic(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    async with opened(database_urls, manual_clock) as found:
        yield found
