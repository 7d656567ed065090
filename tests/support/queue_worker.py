"""A worker in a process of its own: writes down what it begins and ends, and is slow enough to be killed between the two.

python queue_worker.py URL SECONDS
"""

import asyncio
import sys
from typing import Any

import asyncpg

from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.queue import Claimed, Queue, QueueSettings

_asyncpg: Any = asyncpg  # partly typed


async def main(url: str, seconds: float) -> None:
    database = Database(PoolSettings(url))
    await database.open()

    async def handle(job: Claimed) -> None:
        sys.stdout.write(f"begun {job.payload['number']} {job.attempt}\n")
        sys.stdout.flush()
        await asyncio.sleep(seconds)
        sys.stdout.write(f"done {job.payload['number']} {job.attempt}\n")
        sys.stdout.flush()

    await Queue(database, QueueSettings(lease=1.0, poll=0.1)).run({"test": handle})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
