"""Programs, batches and their parts; what uploads consist of; what a batch said last of a participant."""

from keepwell.platform.migrations import run_sql

revision = "0013_enrollment"
down_revision = "0012_factors"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
