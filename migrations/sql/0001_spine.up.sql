-- The spine: state, journal, access records, idempotency, tenant keys, checkpoints, and the functions of the command path.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- Roles belong to the whole server, so they may exist already; a concurrent creator is no fault either.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['keepwell_app', 'keepwell_auditor', 'keepwell_directory', 'keepwell_maintenance'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO keepwell_app, keepwell_auditor, keepwell_directory, keepwell_maintenance;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

CREATE FUNCTION current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('app.tenant', true), '')::uuid;

-- One row an aggregate, of every kind. Everything in it can be rebuilt from the journal.
CREATE TABLE aggregate (
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    compartment bytea,
    valid_until timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    head bytea NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (tenant_id, kind, id)
) WITH (fillfactor = 75);
ALTER TABLE aggregate ALTER COLUMN state SET STORAGE EXTERNAL;

-- The journal. `xid` orders entries for the checkpoints: all transactions below a snapshot's xmin are complete.
-- It is a bigint because xid8 has no block range index; transaction ids with their epoch fit.
CREATE TABLE journal_entry (
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    id uuid NOT NULL,
    version integer NOT NULL,
    at timestamptz NOT NULL,
    event text NOT NULL,
    command text NOT NULL,
    actor uuid NOT NULL,
    role text NOT NULL,
    door text NOT NULL,
    request_id text NOT NULL,
    purpose text NOT NULL,
    payload bytea NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    xid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    PRIMARY KEY (tenant_id, kind, id, version, at)
) PARTITION BY RANGE (at);
ALTER TABLE journal_entry ALTER COLUMN payload SET STORAGE EXTERNAL;

-- Who saw what, and who was refused what. Written before the answer leaves.
CREATE TABLE access_record (
    tenant_id uuid NOT NULL,
    entity uuid NOT NULL,
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    version integer NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    actor uuid NOT NULL,
    role text NOT NULL,
    door text NOT NULL,
    request_id text NOT NULL,
    purpose text NOT NULL,
    hash bytea NOT NULL,
    xid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    PRIMARY KEY (tenant_id, entity, at, id)
) PARTITION BY RANGE (at);

CREATE TABLE journal_entry_default PARTITION OF journal_entry DEFAULT;
CREATE TABLE access_record_default PARTITION OF access_record DEFAULT;

CREATE INDEX journal_entry_at ON journal_entry USING brin (at);
CREATE INDEX journal_entry_xid ON journal_entry USING brin (xid);
CREATE INDEX access_record_at ON access_record USING brin (at);
CREATE INDEX access_record_xid ON access_record USING brin (xid);

CREATE TABLE idempotency (
    tenant_id uuid NOT NULL,
    key bytea NOT NULL,
    fingerprint bytea NOT NULL,
    outcome bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
ALTER TABLE idempotency ALTER COLUMN outcome SET STORAGE EXTERNAL;
CREATE INDEX idempotency_created_at ON idempotency USING brin (created_at);

CREATE TABLE tenant_key (
    tenant_id uuid NOT NULL,
    key_version integer NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key_version)
);

