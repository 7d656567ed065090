"""A server whose PostgreSQL and Valkey stand behind proxies that can be slow, silent or gone."""

import base64
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.proxy import Proxy
from tests.support.server import Server, running

POOL_WAIT = 1.0
STATEMENT = 2.0
SETTINGS = {
    "pool_wait_s": str(POOL_WAIT),
    "connect_timeout_s": "1",
    "statement_timeout_s": str(STATEMENT),
    "gather_max_batch": "8",
    "gather_queue": "64",  # so that a hundred clients are a crowd
    "master_key": base64.b64encode(os.urandom(32)).decode(),
}
BOUND = 2 * POOL_WAIT + STATEMENT + 1 + 6
"""No request takes longer than this, in seconds: the wait in the queue, the wait for a connection, a statement that never
ends and the second more that the driver gives it; and a busy machine."""


@dataclass
class Surrounded:
    """A running server and what stands between it and its parts. Each test leaves both proxies open."""

    server: Server
    postgres: Proxy
    valkey: Proxy

    def heal(self) -> None:
        self.postgres.resume()
        self.valkey.resume()


@pytest.fixture(scope="module")
def proxied(cluster: Cluster, worker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surrounded]:
    """Not started yet."""
    urls = cluster.clone(f"chaos_{worker}")
    with ExitStack() as stack:
        stack.callback(cluster.drop, urls.name)
        postgres = stack.enter_context(Proxy.to_postgres(urls.owner))
        valkey = stack.enter_context(Proxy.to_valkey(cluster.servers.valkey_url))
        addresses = {
            "database_url": postgres.postgres_url(urls.owner),
            "valkey_url": valkey.valkey_url(cluster.servers.valkey_url),
        }
        folder: Path = tmp_path_factory.mktemp("chaos") / "data"
        settings = {**SETTINGS, **addresses}
        server = stack.enter_context(running(folder, start=False, settings=settings, superuser=urls.superuser))
        yield Surrounded(server, postgres, valkey)


@pytest.fixture
def surrounded(proxied: Surrounded) -> Iterator[Surrounded]:
    """Running, and well."""
    proxied.heal()
    if not proxied.server.started:
        proxied.server.start()
    proxied.server.await_ready()
    yield proxied
    proxied.heal()
    proxied.server.await_ready()
