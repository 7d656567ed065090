"""Counts that are telemetry, in one table."""

from keepwell.platform.migrations import run_sql

revision = "0008_tally"
down_revision = "0007_fhir"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
