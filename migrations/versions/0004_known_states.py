"""Reads that say which states they hold already, so that only others are sent."""

from keepwell.platform.migrations import run_sql

revision = "0004_known_states"
down_revision = "0003_questionnaires"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
