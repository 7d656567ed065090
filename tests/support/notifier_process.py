"""A notifier in a process of its own, to be killed.

python notifier_process.py URL
"""

import asyncio
import sys

from msgspec import structs

from keepwell.domains.incidents import IncidentService
from keepwell.domains.notifications import NotificationService, NotificationSettings
from keepwell.domains.notifications.jobs import enqueue_due, handlers
from keepwell.kernel import Catalog, Kernel, Limits
from keepwell.kernel.keys import KeyRing
from keepwell.kit.time import SystemClock
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.queue import Queue
from tests.support.cluster import MASTER_KEY
from tests.support.telling import FAST, ROOMS


async def main(url: str) -> None:
    clock = SystemClock()
    database = Database(PoolSettings(url, largest=4, wait=5.0, connect_timeout=5.0))
    await database.open()
    kernel = Kernel(database, Catalog(ROOMS), KeyRing(MASTER_KEY, clock), clock, Limits())
    service = NotificationService(kernel, IncidentService(kernel), NotificationSettings(private=True, seconds=30.0))
    queue = Queue(database, structs.replace(FAST, lease=1.0))

    async def look() -> None:
        while True:
            await enqueue_due(service, queue, clock)
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        group.create_task(queue.run(handlers(service, queue)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
