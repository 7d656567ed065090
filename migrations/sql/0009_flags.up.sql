-- Feature flags: which a clinic has set, and where roll-outs are under way. Who is in them lies encrypted in the aggregate.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- Keys are names from the program. `watched`: a roll-out is under way, or went back and may have to go further.
CREATE TABLE flag (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    key text NOT NULL,
    watched boolean NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX flag_watched ON flag (tenant_id, id) WHERE watched;

ALTER TABLE flag ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON flag TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY directory ON flag FOR SELECT TO keepwell_directory USING (true);
GRANT SELECT, INSERT, UPDATE ON flag TO keepwell_app;
GRANT SELECT ON flag TO keepwell_directory;

-- For the worker, which moves the roll-outs of all clinics.
CREATE FUNCTION directory_rollouts() RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.tenant_id, f.id FROM public.flag f WHERE f.watched ORDER BY f.tenant_id, f.id
$$;

-- For operators, who may turn something off everywhere.
CREATE FUNCTION directory_all_clinics() RETURNS TABLE (id uuid, slug text, name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name FROM public.tenant t WHERE t.active ORDER BY t.slug
$$;

REVOKE ALL ON FUNCTION directory_rollouts(), directory_all_clinics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_rollouts(), directory_all_clinics() TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_directory;
ALTER FUNCTION directory_rollouts() OWNER TO keepwell_directory;
ALTER FUNCTION directory_all_clinics() OWNER TO keepwell_directory;
REVOKE CREATE ON SCHEMA public FROM keepwell_directory;
