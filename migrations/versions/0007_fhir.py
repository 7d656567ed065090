"""Participants, and what FHIR searches find them and responses by."""

from keepwell.platform.migrations import run_sql

revision = "0007_fhir"
down_revision = "0006_follow"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
