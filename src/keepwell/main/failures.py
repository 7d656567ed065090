"""What an operator can mend, as a sentence and an exit status."""

from keepwell.kernel.problems import Refused
from keepwell.main.demo import DemoRefusedError
from keepwell.main.exits import CANNOT_START, DEMO_REFUSED, UNUSABLE_SETTINGS
from keepwell.main.health import NotReadyError
from keepwell.main.server import AddressInUseError
from keepwell.platform.embedded import EmbeddedStartError
from keepwell.platform.postgres import DatabaseUnavailable, UnsafeRoleError
from keepwell.platform.revisions import MigrationError
from keepwell.platform.settings import InvalidSettingsError

_STATUSES: dict[type[Exception], int] = {
    InvalidSettingsError: UNUSABLE_SETTINGS,
    UnsafeRoleError: UNUSABLE_SETTINGS,
    DemoRefusedError: DEMO_REFUSED,
    EmbeddedStartError: CANNOT_START,
    MigrationError: CANNOT_START,
    AddressInUseError: CANNOT_START,
    NotReadyError: CANNOT_START,
    DatabaseUnavailable: CANNOT_START,
    Refused: CANNOT_START,
}


def told(error: Exception) -> tuple[str, int] | None:
    """What to say of it and the status to end with; None: nobody expected it."""
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return _sentence(error), status
    return None


def _sentence(error: Exception) -> str:
    match error:
        case NotReadyError():
            return f"The database cannot be worked on: {error}."
        case DatabaseUnavailable():
            return f"The database cannot be had: {error}."
        case Refused():
            return f"{error.refusal.type.title}. {error.refusal.detail}".strip()
        case _:
            return str(error)
