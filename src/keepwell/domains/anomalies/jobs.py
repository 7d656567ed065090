"""Background work of anomalies: the detector is fed, and what was kept long enough is dropped."""

from datetime import timedelta

from keepwell.domains.anomalies.service import AnomalyService

FEED_SECONDS = 20.0
KEEP_SECONDS = 3600.0
KEPT = timedelta(days=90)
"""So long, anomalies are kept after their end."""


async def feed(service: AnomalyService) -> None:
    """Tells detectors what came of checks, and opens and resolves incidents."""
    await service.feeder.feed()


async def keep(service: AnomalyService) -> None:
    """Drops anomalies that ended long ago."""
    await service.purge(KEPT)
