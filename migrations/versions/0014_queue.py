"""The queue of jobs, and what workers may do with those of all clinics."""

from keepwell.platform.migrations import run_sql

revision = "0014_queue"
down_revision = "0013_enrollment"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
