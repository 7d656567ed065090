"""Keys, incidents, emergency access, vendors: the columns they are found by; more kinds of credentials than sessions."""

from keepwell.platform.migrations import run_sql

revision = "0011_keys"
down_revision = "0010_rotation"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
