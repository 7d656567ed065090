"""Following aggregates: their entries since a version, and how far they are."""

from keepwell.platform.migrations import run_sql

revision = "0006_follow"
down_revision = "0005_partitions"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
