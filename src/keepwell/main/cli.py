"""The command line: `keepwell`. Which commands there are is known here; what they need is imported when one of them is run.

So help comes at once, and no command waits for what only another one needs.
"""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from keepwell.main.exits import EXPLAINED

COMMANDS = {
    "serve": "Everything in one: API, periodic work, notifications; PostgreSQL and Valkey too, unless their URLs are set.",
    "api": "One API process. It does not migrate: `keepwell db migrate` does.",
    "worker": (
        "One worker process: makes checks, runs jobs and batches, seals the journal, makes partitions ahead, drops what is old."
    ),
    "scheduler": "One scheduler process: puts checks of monitors before the workers when they are due.",
    "notifier": "One notifier process: tells people what happens to incidents, on the channels of their clinic.",
    "settings": "Every setting, its value and what it is for. Secrets are never shown.",
    "rebuild": "Put stored state right from the journal; what cannot be put right is named, and 1 returned.",
    "db": "The schema of the database.",
    "jobs": "The queue of jobs.",
    "audit": "Prove the journal and the access records.",
    "tenants": "Clinics.",
    "users": "Accounts.",
    "crypto": "Keys: how they stand, changing them, destroying a clinic's.",
    "flags": "Feature flags.",
    "keys": "Keys of service accounts.",
    "checks": "Checks of monitors that could not be made.",
    "monitors": "Monitors.",
    "enroll": "Enroll people from a file: `keepwell enroll FILE --program ID`.",
    "schedules": "Tasks of a clinic by its own clocks.",
}
"""Every command and group there is, with its own help."""
_APART = {"db": "keepwell.main.schema"}
_USUAL = "keepwell.main.commands"

root = typer.Typer(name="keepwell", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, epilog=EXPLAINED)


def command(name: str) -> Any:
    """The command or group itself, of Typer's own kind. Brings in all that it needs."""
    return typer.main.get_group(import_module(_APART.get(name, _USUAL)).root).commands[name]


class Later(TyperCommand):
    """Stands for a command until it is run."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Hands over to the command itself."""
        import_module("keepwell.platform.telemetry").configure(process="cli")
        return command(self.name or "").make_context(info_name, args, parent, **extra)


def _tell_version(asked: bool) -> None:  # noqa: FBT001 - Typer's form of a callback
    if asked:
        print(f"keepwell {version('keepwell')}")
        raise typer.Exit


@root.callback()
def keepwell(
    _: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version.")] = False,  # noqa: FBT002
) -> None:
    """A multi-tenant health-information backend that keeps what it is told, proves it, and watches itself.

    Settings are environment variables KEEPWELL_*, also read from .env; see `keepwell settings`.
    """


def _stand_in() -> None:
    """Never run: `Later` hands over before."""


for _name, _help in COMMANDS.items():
    root.command(_name, cls=Later, help=_help)(_stand_in)


def main() -> None:
    """The entry point: what an operator can mend becomes a sentence and an exit status, without a traceback."""
    try:
        root()
    except Exception as error:
        told: tuple[str, int] | None = import_module("keepwell.main.failures").told(error)
        if told is None:
            raise
        print(f"keepwell: {told[0]}", file=sys.stderr)
        sys.exit(told[1])


if __name__ == "__main__":
    main()
