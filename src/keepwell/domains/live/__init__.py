"""Live rooms: people who work on one response at the same time see each other, and every change, as it happens."""

from keepwell.domains.live.models import LiveSettings
from keepwell.domains.live.service import LiveService

__all__ = ["LiveService", "LiveSettings"]
