"""How far incidents were followed, channels, and what is to be told on them."""

from keepwell.platform.migrations import run_sql

revision = "0017_notifications"
down_revision = "0016_checks"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
