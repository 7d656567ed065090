"""prometheus-blackbox-exporter, asked for probes by wrk: what ours are compared with."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx
import psutil

from bench.measurement import Run

PROGRAM = "prometheus-blackbox-exporter"
AT_ONCE = 100
_START_SECONDS = 30.0
_MODULES = """
modules:
  plain: {prober: http}
  secure: {prober: http, http: {tls_config: {ca_file: %s}}}
"""


class FailedError(Exception):
    """A probe failed that should not have, so that the rate means nothing."""


class Exporter:
    """One that runs. Its processor time is counted, wrk's is not; that of answering wrk is, as it cannot be asked otherwise."""

    def __init__(self, process: psutil.Process, port: int) -> None:
        self._process = process
        self._port = port

    async def run(self, module: str, url: str, seconds: float) -> Run:
        """As many probes as there are, `AT_ONCE` at a time, for so many seconds.

        Raises:
            FailedError: a probe before or after does not succeed, or wrk was refused.
        """
        address = f"http://127.0.0.1:{self._port}/probe?{urlencode({'module': module, 'target': url})}"
        await _succeeding(address)
        before = self._process.cpu_times()
        wrk = await asyncio.create_subprocess_exec(
            "wrk", "-t1", f"-c{AT_ONCE}", f"-d{seconds:.0f}s", address, stdout=asyncio.subprocess.PIPE
        )
        said = (await wrk.communicate())[0].decode()
        after = self._process.cpu_times()
        await _succeeding(address)
        total = re.search(r"(\d+) requests in ([\d.]+)s", said)
        if wrk.returncode or total is None or "Non-2xx" in said:
            raise FailedError(said)
        return probed(int(total[1]), float(total[2]), after.user + after.system - before.user - before.system)


def probed(done: int, seconds: float, processor: float) -> Run:
    """A run of so many probes in so many seconds, of which the processor was busy so many."""
    each = round(processor / done * 1e6)
    return Run(
        done / seconds, facts={"done": done, "cpu_us_all": each, "cpu_us_server": each, "cpu_us_postgres": 0, "cpu_us_load": 0}
    )


@asynccontextmanager
async def running(program: str, folder: Path, authority: Path) -> AsyncGenerator[Exporter]:
    """The exporter at a free port, until it is no longer needed. `authority` is the file of certificates it goes by."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    modules = folder / "modules.yml"
    modules.write_text(_MODULES % authority)
    process = await asyncio.create_subprocess_exec(
        *(program, f"--config.file={modules}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_START_SECONDS), httpx.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"http://127.0.0.1:{port}/-/healthy")).is_success:
                        break
                await asyncio.sleep(0.05)
        yield Exporter(psutil.Process(process.pid), port)
    finally:
        process.terminate()
        await process.wait()


async def _succeeding(address: str) -> None:
    async with httpx.AsyncClient() as client:
        if "probe_success 1" not in (await client.get(address)).text:
            raise FailedError(f"{address} does not succeed")
