"""The lists that requests about anomalies get."""

import msgspec

from keepwell.domains.anomalies.models import AnomalyView


class AnomalyList(msgspec.Struct, frozen=True):
    """Anomalies, the newest first."""

    items: list[AnomalyView]
    next: str | None
