"""A clinic whose channels may be on this machine."""

from collections.abc import AsyncIterator

import pytest

from keepwell.domains.notifications import NotificationSettings
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.receiver import Receiver, receiver
from tests.support.telling import Clinic, clinic


@pytest.fixture
async def desk(clean_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    async with clinic(
        clean_database, manual_clock, NotificationSettings("https://keepwell.test", private=True, seconds=1.0)
    ) as made:
        yield made


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one
