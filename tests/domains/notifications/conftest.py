"""A clinic whose channels may be on this machine."""

from collections.abc import AsyncIterator

import pytest

from keepwell.domains.notifications import NotificationSettings
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.receiver import Receiver, receiver
from tests.support.telling import Clinic, clinic

SETTINGS = NotificationSettings("https://keepwell.test", private=True)
HASTY = NotificationSettings("https://keepwell.test", private=True, seconds=1.0)


@pytest.fixture
async def desk(clean_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    async with clinic(clean_database, manual_clock, SETTINGS) as made:
        yield made


@pytest.fixture
async def hasty(clean_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    """As `desk`, but what does not answer is soon given up."""
    async with clinic(clean_database, manual_clock, HASTY) as made:
        yield made


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one
