"""Where the servers are: those of the settings, or embedded ones held for the life of this process."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Self

import msgspec
from pydantic import SecretStr

from keepwell.platform.embedded import EmbeddedServers, EmbeddedStartError, holds_database
from keepwell.platform.master_key import master_key
from keepwell.platform.settings import Settings, load

APP_ROLE = "keepwell_app"
AUDITOR_ROLE = "keepwell_auditor"


class Addresses(msgspec.Struct, frozen=True):
    """URLs, and the role each takes on after connecting (None: its login is that role).

    `app` is for all request work, `owner` for migrations only, `auditor` reads the journal of all clinics. The role of `app` is
    that of `replicas` too.
    """

    app: str
    owner: str
    auditor: str
    valkey: str
    app_role: str | None = None
    auditor_role: str | None = None
    replicas: tuple[str, ...] = ()


class Servers:
    """The servers this process works with. Embedded ones stay up at least until `close`."""

    def __init__(self, addresses: Addresses, embedded: EmbeddedServers | None) -> None:
        self.addresses = addresses
        self._embedded = embedded

    @classmethod
    def attach(cls, settings: Settings) -> Self:
        """Finds the servers; starts embedded ones for what the settings do not name.

        Raises:
            EmbeddedStartError: an embedded server does not come up.
            InvalidSettingsError: there is no embedded database yet, and the master key for one cannot be used.
        """
        database, valkey = settings.database_url, settings.valkey_url
        if database is None and not holds_database(settings.data_dir):
            master_key(settings)  # before there is a database, so that none is ever without the key it is made with
        embedded = None
        if database is None or valkey is None:
            embedded = EmbeddedServers.attach(settings.data_dir, postgres=database is None, valkey=valkey is None)
        try:
            return cls(_addresses(settings, embedded), embedded)
        except BaseException:
            if embedded is not None:
                embedded.close()
            raise

    def close(self) -> None:
        if self._embedded is not None:
            self._embedded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def attached(*, new: bool = False) -> Generator[tuple[Servers, Settings]]:
    """The servers of the settings, for an operator's command. Only with `new` an embedded database is made where there is
    none: in a folder somebody did not mean, a proof of an empty one would be worth nothing.

    Raises:
        EmbeddedStartError: there is no database; or as `Servers.attach`.
        InvalidSettingsError: the settings cannot be used.
    """
    chosen = load()
    if not new and chosen.database_url is None and not holds_database(chosen.data_dir):
        where = chosen.data_dir.absolute()
        raise EmbeddedStartError(
            f"There is no database in {where}: set KEEPWELL_DATA_DIR, or make one with `keepwell db migrate`."
        )
    with Servers.attach(chosen) as servers:
        yield servers, chosen


def _addresses(settings: Settings, embedded: EmbeddedServers | None) -> Addresses:
    valkey = _text(settings.valkey_url) or (embedded.valkey_url if embedded else "")
    given = _text(settings.database_url)
    replicas = tuple(url.get_secret_value() for url in settings.replica_urls)
    if given is None:
        if embedded is None:  # pragma: no cover - `attach` starts one then
            raise ValueError("no database")
        return Addresses(embedded.app_url, embedded.migration_url, embedded.auditor_url, valkey, replicas=replicas)
    owner = _text(settings.database_migration_url)
    auditor = _text(settings.database_auditor_url)
    return Addresses(
        app=given,
        owner=owner or given,
        auditor=auditor or owner or given,
        valkey=valkey,
        app_role=None if owner else APP_ROLE,
        auditor_role=None if auditor else AUDITOR_ROLE,
        replicas=replicas,
    )


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
