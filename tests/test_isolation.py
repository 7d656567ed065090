"""No path crosses between tenants: the matrix of every table and operation, and the structure that makes it so.

Each check is shown to bite: on a schema broken in the way it is meant to notice, it must fail.
"""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.support.cluster import Cluster, DatabaseUrls
from tests.support.isolation import OPERATIONS, OTHER, OWN, SETTINGS, Connection, failures, seed, tables

UNKEYED = {
    "alembic_version": "which migration was the last; of no tenant",
    "checkpoint": "hashes over all tenants together; only the auditor reaches it",
}
"""Tables whose primary key does not start with tenant_id, and why."""

SHARED = {"alembic_version": "readiness compares it with what the program expects"}
"""Tables of no tenant that the application may read, and why."""

UNIQUE_ACROSS = {
    "alembic_version_pkc": "see above",
    "checkpoint_pkey": "see above",
    "tenant_slug_key": "a short name stands in addresses; only operators make clinics, so a taken one tells nobody anything",
}
"""Unique indexes over more than one tenant, and why: each tells whether somebody else has a value."""

DEFINERS = {
    "ensure_partitions": "makes next months' partitions; the application may not create tables",
    "purge_idempotency": "deletes expired keys of all tenants; shows none of them",
    "purge_tally": "deletes old counts of all tenants; shows none of them",
    "check_follow": "brings the schedule of checks to what the monitors of all clinics are now; counts what changed",
    "check_tick": "puts what is due in all clinics before the workers; counts it",
    "check_expire": "gives up checks of all clinics that nobody began; counts them",
    "check_claim": "hands checks of all clinics to a worker: ids, instants and words only",
    "check_prolong": "prolongs what one worker holds; counts it",
    "check_release": "puts off checks that their worker holds",
    "check_give_back": "frees checks of a worker that ends",
    "check_load": "shows states and votes of named monitors to who judges them, across clinics",
    "check_store": "stores results of checks that their worker holds, and shows what is to be judged, as check_load does",
    "check_decide": "sets the states of monitors of several clinics, where nobody did meanwhile",
    "check_unjudged": "names the monitors of all clinics of which something was stored and not judged",
    "check_untold": "names the transitions of all clinics that no incident followed from yet",
    "check_told": "notes that incidents followed from transitions",
    "check_beat": "keeps a sign of life, or its absence, before anybody has said who they are",
    "check_beats_due": "names the heartbeats of all clinics that are due, for the scheduler that judges them",
    "check_held": "names the checks of all clinics that could not be made, for operators",
    "check_redrive": "lets an operator have checked again what is held",
    "check_measures": "counts the checks of all clinics that lie there, by region",
    "check_partitions": "makes next days' partitions of results and drops old ones; the application may not",
    "check_trim": "deletes the oldest results of clinics with too many; shows none of them",
    "check_settled": "sums up results of named monitors for the detector of anomalies, across clinics: instants and numbers only",
    "anomaly_follow": "begins and ends series, as the monitors of all clinics begin and end",
    "anomaly_claim": "hands series of all clinics to who feeds the detector: ids, instants and what it has learned",
    "anomaly_save": "keeps what detectors learned of several clinics' series, where nobody did meanwhile, and anomalies",
    "anomaly_untold": "names the anomalies of all clinics whose incidents are to be opened or resolved",
    "anomaly_told": "notes that incidents followed from anomalies",
    "anomaly_purge": "deletes old anomalies of all clinics; shows none of them",
    "job_claim": "hands jobs of all clinics to a worker: ids and names only",
    "job_beat": "prolongs what one worker holds; names the jobs",
    "job_finish": "deletes a job that its worker has done",
    "job_finish_all": "deletes jobs of several clinics that their worker has done; says which it held",
    "job_fail": "puts a job off, or holds it, for the worker that failed at it",
    "job_give_back": "frees a job of a worker that ends",
    "job_redrive": "lets an operator free what is held",
    "job_held": "names the jobs of all clinics that failed for good, for operators",
    "job_measures": "counts the jobs of all clinics together",
    "job_clinics": "names the clinics whose jobs failed for good or wait too long, for the worker that tells them",
    "job_oldest_due": "says how long the oldest job of all clinics has been due",
    "job_purge": "deletes jobs of one clinic that failed for good long ago",
    "directory_open_incidents": "names open incidents of one kind in all clinics, for the worker that ends them by itself",
    "directory_clinic_by_slug": "names the active clinic of an address before anybody has logged in",
    "directory_clinics": "names the active clinics an address's accounts belong to, before login",
    "directory_all_clinics": "names all active clinics, for what operators do in each of them",
    "directory_rollouts": "names the flags with a roll-out under way in all clinics, for the worker that moves them",
    "directory_lapsed_emergencies": "names emergency access of all clinics that is over, for the worker that writes down its end",
    "directory_clinics_with_keys": "names the clinics with keys that can be used, for the worker that looks at how they are",
    "directory_batches": "names the batches that somebody has to work on in all clinics, for the worker that runs them",
    "directory_programs": "names the programs whose instants come from another zone database, for the worker that follows it",
    "directory_due_schedules": "names what has to run in all clinics, for the worker that runs it",
    "directory_incidents_to_follow": "names the incidents of all clinics that changed, for the notifier that follows them",
    "directory_due_channels": "names the channels of all clinics on which something is to be told, for the notifier",
    "directory_notification_measures": "counts what is not told of all clinics together",
    "directory_outdated_schedules": "names what another zone database told the time of, for the worker that puts it right",
    "directory_heartbeat": "finds the monitor of a heartbeat's digest over all clinics, before anybody has said who they are",
    "directory_other_clinics": "says whether any other clinic exists, for the demo's refusal to run beside one",
    "directory_any_clinic": "names the clinic of a short name, closed or not, for operators who destroy its keys",
    "directory_destroyed_keys": "names the clinics whose keys were destroyed, for every process, which must not open them",
    "directory_key_owners": "names the clinics that have keys, for operators who change the keys of all",
    "directory_accounts": "finds the accounts of a blind e-mail index over all clinics, before login",
}
"""SECURITY DEFINER functions, and why their owner's rights are needed."""

