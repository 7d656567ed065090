"""Second factors and login policies: the columns a login asks for; how the holder of a session proved who they are."""

from keepwell.platform.migrations import run_sql

revision = "0012_factors"
down_revision = "0011_keys"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
