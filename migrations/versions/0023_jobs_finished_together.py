"""Jobs that are done at the same time, finished in one statement."""

from keepwell.platform.migrations import run_sql

revision = "0023_jobs_finished_together"
down_revision = "0022_batches_of_checks"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