POLICIES = {
    (
        "aggregate",
        "auditor",
        "keepwell_auditor",
        "SELECT",
    ): "verification compares heads of all tenants (no state: column grants)",
    ("journal_entry", "auditor", "keepwell_auditor", "SELECT"): "verification walks all chains",
    ("access_record", "auditor", "keepwell_auditor", "SELECT"): "verification walks all records",
    ("checkpoint", "auditor", "keepwell_auditor", "ALL"): "the auditor makes and reads checkpoints",
    ("idempotency", "maintenance", "keepwell_maintenance", "ALL"): "expired keys are purged for all tenants",
    ("tally", "maintenance", "keepwell_maintenance", "ALL"): "old counts are purged for all tenants",
    ("job", "maintenance", "keepwell_maintenance", "ALL"): "workers do the jobs of all clinics, by the functions above",
    **{
        (table, "maintenance", "keepwell_maintenance", "ALL"): "schedulers and workers see to all clinics, by the functions above"
        for table in (
            "check_schedule",
            "check_run",
            "check_result",
            "check_rollup",
            "check_request",
            "monitor_state",
            "monitor_transition",
            "anomaly_series",
            "anomaly",
        )
    },
    ("tenant", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    ("user_account", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    ("tenant_key", "directory", "keepwell_directory", "SELECT"): "the directory functions (no key: column grants)",
    ("schedule", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    **{
        (table, "directory", "keepwell_directory", "SELECT"): "the directory functions"
        for table in ("incident", "alert", "notification")
    },
    ("monitor", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    ("monitor", "maintenance", "keepwell_maintenance", "SELECT"): "the scheduler follows the monitors of all clinics",
    ("flag", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    ("api_key", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    ("emergency_access", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    ("batch_part", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    ("batch", "directory", "keepwell_directory", "SELECT"): "the directory functions",
    ("program", "directory", "keepwell_directory", "SELECT"): "the directory functions",
}
"""Policies besides the one of a tenant's own rows, and why."""


def connect(url: str) -> Connection:
    return psycopg.connect(url, autocommit=True)


@pytest.fixture(scope="module")
def seeded(cluster: Cluster, worker: str) -> Iterator[DatabaseUrls]:
    """The real schema with rows of two tenants in every table."""
    urls = cluster.clone(f"isolation_{worker}")
    with connect(urls.superuser) as everything:
        seed(everything)
    yield urls
    cluster.drop(urls.name)


@pytest.fixture
def broken(cluster: Cluster, seeded: DatabaseUrls, worker: str) -> Iterator[DatabaseUrls]:
    """A copy of it, to be broken."""
    urls = cluster.clone(f"broken_{worker}", seeded.name)
    yield urls
    cluster.drop(urls.name)


def matrix(urls: DatabaseUrls, operation: str, setting: str) -> list[str]:
    with connect(urls.app) as app, connect(urls.superuser) as everything:
        return failures(app, everything, operation, setting, SHARED)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_crosses_between_tenants(seeded: DatabaseUrls, operation: str, setting: str):
    assert matrix(seeded, operation, setting) == []


def test_the_matrix_covers_the_tables_of_every_room(seeded: DatabaseUrls):
    with connect(seeded.superuser) as everything:
        found = {table.name: table for table in tables(everything)}
    assert {"aggregate", "journal_entry", "access_record", "journal_entry_default", "user_account", "response"} <= set(found)
    assert {name for name, table in found.items() if not table.has_tenant} == set(UNKEYED)
    assert "select" in found["aggregate"].allowed
    assert "delete" not in found["aggregate"].allowed
    assert not found["checkpoint"].allowed
    assert found["alembic_version"].allowed == {"select", "copy to"}
    assert not found["journal_entry_default"].allowed


def test_both_tenants_have_rows_in_every_table(seeded: DatabaseUrls):
    """Or the matrix would prove nothing."""
    with connect(seeded.superuser) as everything:
        for table in tables(everything):
            if table.has_tenant and table.allowed:
                statement = f"SELECT count(DISTINCT tenant_id) FROM {table.name} WHERE tenant_id IN ('{OWN}', '{OTHER}')"
                assert one(everything, statement) == 2, table.name


# What the catalog must look like. Each flaw is one sentence.


def unguarded(db: Connection) -> list[str]:
    """Tables without row-level security that binds their owner too."""
    return rows(
        db,
        "SELECT relname || ' does not force row-level security' FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity)",
    )


def wrong_policies(db: Connection) -> list[str]:
    """Tenant policies that are not exactly the one allowed, and other policies nobody has given a reason for."""
    guard = "(tenant_id = current_tenant())"
    found: list[str] = []
    query = "SELECT tablename, policyname, roles::text[], cmd, permissive, qual, with_check FROM pg_policies"
    for table, policy, roles, cmd, permissive, qual, check in db.execute(query).fetchall():
        tenant = (policy, roles, cmd, permissive, qual, check) == ("tenant", ["keepwell_app"], "ALL", "PERMISSIVE", guard, guard)
        known = len(roles) == 1 and (table, policy, roles[0], cmd) in POLICIES
        if not tenant and not known:
            found.append(f"policy {policy} of {table} is neither the tenant's nor listed")
    return found


def unpoliced(db: Connection) -> list[str]:
    """Tables the application may use that have no tenant policy."""
    policed = set(rows(db, "SELECT tablename FROM pg_policies WHERE schemaname = 'public' AND policyname = 'tenant'"))
    return [
        f"{table.name} has no tenant policy" for table in tables(db) if table.allowed and table.name not in {*policed, *SHARED}
    ]


def unkeyed(db: Connection) -> list[str]:
    """Primary keys and unique indexes that do not start with the tenant, unless listed; tables without a primary key."""
    found: list[str] = []
    query = (
        "SELECT c.relname, i.relname, x.indisprimary, a.attname FROM pg_index x"
        " LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]"
        " JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid"
        " WHERE c.relnamespace = 'public'::regnamespace AND x.indisunique"
    )
    keyed: set[str] = set()
    for table, index, primary, first in db.execute(query).fetchall():
        keyed |= {table} if primary else set()
        if first != "tenant_id" and index not in UNIQUE_ACROSS:
            found.append(f"{index} of {table} is unique over all tenants")
    return found + [f"{table.name} has no primary key" for table in tables(db) if table.name not in keyed]


def crossing_references(db: Connection) -> list[str]:
    """Foreign keys that do not carry the tenant on both sides, in the same place."""
    query = (
        "SELECT conname, conrelid::regclass, conrelid, confrelid, conkey, confkey FROM pg_constraint"
        " WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    )
    found: list[str] = []
    for name, table, here, there, columns, targets in db.execute(query).fetchall():
        pairs = [
            (attribute(db, here, column), attribute(db, there, target)) for column, target in zip(columns, targets, strict=True)
        ]
        if ("tenant_id", "tenant_id") not in pairs:
            found.append(f"foreign key {name} of {table} can point into another tenant")
    return found


def views_with_owners_rights(db: Connection) -> list[str]:
    """Views that look with their owner's eyes; materialized ones always do."""
    query = """
        SELECT 'view ' || relname || ' looks with its owner''s rights' FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
            AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false))
    """
    return rows(db, query)


def loose_definers(db: Connection) -> list[str]:
    """SECURITY DEFINER functions that nobody gave a reason for, that anyone may call, or whose search_path can be bent."""
    found: list[str] = []
    query = (
        "SELECT proname, proconfig, has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )
    for name, config, public in db.execute(query).fetchall():
        path = [setting.removeprefix("search_path=") for setting in config or () if setting.startswith("search_path=")]
        if name not in DEFINERS:
            found.append(f"{name} has its owner's rights and no reason")
        if public:
            found.append(f"anyone may call {name}")
        if not path or not path[0].startswith("pg_catalog") or not path[0].endswith("pg_temp"):
            found.append(f"the search_path of {name} is not pinned")
    return found


def mighty_roles(db: Connection) -> list[str]:
    """Roles of ours that could go round the policies, or become one that can."""
    ours = "('keepwell_app', 'keepwell_auditor', 'keepwell_directory', 'keepwell_maintenance')"
    might = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb"
    return [
        *rows(db, f"SELECT rolname || ' is too mighty' FROM pg_roles WHERE rolname IN {ours} AND ({might})"),
        *rows(db, "SELECT 'keepwell_app owns ' || relname FROM pg_class WHERE relowner = 'keepwell_app'::regrole"),
        *rows(
            db,
            "SELECT member::regrole || ' may become ' || roleid::regrole FROM pg_auth_members"
            f" WHERE member::regrole::text IN {ours}",
        ),
    ]


STRUCTURE: tuple[Callable[[Connection], list[str]], ...] = (
    unguarded,
    wrong_policies,
    unpoliced,
    unkeyed,
    crossing_references,
    views_with_owners_rights,
    loose_definers,
    mighty_roles,
)


@pytest.mark.parametrize("check", STRUCTURE, ids=lambda check: check.__name__)
def test_the_structure_isolates_tenants(fresh_database: DatabaseUrls, check: Callable[[Connection], list[str]]):
    with connect(fresh_database.superuser) as db:
        assert check(db) == []


def test_every_listed_exception_still_exists(fresh_database: DatabaseUrls):
    with connect(fresh_database.superuser) as db:
        policies = db.execute("SELECT tablename, policyname, unnest(roles)::text, cmd FROM pg_policies").fetchall()
        assert set(POLICIES) <= set(policies)
        assert set(DEFINERS) == set(
            rows(db, "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef")
        )
        assert set(UNIQUE_ACROSS) <= set(rows(db, "SELECT relname FROM pg_class WHERE relkind = 'i'"))


# Negative controls: what each check must notice.

BREAK_MATRIX = {
    "no policy": ("DROP POLICY tenant ON aggregate", "select", "own tenant"),
    "row security off": ("ALTER TABLE aggregate DISABLE ROW LEVEL SECURITY", "select", "other tenant"),
    "row security off, unset": ("ALTER TABLE aggregate DISABLE ROW LEVEL SECURITY", "select", "no tenant"),
    "row security off, insert": ("ALTER TABLE journal_entry DISABLE ROW LEVEL SECURITY", "insert", "other tenant"),
    "row security off, update": ("ALTER TABLE response DISABLE ROW LEVEL SECURITY", "update", "empty tenant"),
    "row security off, copy to": ("ALTER TABLE user_account DISABLE ROW LEVEL SECURITY", "copy to", "other tenant"),
    "row security off, copy from": ("ALTER TABLE user_account DISABLE ROW LEVEL SECURITY", "copy from", "no tenant"),
    "deletion without policy": (
        "GRANT DELETE ON aggregate TO keepwell_app; ALTER TABLE aggregate DISABLE ROW LEVEL SECURITY",
        "delete",
        "other tenant",
    ),
    "a policy that sees all": (
        "CREATE POLICY more ON access_record FOR SELECT TO keepwell_app USING (true)",
        "select",
        "other tenant",
    ),
    "a policy that fails open": (
        "ALTER POLICY tenant ON tenant_key USING (current_tenant() IS NULL OR tenant_id = current_tenant())",
        "select",
        "no tenant",
    ),
    "a policy that takes any row": ("ALTER POLICY tenant ON idempotency WITH CHECK (true)", "insert", "other tenant"),
    "a policy that lets rows go": ("ALTER POLICY tenant ON questionnaire WITH CHECK (true)", "move", "own tenant"),
    "an open partition": (
        "GRANT SELECT ON journal_entry_default TO keepwell_app; ALTER TABLE journal_entry_default DISABLE ROW LEVEL SECURITY",
        "select",
        "other tenant",
    ),
    "checkpoints in the open": (
        "GRANT SELECT ON checkpoint TO keepwell_app; ALTER TABLE checkpoint DISABLE ROW LEVEL SECURITY",
        "select",
        "no tenant",
    ),
}


@pytest.mark.parametrize("fault", BREAK_MATRIX)
def test_the_matrix_notices(broken: DatabaseUrls, fault: str):
    statements, operation, setting = BREAK_MATRIX[fault]
    alter(broken, statements)
    assert len(matrix(broken, operation, setting)) == 1


BREAK_STRUCTURE: dict[str, tuple[str, Callable[[Connection], list[str]]]] = {
    "not forced": ("ALTER TABLE aggregate NO FORCE ROW LEVEL SECURITY", unguarded),
    "disabled": ("ALTER TABLE response DISABLE ROW LEVEL SECURITY", unguarded),
    "a new table": ("CREATE TABLE loose (tenant_id uuid PRIMARY KEY)", unguarded),
    "a dropped policy": ("DROP POLICY tenant ON response", unpoliced),
    "a second policy": ("CREATE POLICY more ON response TO keepwell_app USING (true)", wrong_policies),
    "another condition": ("ALTER POLICY tenant ON response USING (true)", wrong_policies),
    "a policy for all": ("ALTER POLICY tenant ON response TO public", wrong_policies),
    "a key without tenant": ("CREATE TABLE loose (id uuid PRIMARY KEY, tenant_id uuid)", unkeyed),
    "no key": ("CREATE TABLE loose (tenant_id uuid)", unkeyed),
    "unique over all": ("CREATE UNIQUE INDEX ON response (id)", unkeyed),
    "a crossing reference": (
        """CREATE UNIQUE INDEX target ON response (id);
        CREATE TABLE loose (tenant_id uuid, id uuid REFERENCES response (id), PRIMARY KEY (tenant_id, id))""",
        crossing_references,
    ),
    "a swapped reference": (
        """CREATE TABLE loose (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (id, tenant_id) REFERENCES response (tenant_id, id))""",
        crossing_references,
    ),
    "a view": ("CREATE VIEW everything AS SELECT * FROM response", views_with_owners_rights),
    "a stored view": ("CREATE MATERIALIZED VIEW everything AS SELECT * FROM response", views_with_owners_rights),
    "an unknown definer": (
        """CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS 'SELECT count(*) FROM public.response'; REVOKE ALL ON FUNCTION peek FROM PUBLIC""",
        loose_definers,
    ),
    "a loose path": ("ALTER FUNCTION directory_accounts(bytea) RESET search_path", loose_definers),
    "a bent path": ("ALTER FUNCTION directory_accounts(bytea) SET search_path = public, pg_temp", loose_definers),
    "anyone's definer": ("GRANT EXECUTE ON FUNCTION directory_accounts(bytea) TO PUBLIC", loose_definers),
    "an owner": ("GRANT CREATE ON SCHEMA public TO keepwell_app; ALTER TABLE response OWNER TO keepwell_app", mighty_roles),
}


@pytest.mark.parametrize("fault", BREAK_STRUCTURE)
def test_the_structure_checks_notice(broken: DatabaseUrls, fault: str):
    statements, check = BREAK_STRUCTURE[fault]
    alter(broken, statements)
    with connect(broken.superuser) as db:
        assert len(check(db)) >= 1


def test_a_view_with_its_callers_rights_is_no_flaw(broken: DatabaseUrls):
    alter(broken, "CREATE VIEW mine WITH (security_invoker = true) AS SELECT * FROM response")
    with connect(broken.superuser) as db:
        assert views_with_owners_rights(db) == []


def alter(urls: DatabaseUrls, statements: str) -> None:
    with connect(urls.superuser) as everything:
        everything.execute(statements.encode())


def rows(db: Connection, query: str) -> list[Any]:
    return [row[0] for row in db.execute(query.encode()).fetchall()]


def one(db: Connection, query: str) -> Any:
    [found] = rows(db, query)
    return found


def attribute(db: Connection, table: int, number: int) -> str:
    return one(db, f"SELECT attname FROM pg_attribute WHERE attrelid = {int(table)} AND attnum = {int(number)}")
