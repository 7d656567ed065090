"""Prints docs/permissions.md from the code and the matrix that tests hold the server to: `make permissions`."""

import sys
from collections.abc import Iterator

from keepwell.domains.identity import SCOPES
from keepwell.kernel.permissions import Permission, grant
from keepwell.main.rooms import catalog
from tests.support.matrix import NOT_ASKED, ROLES, ROWS

_BEGIN = """\
# Who may do what

Made by `make permissions`; a test compares it with the code. `all`: everything in one's own clinic. `own`: what
belongs to the person; other people's things are refused with 403, and their sessions are not there. `-`: refused with 403.
Things of another clinic are not there for anybody (404). Without credentials all but what is `public` is refused with 401.

## Scopes

In the syntax of SMART App Launch v2. `patient/` scopes reach the person's own compartment only.

| role | scopes |
|---|---|
"""
_COMMANDS = """
## Commands

What changes something, whatever the door. Rules narrow it further: a session is ended by its person, an administrator or an
operator, emergency access by who has it or an administrator, and nobody changes their own role. An emergency adds nothing to
what administrators may do: who of them begins one is answered 409 `no-more-access`. Sessions are started and continued by
logging in and by using them, with a permission for that one session.

| command | needs | admin | clinician | patient | over HTTP |
|---|---|---|---|---|---|
"""
_OPERATIONS = """
## Operations

Each cell is tried over HTTP on a running server, with things of one's own, of others, and of another clinic.

| operation | admin | clinician | patient | commands |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    scopes = "".join(f"| {role} | {', '.join(f'`{scope}`' for scope in SCOPES[role])} |\n" for role in SCOPES)
    return _BEGIN + scopes + _COMMANDS + "".join(_commands()) + _OPERATIONS + "".join(_operations())


def _commands() -> Iterator[str]:
    for aggregate in catalog().kinds.values():
        for command in aggregate.commands:
            cells = " | ".join(_extent(SCOPES[role], command.permission) for role in SCOPES)
            needed = f"`{command.permission.resource}.{command.permission.action}`"
            yield f"| `{command.name}` | {needed} | {cells} | {NOT_ASKED.get(command.name, 'yes')} |\n"


def _extent(scopes: tuple[str, ...], permission: Permission) -> str:
    granted = grant(scopes, permission)
    if granted is None:
        return "-"
    return "own" if granted.own_compartment_only else "all"


def _operations() -> Iterator[str]:
    for operation, row in ROWS.items():
        cells = " | ".join("public" if row.public else row.extent(role).replace("no", "-") for role in ROLES)
        yield f"| `{operation}` | {cells} | {', '.join(f'`{name}`' for name in row.commands)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
