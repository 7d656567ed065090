"""Status pages of clinics."""

from keepwell.platform.migrations import run_sql

revision = "0018_statuspages"
down_revision = "0017_notifications"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
