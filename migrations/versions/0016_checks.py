"""Checks of monitors: when they are due, what came of them, what follows from it."""

from keepwell.platform.migrations import run_sql

revision = "0016_checks"
down_revision = "0015_monitors"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
