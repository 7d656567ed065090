-- Keys of service accounts, incidents, emergency access, vendors: the columns they are found by. Everything else of them lies
-- encrypted in the aggregate.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- `account`: the service account that the key speaks for. `valid_until`: the instant from which it is worth nothing.
CREATE TABLE api_key (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account uuid NOT NULL,
    state text NOT NULL,
    valid_until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- `subject` is what an incident is about: a kind from the program and an id.
CREATE TABLE incident (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    subject text NOT NULL,
    severity text NOT NULL,
    status text NOT NULL,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- One incident at a time about one thing, whoever notices it first.
CREATE UNIQUE INDEX incident_open_subject ON incident (tenant_id, subject) WHERE status <> 'resolved';

CREATE TABLE emergency_access (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    ended boolean NOT NULL,
    reviewed boolean NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX emergency_access_under_way ON emergency_access (expires_at) WHERE NOT ended;

-- `covered_until`: the last day on which the agreement on health information holds; null: there is none.
CREATE TABLE vendor (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name_index bytea NOT NULL,
    active boolean NOT NULL,
    covered_until date,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX vendor_name_key ON vendor (tenant_id, name_index) WHERE active;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['api_key', 'incident', 'emergency_access', 'vendor'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO keepwell_app USING (tenant_id = current_tenant()) '
                       'WITH CHECK (tenant_id = current_tenant())', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO keepwell_app', t);
    END LOOP;
END
$$;
CREATE POLICY directory ON emergency_access FOR SELECT TO keepwell_directory USING (true);
CREATE POLICY directory ON api_key FOR SELECT TO keepwell_directory USING (true);
GRANT SELECT ON emergency_access, api_key TO keepwell_directory;

-- For the worker, which writes down the end of emergency access that nobody ended.
CREATE FUNCTION directory_lapsed_emergencies(before timestamptz, most integer) RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.tenant_id, e.id FROM public.emergency_access e WHERE NOT e.ended AND e.expires_at <= before
    ORDER BY e.tenant_id, e.id LIMIT most
$$;

-- For the worker, which looks at how keys are used.
CREATE FUNCTION directory_clinics_with_keys(moment timestamptz) RETURNS TABLE (tenant_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT k.tenant_id FROM public.api_key k WHERE k.valid_until > moment ORDER BY k.tenant_id
$$;
REVOKE ALL ON FUNCTION directory_lapsed_emergencies(timestamptz, integer), directory_clinics_with_keys(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_lapsed_emergencies(timestamptz, integer), directory_clinics_with_keys(timestamptz)
    TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_directory;
ALTER FUNCTION directory_lapsed_emergencies(timestamptz, integer) OWNER TO keepwell_directory;
ALTER FUNCTION directory_clinics_with_keys(timestamptz) OWNER TO keepwell_directory;
REVOKE CREATE ON SCHEMA public FROM keepwell_directory;

-- The kinds of aggregates that let somebody in. The program's catalog holds the same list, and a test compares them.
CREATE FUNCTION credential_kinds() RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY['session', 'api-key'];
REVOKE ALL ON FUNCTION credential_kinds() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION credential_kinds() TO keepwell_app;

-- Loading, reading and waiting look for a live credential of any of these kinds instead of a session; nothing else of the
-- functions changes, nor do their signatures, so the release before this one goes on with them.
DO $$
DECLARE
    f regprocedure;
    before text;
BEGIN
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             AND proname IN ('kernel_load', 'kernel_read', 'kernel_versions') LOOP
        before := pg_get_functiondef(f);
        IF position('kind = ''session''' IN before) = 0 THEN
            RAISE EXCEPTION '% looks for no session', f;
        END IF;
        EXECUTE replace(before, 'kind = ''session''', 'kind = ANY (credential_kinds())');
    END LOOP;
END
$$;
