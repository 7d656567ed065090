"""One running server for all tests of the contract that a worker runs: two API processes, the demo clinic and a second one."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.load import CLINICIAN, PASSWORD
from tests.support.mail_server import MailServer, mail_server_beside
from tests.support.server import Server, running

STRANGER = "clinician@other.test"
ADMIN = "admin@demo.test"
PATIENT = "patient@demo.test"


@pytest.fixture(scope="session")
def mail() -> Iterator[MailServer]:
    """Where the server's mail goes."""
    with mail_server_beside() as server:
        yield server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, mail: MailServer) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("contract") / "data", workers=2, settings={"smtp_url": mail.url}) as server:
        assert server.cli("tenants", "create", "other", "--name", "Other Clinic").returncode == 0
        options = ("--clinic", "other", "--name", "Stranger", "--role", "clinician", "--password-stdin")
        assert server.cli("users", "create", STRANGER, *options, given=f"{PASSWORD}\n").returncode == 0
        yield server


@contextmanager
def signed_in(server: Server, email: str) -> Generator[httpx.Client]:
    """A client of the running server under somebody's name."""
    with httpx.Client(base_url=server.base, timeout=20, trust_env=False) as client:
        answer = client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


@pytest.fixture
def clinician(server: Server) -> Iterator[httpx.Client]:
    with signed_in(server, CLINICIAN) as client:
        yield client


@pytest.fixture
def admin(server: Server) -> Iterator[httpx.Client]:
    with signed_in(server, ADMIN) as client:
        yield client


@pytest.fixture
def patient(server: Server) -> Iterator[httpx.Client]:
    with signed_in(server, PATIENT) as client:
        yield client


@pytest.fixture
def stranger(server: Server) -> Iterator[httpx.Client]:
    """A clinician of another clinic."""
    with signed_in(server, STRANGER) as client:
        yield client


@pytest.fixture
def nobody(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base, timeout=20, trust_env=False) as client:
        yield client
