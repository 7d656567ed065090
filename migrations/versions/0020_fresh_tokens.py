"""Tokens of new participants, written without looking for older ones."""

from keepwell.platform.migrations import run_sql

revision = "0020_fresh_tokens"
down_revision = "0019_duties"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
