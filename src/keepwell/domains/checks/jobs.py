"""Background work of checks: how often a scheduler does what, and the worker, which goes on whatever goes wrong."""

import asyncio
from functools import partial
from uuid import UUID

import structlog

from keepwell.domains.checks.service import CheckService
from keepwell.domains.checks.service.examining import Finding
from keepwell.domains.checks.service.working import CheckWorker, WorkerSettings
from keepwell.domains.monitors import Monitor, examine
from keepwell.platform.probing import Prober
from keepwell.platform.telemetry import describe

TICK_SECONDS = 0.25
BEAT_SECONDS = 1.0
SWEEP_SECONDS = 5.0
MEASURE_SECONDS = 15.0
KEEP_SECONDS = 3600.0
_REST_SECONDS = 1.0
_log = structlog.stdlib.get_logger("keepwell.worker")


async def keep_checking(service: CheckService, prober: Prober, settings: WorkerSettings) -> None:
    """Makes checks until it is cancelled."""

    async def look(tenant: UUID, monitor: Monitor) -> Finding:
        private = await service.configurations.private(tenant)
        examined = await examine(monitor, partial(prober.probe, private=private), service.clock.now)
        verdict, seen = examined.verdict, examined.observation
        return Finding(
            verdict.up,
            verdict.reason,
            seen.status,
            seen.dns_ms,
            seen.connect_ms,
            seen.tls_ms,
            seen.first_byte_ms,
            seen.total_ms,
        )

    await prober.open()
    try:
        while True:
            try:
                await CheckWorker(service, look, prober.egress, settings).run()
            except Exception as error:  # noqa: BLE001 - another worker takes over, this one's checks lapse
                _log.error("checks.worker-failed", **describe(error))
                await asyncio.sleep(_REST_SECONDS)
    finally:
        await prober.close()


__all__ = [
    "BEAT_SECONDS",
    "KEEP_SECONDS",
    "MEASURE_SECONDS",
    "SWEEP_SECONDS",
    "TICK_SECONDS",
    "WorkerSettings",
    "keep_checking",
]
