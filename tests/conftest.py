"""Fixtures that every test may ask for: real servers, an empty database, a clock that obeys, the shared forms."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import valkey

from tests.support.clock import ManualClock
from tests.support.cluster import Cluster, DatabaseUrls

_CLUSTER = "KEEPWELL_TESTS_CLUSTER"
_OURS = (_CLUSTER, "KEEPWELL_LONG", "KEEPWELL_CHAOS_ROUNDS")
_names = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """The run's own settings must not come from the machine it runs on."""
    for name in [name for name in os.environ if name.startswith("KEEPWELL_") and name not in _OURS]:
        del os.environ[name]
    if not hasattr(config, "workerinput"):
        os.environ[_CLUSTER] = tempfile.mkdtemp(prefix="keepwell-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(_CLUSTER), ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("KEEPWELL_LONG") != "1":
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: set KEEPWELL_LONG=1"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The PostgreSQL and Valkey of this run, shared with the other workers."""
    cluster = Cluster(Path(os.environ[_CLUSTER]) / "data")
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def worker() -> str:
    """The name of this xdist worker, `gw0` and so on; `main` without workers."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def database_urls(cluster: Cluster, worker: str) -> DatabaseUrls:
    """This worker's database: migrated, and holding whatever earlier tests left."""
    return cluster.clone(f"tests_{worker}")


@pytest.fixture
def clean_database(cluster: Cluster, database_urls: DatabaseUrls) -> Iterator[DatabaseUrls]:
    """This worker's database with no row in any table. Nothing is left of it either: it may have had a master key of its own."""
    cluster.empty(database_urls)
    yield database_urls
    cluster.empty(database_urls)


@pytest.fixture
def fresh_database(cluster: Cluster, worker: str) -> Iterator[DatabaseUrls]:
    """A migrated database for this test alone: for tests that change the schema or damage what is stored."""
    urls = cluster.clone(f"fresh_{worker}_{next(_names)}")
    yield urls
    cluster.drop(urls.name)


@pytest.fixture
def bare_database(cluster: Cluster, worker: str) -> Iterator[DatabaseUrls]:
    """A database without schema for this test alone."""
    urls = cluster.clone(f"bare_{worker}_{next(_names)}", "template0")
    yield urls
    cluster.drop(urls.name)


@pytest.fixture
def valkey_url(cluster: Cluster, worker: str) -> str:
    """An empty Valkey database of this worker. Channels of publish and subscribe are shared with the others."""
    number = 0 if worker == "main" else int(worker.removeprefix("gw")) % 15 + 1
    url = f"{cluster.servers.valkey_url}?db={number}"
    client: Any = valkey.Valkey.from_url(url)  # pyright: ignore[reportUnknownMemberType]
    with client:
        client.flushdb()
    return url


@pytest.fixture
def manual_clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real forms and reference data, kept beside the checkout because they are not ours to publish."""
    path = Path(__file__).parents[2] / "shared" / "data"
    if not path.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is not there")
        pytest.skip(f"{path} is not there")
    return path