-- Signed Merkle roots over the whole journal and over all access records. Holds hashes only, of all tenants together.
CREATE TABLE checkpoint (
    log text NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    below bigint NOT NULL,
    root bytea NOT NULL,
    frontier bytea[] NOT NULL,
    at timestamptz NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (log, size)
);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['aggregate', 'journal_entry', 'access_record', 'idempotency', 'tenant_key'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO keepwell_app USING (tenant_id = current_tenant()) '
                       'WITH CHECK (tenant_id = current_tenant())', t);
    END LOOP;
    -- A partition reached by its own name has row security on and no policy: it shows nothing.
    FOREACH t IN ARRAY ARRAY['journal_entry_default', 'access_record_default', 'checkpoint'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['aggregate', 'journal_entry', 'access_record'] LOOP
        EXECUTE format('CREATE POLICY auditor ON %I FOR SELECT TO keepwell_auditor USING (true)', t);
    END LOOP;
END
$$;
CREATE POLICY auditor ON checkpoint TO keepwell_auditor USING (true) WITH CHECK (true);
CREATE POLICY maintenance ON idempotency TO keepwell_maintenance USING (true);

GRANT SELECT, INSERT, UPDATE ON aggregate, idempotency TO keepwell_app;
GRANT SELECT, INSERT ON tenant_key TO keepwell_app;
GRANT SELECT ON journal_entry, access_record TO keepwell_app;
-- Not xid: the order of the checkpoints is not the application's to choose.
GRANT INSERT (tenant_id, kind, id, version, at, event, command, actor, role, door, request_id, purpose, payload, previous, hash)
    ON journal_entry TO keepwell_app;
GRANT INSERT (tenant_id, entity, at, id, kind, version, action, outcome, actor, role, door, request_id, purpose, hash)
    ON access_record TO keepwell_app;
GRANT SELECT (tenant_id, kind, id, version, head, created_at, updated_at) ON aggregate TO keepwell_auditor;
GRANT SELECT ON journal_entry, access_record TO keepwell_auditor;
GRANT SELECT, INSERT ON checkpoint TO keepwell_auditor;
GRANT SELECT, DELETE ON idempotency TO keepwell_maintenance;

-- Monthly partitions, made ahead. Owner's rights, because the application role may not create tables.
CREATE FUNCTION ensure_partitions(from_month date, months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    parent text;
    first_day date;
    made integer := 0;
    name text;
BEGIN
    -- Two processes that make the same partition would deadlock on the parent.
    PERFORM pg_advisory_xact_lock(hashtext('keepwell.ensure_partitions'));
    IF months NOT BETWEEN 1 AND 120 THEN
        RAISE EXCEPTION 'months must be between 1 and 120';
    END IF;
    FOR i IN 0 .. months - 1 LOOP
        first_day := (date_trunc('month', from_month::timestamp) + make_interval(months => i))::date;
        FOREACH parent IN ARRAY ARRAY['journal_entry', 'access_record'] LOOP
            name := format('%s_%s', parent, to_char(first_day, 'YYYY_MM'));
            CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)', name, parent,
                           first_day::text || ' 00:00:00+00', (first_day + interval '1 month')::date::text || ' 00:00:00+00');
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION ensure_partitions(date, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_partitions(date, integer) TO keepwell_app;

CREATE FUNCTION purge_idempotency(before timestamptz, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM public.idempotency i
        USING (SELECT tenant_id, key FROM public.idempotency WHERE expires_at < before LIMIT most) old
        WHERE i.tenant_id = old.tenant_id AND i.key = old.key
        RETURNING 1)
    SELECT count(*) FROM gone
$$;
REVOKE ALL ON FUNCTION purge_idempotency(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge_idempotency(timestamptz, integer) TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
ALTER FUNCTION purge_idempotency(timestamptz, integer) OWNER TO keepwell_maintenance;
REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;

-- Loads what a batch needs, tenant by tenant, each under that one tenant's setting.
-- Segment i of an array runs from starts[i] to starts[i + 1] - 1. what: 1 aggregate, 2 idempotency key, 3 live credential.
-- LATERAL ... OFFSET 0 keeps the index look-up whatever the statistics said when the generic plan was made.
CREATE FUNCTION kernel_load(
    tenants uuid[],
    a_starts integer[], a_kind text[], a_id uuid[],
    k_starts integer[], k_key bytea[],
    c_starts integer[], c_id uuid[],
    moment timestamptz, take_locks boolean)
    RETURNS TABLE (what integer, tenant uuid, kind text, id uuid, version integer, compartment bytea, created_at timestamptz,
                   updated_at timestamptz, head bytea, body bytea, fingerprint bytea)
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    t uuid;
BEGIN
    FOR i IN 1 .. cardinality(tenants) LOOP
        t := tenants[i];
        PERFORM set_config('app.tenant', t::text, true);
        IF a_starts[i + 1] > a_starts[i] THEN
            IF take_locks THEN
                -- In the order given (sorted by the caller), so that two batches never wait for each other in a circle.
                FOR j IN a_starts[i] .. a_starts[i + 1] - 1 LOOP
                    PERFORM 1 FROM aggregate g WHERE g.tenant_id = t AND g.kind = a_kind[j] AND g.id = a_id[j] FOR NO KEY UPDATE;
                END LOOP;
            END IF;
            RETURN QUERY
                SELECT 1, t, g.kind, g.id, g.version, g.compartment, g.created_at, g.updated_at, g.head, g.state, NULL::bytea
                FROM unnest(a_kind[a_starts[i] : a_starts[i + 1] - 1], a_id[a_starts[i] : a_starts[i + 1] - 1]) AS w (kind, id)
                CROSS JOIN LATERAL (SELECT * FROM aggregate a WHERE a.tenant_id = t AND a.kind = w.kind AND a.id = w.id OFFSET 0) g;
        END IF;
        IF k_starts[i + 1] > k_starts[i] THEN
            RETURN QUERY
                SELECT 2, t, NULL::text, NULL::uuid, NULL::integer, NULL::bytea, NULL::timestamptz, NULL::timestamptz, n.key, n.outcome,
                       n.fingerprint
                FROM unnest(k_key[k_starts[i] : k_starts[i + 1] - 1]) AS w (key)
                CROSS JOIN LATERAL (SELECT * FROM idempotency d WHERE d.tenant_id = t AND d.key = w.key AND d.expires_at > moment
                                    OFFSET 0) n;
        END IF;
        IF c_starts[i + 1] > c_starts[i] THEN
            RETURN QUERY
                SELECT 3, t, NULL::text, g.id, NULL::integer, NULL::bytea, NULL::timestamptz, NULL::timestamptz, NULL::bytea,
                       NULL::bytea, NULL::bytea
                FROM unnest(c_id[c_starts[i] : c_starts[i + 1] - 1]) AS w (id)
                CROSS JOIN LATERAL (SELECT a.id FROM aggregate a WHERE a.tenant_id = t AND a.kind = 'session' AND a.id = w.id
                                    AND a.valid_until > moment OFFSET 0) g;
        END IF;
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$$;

-- Stores what a batch decided. Raises KW001 with the tenant in DETAIL when a version moved, a key was taken or an id exists:
-- nothing of the batch is stored then, and the caller decides again. Aggregates and keys come sorted within a tenant.
CREATE FUNCTION kernel_write(
    tenants uuid[],
    k_starts integer[], k_key bytea[], k_fingerprint bytea[], k_outcome bytea[], k_created timestamptz[], k_expires timestamptz[],
    s_starts integer[], s_kind text[], s_id uuid[], s_expected integer[], s_version integer[], s_compartment bytea[],
    s_valid_until timestamptz[], s_created timestamptz[], s_updated timestamptz[], s_head bytea[], s_state bytea[],
    e_starts integer[], e_kind text[], e_id uuid[], e_version integer[], e_at timestamptz[], e_event text[], e_command text[],
    e_actor uuid[], e_role text[], e_door text[], e_request_id text[], e_purpose text[], e_payload bytea[], e_previous bytea[],
    e_hash bytea[],
    r_starts integer[], r_entity uuid[], r_at timestamptz[], r_id uuid[], r_kind text[], r_version integer[], r_action text[],
    r_outcome text[], r_actor uuid[], r_role text[], r_door text[], r_request_id text[], r_purpose text[], r_hash bytea[])
    RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    t uuid;
    a integer;
    b integer;
    done integer;
    changed integer;
BEGIN
    FOR i IN 1 .. cardinality(tenants) LOOP
        t := tenants[i];
        PERFORM set_config('app.tenant', t::text, true);
        a := k_starts[i]; b := k_starts[i + 1] - 1;
        IF b >= a THEN
            INSERT INTO idempotency AS old (tenant_id, key, fingerprint, outcome, created_at, expires_at)
                SELECT t, * FROM unnest(k_key[a:b], k_fingerprint[a:b], k_outcome[a:b], k_created[a:b], k_expires[a:b])
                ON CONFLICT (tenant_id, key) DO UPDATE
                    SET fingerprint = excluded.fingerprint, outcome = excluded.outcome, created_at = excluded.created_at,
                        expires_at = excluded.expires_at
                    WHERE old.expires_at <= excluded.created_at;
            GET DIAGNOSTICS done = ROW_COUNT;
            IF done <> b - a + 1 THEN
                RAISE EXCEPTION 'twin' USING ERRCODE = 'KW001', DETAIL = t::text;
            END IF;
        END IF;
        a := s_starts[i]; b := s_starts[i + 1] - 1;
        IF b >= a THEN
            changed := 0;
            IF 0 = ANY (s_expected[a:b]) THEN
                INSERT INTO aggregate (tenant_id, kind, id, version, compartment, valid_until, created_at, updated_at, head, state)
                    SELECT t, n.kind, n.id, n.version, n.compartment, n.valid_until, n.created_at, n.updated_at, n.head, n.state
                    FROM unnest(s_kind[a:b], s_id[a:b], s_expected[a:b], s_version[a:b], s_compartment[a:b], s_valid_until[a:b],
                                s_created[a:b], s_updated[a:b], s_head[a:b], s_state[a:b])
                        AS n (kind, id, expected, version, compartment, valid_until, created_at, updated_at, head, state)
                    WHERE n.expected = 0
                    ON CONFLICT DO NOTHING;
                GET DIAGNOSTICS changed = ROW_COUNT;
            END IF;
            IF changed < b - a + 1 THEN
                UPDATE aggregate g
                    SET version = n.version, compartment = n.compartment, valid_until = n.valid_until, updated_at = n.updated_at,
                        head = n.head, state = n.state
                    FROM unnest(s_kind[a:b], s_id[a:b], s_expected[a:b], s_version[a:b], s_compartment[a:b], s_valid_until[a:b],
                                s_updated[a:b], s_head[a:b], s_state[a:b])
                        AS n (kind, id, expected, version, compartment, valid_until, updated_at, head, state)
                    WHERE g.tenant_id = t AND g.kind = n.kind AND g.id = n.id AND g.version = n.expected AND n.expected > 0;
                GET DIAGNOSTICS done = ROW_COUNT;
                changed := changed + done;
            END IF;
            IF changed <> b - a + 1 THEN
                RAISE EXCEPTION 'stale' USING ERRCODE = 'KW001', DETAIL = t::text;
            END IF;
        END IF;
        a := e_starts[i]; b := e_starts[i + 1] - 1;
        IF b >= a THEN
            INSERT INTO journal_entry (tenant_id, kind, id, version, at, event, command, actor, role, door, request_id, purpose,
                                       payload, previous, hash)
                SELECT t, * FROM unnest(e_kind[a:b], e_id[a:b], e_version[a:b], e_at[a:b], e_event[a:b], e_command[a:b], e_actor[a:b],
                                        e_role[a:b], e_door[a:b], e_request_id[a:b], e_purpose[a:b], e_payload[a:b],
                                        e_previous[a:b], e_hash[a:b]);
        END IF;
        a := r_starts[i]; b := r_starts[i + 1] - 1;
        IF b >= a THEN
            INSERT INTO access_record (tenant_id, entity, at, id, kind, version, action, outcome, actor, role, door, request_id,
                                       purpose, hash)
                SELECT t, * FROM unnest(r_entity[a:b], r_at[a:b], r_id[a:b], r_kind[a:b], r_version[a:b], r_action[a:b],
                                        r_outcome[a:b], r_actor[a:b], r_role[a:b], r_door[a:b], r_request_id[a:b], r_purpose[a:b],
                                        r_hash[a:b]);
        END IF;
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$$;

-- Reads of health information: finds the rows, writes one access record for each request, both under the one tenant's setting.
-- A compartment given holds the reader to it. The hash of a record covers what the caller knew (digest), the version and the outcome.
-- An entity of all zeros is a search: nothing to load, only to record.
CREATE FUNCTION kernel_read(
    tenants uuid[], starts integer[], r_kind text[], r_entity uuid[], r_compartment bytea[], r_credential uuid[],
    r_at timestamptz[], r_id uuid[], r_action text[], r_actor uuid[], r_role text[], r_door text[], r_request_id text[],
    r_purpose text[], r_digest bytea[], moment timestamptz)
    RETURNS TABLE (place integer, outcome text, version integer, created_at timestamptz, updated_at timestamptz, head bytea, state bytea)
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    t uuid;
    a integer;
    b integer;
BEGIN
    FOR i IN 1 .. cardinality(tenants) LOOP
        t := tenants[i];
        PERFORM set_config('app.tenant', t::text, true);
        a := starts[i]; b := starts[i + 1] - 1;
        RETURN QUERY
            WITH found AS MATERIALIZED (
                SELECT w.*, g.version, g.created_at, g.updated_at, g.head, g.state,
                       CASE WHEN w.credential IS NOT NULL AND c.id IS NULL THEN 'unauthenticated'
                            WHEN w.entity = '00000000-0000-0000-0000-000000000000' THEN 'ok'
                            WHEN g.version IS NULL THEN 'not-found'
                            WHEN w.compartment IS NOT NULL AND w.compartment IS DISTINCT FROM g.compartment THEN 'forbidden'
                            ELSE 'ok' END AS outcome
                FROM unnest(r_kind[a:b], r_entity[a:b], r_compartment[a:b], r_credential[a:b], r_at[a:b], r_id[a:b], r_action[a:b],
                            r_actor[a:b], r_role[a:b], r_door[a:b], r_request_id[a:b], r_purpose[a:b], r_digest[a:b]) WITH ORDINALITY
                    AS w (kind, entity, compartment, credential, at, id, action, actor, role, door, request_id, purpose, digest, place)
                LEFT JOIN LATERAL (SELECT * FROM aggregate g WHERE g.tenant_id = t AND g.kind = w.kind AND g.id = w.entity OFFSET 0) g ON true
                LEFT JOIN LATERAL (SELECT s.id FROM aggregate s WHERE s.tenant_id = t AND s.kind = 'session' AND s.id = w.credential
                                   AND s.valid_until > moment OFFSET 0) c ON true
            ), recorded AS (
                INSERT INTO access_record (tenant_id, entity, at, id, kind, version, action, outcome, actor, role, door, request_id,
                                           purpose, hash)
                SELECT t, f.entity, f.at, f.id, f.kind, coalesce(f.version, 0), f.action, f.outcome, f.actor, f.role, f.door,
                       f.request_id, f.purpose,
                       sha256(f.digest || int4send(coalesce(f.version, 0)) || convert_to(f.outcome, 'UTF8'))
                FROM found f
            )
            SELECT (a + f.place - 1)::integer, f.outcome, f.version, f.created_at, f.updated_at, f.head,
                   CASE WHEN f.outcome = 'ok' THEN f.state END
            FROM found f;
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$$;

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p
             WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN ('kernel_load', 'kernel_write', 'kernel_read') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO keepwell_app', f);
    END LOOP;
END
$$;

SELECT ensure_partitions((now() AT TIME ZONE 'UTC')::date, 4);
