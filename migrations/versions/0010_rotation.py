"""Rotation and destruction of keys: versions known before they are used, keys of the installation, how often keys changed."""

from keepwell.platform.migrations import run_sql

revision = "0010_rotation"
down_revision = "0009_flags"


def upgrade() -> None:
    run_sql(revision, "up")


def downgrade() -> None:
    run_sql(revision, "down")
