"""Partitions made ahead even when a row of their month is there already, by a clock that ran wild."""

from keepwell.platform.migrations import run_sql

revision = "0005_partitions"
down_revision = "0004_known_states"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
