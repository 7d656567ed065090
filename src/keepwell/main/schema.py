"""The commands of `keepwell db`. They are apart because they alone need Alembic, which is large."""

from typing import Annotated

import typer

from keepwell.main.addresses import attached
from keepwell.main.exits import FAILED
from keepwell.platform import migrations
from keepwell.platform.revisions import UnknownRevisionError

root = typer.Typer()
db = typer.Typer(no_args_is_help=True, help="The schema of the database.")
root.add_typer(db, name="db")


@db.command("migrate")
def migrate() -> None:
    """Bring the schema to the newest revision. Safe to run by many at once."""
    with attached(new=True) as (servers, chosen):
        status = migrations.upgrade(servers.addresses.owner, attempts=chosen.migration_attempts)
        print(f"The schema is at {status.current}.")


@db.command("downgrade")
def downgrade(
    revision: Annotated[str, typer.Argument(help="A revision, -1 for one step, base for all of it.")] = "-1",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002
) -> None:
    """Take the schema back. What the dropped tables held is gone."""
    with attached() as (servers, chosen):
        if not yes:
            typer.confirm(f"Take the schema of this database back to {revision}, and lose what its tables hold?", abort=True)
        try:
            status = migrations.downgrade(servers.addresses.owner, revision, attempts=chosen.migration_attempts)
        except UnknownRevisionError as error:
            raise typer.BadParameter(str(error)) from None
        print(f"The schema is at {status.current or 'nothing'}.")


@db.command("check")
def check_schema() -> None:
    """Whether the schema is the newest and nobody changed it by hand; 1 when not."""
    with attached() as (servers, _):
        status = migrations.status(servers.addresses.owner)
        print(f"The schema is at {status.current or 'nothing'}; the newest is {status.head}.")
        for line in status.drift:
            print(f"  {line}")
        if not status.healthy:
            raise typer.Exit(FAILED)
