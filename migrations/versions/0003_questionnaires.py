"""Questionnaires and responses: the tables they are found by."""

from keepwell.platform.migrations import run_sql

revision = "0003_questionnaires"
down_revision = "0002_identity"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
