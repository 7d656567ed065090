"""When a check that failed is tried again before it counts. Pure."""

from keepwell.domains.checks.models import MonitorStatus

_LONGEST = 3_600.0


def retry_after(status: MonitorStatus, attempt: int, retries: int, first: float) -> float | None:
    """Seconds until the next attempt, twice as long each time; None: there is none.

    Of a monitor that is down already nothing has to be confirmed.
    """
    if status == "down" or attempt > retries:
        return None
    return min(_LONGEST, first * 2.0 ** min(attempt - 1, 30))
