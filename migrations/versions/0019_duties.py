"""What watches over jobs and batches asks for, and when programs are next to be told of."""

from keepwell.platform.migrations import run_sql

revision = "0019_duties"
down_revision = "0018_statuspages"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
