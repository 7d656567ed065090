-- Keys that change: versions known before they are used, destroyed ones, and the installation's own keys.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- A version that is not active opens and does not seal yet. A destroyed one holds no key any more, and stays so that nobody makes
-- a new one in its place.
ALTER TABLE tenant_key ADD COLUMN active boolean NOT NULL DEFAULT true, ADD COLUMN destroyed_at timestamptz;
GRANT UPDATE ON tenant_key TO keepwell_app;
CREATE POLICY directory ON tenant_key FOR SELECT TO keepwell_directory USING (true);
GRANT SELECT (tenant_id, key_version, destroyed_at) ON tenant_key TO keepwell_directory;

-- Keys of the whole installation, by purpose and generation, wrapped by the master key. They lie under the nil tenant.
CREATE TABLE installation_key (
    tenant_id uuid NOT NULL CHECK (tenant_id = '00000000-0000-0000-0000-000000000000'),
    purpose text NOT NULL,
    generation integer NOT NULL CHECK (generation > 0),
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL,
    accepted_until timestamptz,
    PRIMARY KEY (tenant_id, purpose, generation)
);

-- How often any key changed: what processes compare to learn that they have to look again. One row, under the nil tenant.
CREATE TABLE key_epoch (
    tenant_id uuid NOT NULL CHECK (tenant_id = '00000000-0000-0000-0000-000000000000'),
    name text NOT NULL CHECK (name = 'keys'),
    epoch bigint NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

ALTER TABLE installation_key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE key_epoch ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON installation_key TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY tenant ON key_epoch TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON installation_key TO keepwell_app;
GRANT SELECT, INSERT, UPDATE ON key_epoch TO keepwell_app;

-- One round trip, because every process asks once a second.
CREATE FUNCTION kernel_key_epoch() RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    nil constant uuid := '00000000-0000-0000-0000-000000000000';
    found bigint;
BEGIN
    PERFORM set_config('app.tenant', nil::text, true);
    SELECT k.epoch INTO found FROM key_epoch k WHERE k.tenant_id = nil AND k.name = 'keys';
    PERFORM set_config('app.tenant', '', true);
    RETURN coalesce(found, 0);
END
$$;

-- For every process, which must not open what was destroyed, and for operators, who change the keys of all.
CREATE FUNCTION directory_destroyed_keys() RETURNS TABLE (tenant_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT k.tenant_id FROM public.tenant_key k WHERE k.destroyed_at IS NOT NULL
$$;

CREATE FUNCTION directory_key_owners() RETURNS TABLE (tenant_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT k.tenant_id FROM public.tenant_key k WHERE k.destroyed_at IS NULL ORDER BY k.tenant_id
$$;

-- For operators: the clinic of a short name, closed or not.
CREATE FUNCTION directory_any_clinic(wanted text) RETURNS TABLE (id uuid, slug text, name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name FROM public.tenant t WHERE t.slug = wanted
$$;

REVOKE ALL ON FUNCTION kernel_key_epoch(), directory_destroyed_keys(), directory_key_owners(), directory_any_clinic(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kernel_key_epoch(), directory_destroyed_keys(), directory_key_owners(), directory_any_clinic(text)
    TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_directory;
ALTER FUNCTION directory_destroyed_keys() OWNER TO keepwell_directory;
ALTER FUNCTION directory_key_owners() OWNER TO keepwell_directory;
ALTER FUNCTION directory_any_clinic(text) OWNER TO keepwell_directory;
REVOKE CREATE ON SCHEMA public FROM keepwell_directory;
