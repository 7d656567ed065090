-- Counts that are telemetry: by clinic, name, span of time and labels. Labels are names from the program or ids, never anybody's words.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

CREATE TABLE tally (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    bucket timestamptz NOT NULL,
    labels text[] NOT NULL,
    amount bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name, bucket, labels)
) WITH (fillfactor = 75);
-- A block range index is no obstacle to updates in place.
CREATE INDEX tally_bucket ON tally USING brin (bucket);

ALTER TABLE tally ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tally TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY maintenance ON tally TO keepwell_maintenance USING (true);
GRANT SELECT, INSERT, UPDATE ON tally TO keepwell_app;
GRANT SELECT, DELETE ON tally TO keepwell_maintenance;

-- Adds counts, tenant by tenant, each under that one tenant's setting. Rows come sorted by what is the key of the table, so that two
-- writers never wait for each other in a circle. Labels come as one text with spaces between.
CREATE FUNCTION tally_add(
    tenants uuid[], starts integer[], t_name text[], t_bucket timestamptz[], t_labels text[], t_amount bigint[],
    t_first timestamptz[], t_last timestamptz[])
    RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
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
        INSERT INTO tally AS old (tenant_id, name, bucket, labels, amount, first_at, last_at)
            SELECT t, w.name, w.bucket, string_to_array(w.labels, ' '), w.amount, w.first_at, w.last_at
            FROM unnest(t_name[a:b], t_bucket[a:b], t_labels[a:b], t_amount[a:b], t_first[a:b], t_last[a:b])
                AS w (name, bucket, labels, amount, first_at, last_at)
            ON CONFLICT (tenant_id, name, bucket, labels) DO UPDATE
                SET amount = old.amount + excluded.amount, first_at = least(old.first_at, excluded.first_at),
                    last_at = greatest(old.last_at, excluded.last_at);
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$$;
REVOKE ALL ON FUNCTION tally_add(uuid[], integer[], text[], timestamptz[], text[], bigint[], timestamptz[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally_add(uuid[], integer[], text[], timestamptz[], text[], bigint[], timestamptz[], timestamptz[])
    TO keepwell_app;

CREATE FUNCTION purge_tally(wanted text, before timestamptz, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM public.tally t
        USING (SELECT tenant_id, name, bucket, labels FROM public.tally WHERE name = wanted AND bucket < before LIMIT most) old
        WHERE t.tenant_id = old.tenant_id AND t.name = old.name AND t.bucket = old.bucket AND t.labels = old.labels
        RETURNING 1)
    SELECT count(*) FROM gone
$$;
REVOKE ALL ON FUNCTION purge_tally(text, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge_tally(text, timestamptz, integer) TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
ALTER FUNCTION purge_tally(text, timestamptz, integer) OWNER TO keepwell_maintenance;
REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;
