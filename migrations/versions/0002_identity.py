"""Clinics, accounts and sessions, and the directory that answers before login."""

from keepwell.platform.migrations import run_sql

revision = "0002_identity"
down_revision = "0001_spine"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
