"""The spine: state, journal, access records, idempotency, tenant keys, checkpoints."""

from keepwell.platform.migrations import run_sql

revision = "0001_spine"
down_revision = None


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
