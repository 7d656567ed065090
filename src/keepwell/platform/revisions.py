"""Which schema this program is made for. Every process asks at its start, so nothing here needs Alembic."""

from pathlib import Path


class MigrationError(Exception):
    """The schema cannot be brought to where it should be. The message says why; it holds no data."""


class UnknownRevisionError(MigrationError):
    """There is no such revision to go to."""


def directory() -> Path:
    """The migrations: in the installed package, or beside the sources in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def head() -> str:
    """The newest revision this program knows: they are numbered in the order they run."""
    return max(path.stem for path in (directory() / "versions").glob("*.py"))
