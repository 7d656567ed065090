-- Where monitors are found: those of a clinic, what the scheduler has to check in all clinics, whose a heartbeat is, and what an import made.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- `regions` are names with commas between them. `active`: neither paused nor deleted. `version` is the aggregate's. `heartbeat` is the
-- SHA-256 of the token of its beats, `source` a keyed digest of what it is called in the file it came from; empty once it is deleted.
CREATE TABLE monitor (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    interval_s integer NOT NULL,
    regions text NOT NULL,
    priority text NOT NULL,
    paused boolean NOT NULL,
    deleted boolean NOT NULL,
    active boolean NOT NULL,
    parent uuid,
    version bigint NOT NULL,
    heartbeat bytea,
    source bytea,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT monitor_source UNIQUE (tenant_id, source)
);
CREATE INDEX monitor_heartbeat ON monitor (heartbeat) WHERE heartbeat IS NOT NULL;

ALTER TABLE monitor ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON monitor TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY directory ON monitor FOR SELECT TO keepwell_directory USING (true);
CREATE POLICY maintenance ON monitor FOR SELECT TO keepwell_maintenance USING (true);
GRANT SELECT, INSERT, UPDATE ON monitor TO keepwell_app;
GRANT SELECT ON monitor TO keepwell_directory, keepwell_maintenance;

-- Before anybody has said who they are: whose beat it is.
CREATE FUNCTION directory_heartbeat(digest bytea) RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT m.tenant_id, m.id FROM public.monitor m WHERE m.heartbeat = digest AND NOT m.deleted LIMIT 1
$$;
REVOKE ALL ON FUNCTION directory_heartbeat(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_heartbeat(bytea) TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_directory;
ALTER FUNCTION directory_heartbeat(bytea) OWNER TO keepwell_directory;
REVOKE CREATE ON SCHEMA public FROM keepwell_directory;
