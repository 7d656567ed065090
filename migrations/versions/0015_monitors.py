"""Where monitors are found."""

from keepwell.platform.migrations import run_sql

revision = "0015_monitors"
down_revision = "0014_queue"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
