"""Prometheus metrics of all processes that share a listening port, through whichever of them is asked.

Each process answers on a Unix socket in a folder they share; the one that is scraped asks the others and labels every
sample with the `process` it came from, so that nothing is summed that must not be.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from keepwell.kernel.http import Answer, Call, Endpoint, Example

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SIBLING_SECONDS = 1.0
_EXAMPLE = """\
# HELP keepwell_http_requests_total Requests answered
# TYPE keepwell_http_requests_total counter
keepwell_http_requests_total{method="GET",route="/health/live",status="200"} 12.0
"""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One number, as Prometheus names it."""

    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric with all its samples."""

    name: str
    help: str
    kind: str
    samples: list[Sample]


class Exposition:
    """This process's metrics and, with a `folder`, those of its siblings. `process` is this one's name among them."""

    def __init__(self, folder: Path | None = None, process: str = "0") -> None:
        self._folder = folder
        self._process = process

    @asynccontextmanager
    async def answering(self) -> AsyncGenerator[None]:
        """While inside, siblings can ask this process."""
        if self._folder is None:
            yield
            return
        path = self._folder / f"{self._process}.sock"
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._tell, path)
        try:
            yield
        finally:
            server.close()
            path.unlink(missing_ok=True)

    async def text(self) -> bytes:
        """The metrics in Prometheus's text format. A sibling that does not answer in time is left out."""
        if self._folder is None:
            return generate_latest(REGISTRY)
        others = [path for path in sorted(self._folder.glob("*.sock")) if path.stem != self._process]
        told = await asyncio.gather(*(_ask(path) for path in others))
        by_process = {self._process: _families(), **{path.stem: one for path, one in zip(others, told, strict=True)}}
        return generate_latest(_Merged(by_process))  # pyright: ignore[reportArgumentType] - it only calls collect()

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(msgspec.msgpack.encode(_families()))
        writer.write_eof()
        await writer.drain()
        writer.close()

    def endpoint(self) -> Endpoint:
        """`/metrics`."""
        return Endpoint(
            "GET",
            "/metrics",
            self._answer,
            "Metrics for Prometheus",
            "Health",
            answers={200: bytes},
            public=True,
            vital=True,
            media=CONTENT_TYPE,
            compressed=True,
            rate=None,
            example=Example(answer=_EXAMPLE),
        )

    async def _answer(self, _: Call) -> Answer:
        return Answer(body=await self.text(), content_type=CONTENT_TYPE)


class _Merged(Collector):
    def __init__(self, by_process: dict[str, list[Family]]) -> None:
        self._by_process = by_process

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for process, families in self._by_process.items():
            for family in families:
                metric = merged.setdefault(family.name, Metric(family.name, family.help, family.kind))
                for sample in family.samples:
                    metric.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
        return merged.values()


def _families() -> list[Family]:
    return [
        Family(metric.name, metric.documentation, metric.type, [Sample(s.name, dict(s.labels), s.value) for s in metric.samples])
        for metric in REGISTRY.collect()
    ]


async def _ask(path: Path) -> list[Family]:
    try:
        async with asyncio.timeout(_SIBLING_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            told: Any = await reader.read()
            writer.close()
            return msgspec.msgpack.decode(told, type=list[Family])
    except (OSError, TimeoutError, msgspec.DecodeError):
        return []
