-- Enrollment: programs, batches of rows, the parts they are run in, and the pieces uploads consist of. Names and rows lie encrypted.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- `zones` is the version of the zone database that the instants were computed with.
CREATE TABLE program (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    zones text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- `runnable`: somebody has to work on it.
CREATE TABLE batch (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    program uuid NOT NULL,
    status text NOT NULL,
    dry_run boolean NOT NULL,
    received_at timestamptz NOT NULL,
    runnable boolean NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX batch_runnable ON batch (tenant_id, id) WHERE runnable;

-- How many rows of each part came to what. `phase` tells a rehearsal from what counts.
CREATE TABLE batch_part (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    batch uuid NOT NULL,
    phase text NOT NULL,
    number integer NOT NULL,
    complete boolean NOT NULL,
    enrolled integer NOT NULL,
    unchanged integer NOT NULL,
    updated integer NOT NULL,
    conflict integer NOT NULL,
    refused integer NOT NULL,
    dead integer NOT NULL,
    undone integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX batch_part_batch ON batch_part (tenant_id, batch, phase, number);

-- Sealed content that is too large for an aggregate's state.
CREATE TABLE piece (
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    id uuid NOT NULL,
    number integer NOT NULL,
    created_at timestamptz NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (tenant_id, kind, id, number)
);
ALTER TABLE piece ALTER COLUMN content SET STORAGE EXTERNAL;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['program', 'batch', 'batch_part', 'piece'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO keepwell_app USING (tenant_id = current_tenant()) '
                       'WITH CHECK (tenant_id = current_tenant())', t);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE ON program, batch, batch_part TO keepwell_app;
GRANT SELECT, INSERT, DELETE ON piece TO keepwell_app;

-- What a batch said last of a participant, as a keyed index, if nobody spoke since. `active`: it was not withdrawn.
ALTER TABLE participant
    ADD COLUMN enrolled_index bytea,
    ADD COLUMN active boolean NOT NULL DEFAULT true;

-- For the worker, which runs the batches of all clinics, and computes the instants of all programs.
CREATE POLICY directory ON batch FOR SELECT TO keepwell_directory USING (true);
CREATE POLICY directory ON batch_part FOR SELECT TO keepwell_directory USING (true);
CREATE POLICY directory ON program FOR SELECT TO keepwell_directory USING (true);
GRANT SELECT ON batch, batch_part, program TO keepwell_directory;
CREATE FUNCTION directory_batches() RETURNS TABLE (tenant_id uuid, id uuid, moved_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT b.tenant_id, b.id, greatest(b.moved_at, (
        SELECT max(p.recorded_at) FROM public.batch_part p WHERE p.tenant_id = b.tenant_id AND p.batch = b.id))
    FROM public.batch b WHERE b.runnable ORDER BY b.received_at, b.tenant_id, b.id
$$;
CREATE FUNCTION directory_programs(current_zones text) RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.tenant_id, p.id FROM public.program p WHERE p.zones <> current_zones ORDER BY p.tenant_id, p.id
$$;
REVOKE ALL ON FUNCTION directory_batches(), directory_programs(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_batches(), directory_programs(text) TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_directory;
ALTER FUNCTION directory_batches() OWNER TO keepwell_directory;
ALTER FUNCTION directory_programs(text) OWNER TO keepwell_directory;
REVOKE CREATE ON SCHEMA public FROM keepwell_directory;
