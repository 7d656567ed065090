"""Anomalies: what is known of each series of a monitor, and when one was not as usual."""

from keepwell.platform.migrations import run_sql

revision = "0021_anomalies"
down_revision = "0020_fresh_tokens"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
