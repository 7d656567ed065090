"""nginx as what is probed: one process that answers two bytes to whoever asks, on all addresses of this machine."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from bench.stage import answers, free_port

PROGRAM = "nginx"
_START_SECONDS = 30.0
_SETTINGS = """
daemon off; master_process off; pid nginx.pid; error_log error.log crit;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen 0.0.0.0:%d backlog=4096; location / { default_type text/plain; return 200 "ok"; } }
}
"""


@asynccontextmanager
async def answering(program: str, folder: Path) -> AsyncGenerator[tuple[psutil.Process, int]]:
    """The process, and the port it answers at."""
    place, port = folder / "nginx", free_port()
    place.mkdir()
    settings = place / "nginx.conf"
    settings.write_text(_SETTINGS % port)
    command = (program, "-p", str(place), "-e", "error.log", "-c", str(settings))
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await answers(port):  # noqa: ASYNC110 - it says nothing when it is ready
                await asyncio.sleep(0.05)
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        await process.wait()
