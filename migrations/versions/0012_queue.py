"""The queue of jobs, and what workers may do with those of all clinics."""

from keepwell.platform.migrations import run_sql

revision = "0012_queue"
down_revision = "0011_keys"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
