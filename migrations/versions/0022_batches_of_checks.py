"""Results of checks, found by hashing among the checks that a worker holds."""

from keepwell.platform.migrations import run_sql

revision = "0022_batches_of_checks"
down_revision = "0021_anomalies"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
