"""Feature flags: the columns they are found by, and what the worker and operators find over all clinics."""

from keepwell.platform.migrations import run_sql

revision = "0009_flags"
down_revision = "0008_tally"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
