"""A scheduler or a worker of checks in a process of its own, to be killed.

python check_process.py scheduler|worker URL
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from keepwell.domains.checks import jobs
from keepwell.kit.time import SystemClock
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.probing import Prober
from tests.support.watching import service_over

WORKER = jobs.WorkerSettings(lease=3.0)


async def repeated(step: Callable[[], Awaitable[None]], every: float) -> None:
    while True:
        await step()
        await asyncio.sleep(every)


async def main(kind: str, url: str) -> None:
    database = Database(PoolSettings(url))
    await database.open()
    service = service_over(database, SystemClock(), by_database=True)
    if kind == "worker":
        await jobs.keep_checking(service, Prober(), WORKER)
        return
    scheduler = service.scheduler
    async with asyncio.TaskGroup() as group:
        group.create_task(repeated(scheduler.tick, jobs.TICK_SECONDS))
        group.create_task(repeated(scheduler.judge, 1.0))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
