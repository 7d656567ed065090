-- Results by the hundred: each is found among the checks a worker holds by hashing, not by comparing it with every other of them.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- These functions are keepwell_maintenance's, who alone can replace them.
GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
SET LOCAL ROLE keepwell_maintenance;

-- Ends checks that the worker still holds; their results. What a batch brings is joined with what the worker holds, which is as much:
-- the planner, which cannot know that, takes both for a few rows and would compare all with all.
CREATE FUNCTION check_end(at timestamptz, held_lease uuid, t uuid[], m uuid[], scheduled timestamptz[], places text[],
    statuses text[], reasons text[], attempts integer[], codes integer[], delays real[], dns real[], connects real[], tls real[],
    first_bytes real[], totals real[])
    RETURNS check_result[]
    LANGUAGE sql SET search_path = pg_catalog, public, pg_temp SET enable_nestloop = off AS $$
    WITH done AS (
        DELETE FROM public.check_run r
        USING unnest(t, m, scheduled, places, statuses, reasons, attempts, codes, delays, dns, connects, tls, first_bytes, totals)
            w (tenant_id, monitor_id, scheduled_at, region, status, reason, attempts, code, delay, dns, connect, tls, first_byte, total)
        WHERE r.tenant_id = w.tenant_id AND r.monitor_id = w.monitor_id AND r.scheduled_at = w.scheduled_at AND r.region = w.region
            AND r.state = 'running' AND r.lease = held_lease
        RETURNING w.*)
    SELECT array_agg(ROW(d.tenant_id, d.monitor_id, d.scheduled_at, d.region, d.status, d.reason, 1, d.attempts, d.code, d.delay, d.dns,
        d.connect, d.tls, d.first_byte, d.total, at)::check_result) FROM done d
$$;

-- As before, but for that, and for locking each monitor once, found by its key.
CREATE OR REPLACE FUNCTION check_store(at timestamptz, held_lease uuid, t uuid[], m uuid[], scheduled timestamptz[], places text[],
    statuses text[], reasons text[], attempts integer[], codes integer[], delays real[], dns real[], connects real[], tls real[],
    first_bytes real[], totals real[])
    RETURNS TABLE (tenant_id uuid, monitor_id uuid, version bigint, status text, since timestamptz, settled_at timestamptz, reason text,
        suspended text, incident_id uuid, changes integer, flapping boolean, revision bigint, parent_down boolean,
        v_at timestamptz[], v_region text[], v_status text[], v_reason text[])
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    results check_result[];
    whose uuid[];
    which uuid[];
BEGIN
    at := coalesce(at, clock_timestamp());
    PERFORM FROM (SELECT DISTINCT w.tenant_id, w.monitor_id FROM unnest(t, m) w (tenant_id, monitor_id) ORDER BY 1, 2) w
        CROSS JOIN LATERAL (SELECT FROM public.monitor_state s
            WHERE s.tenant_id = w.tenant_id AND s.monitor_id = w.monitor_id FOR NO KEY UPDATE) s;
    results := check_end(at, held_lease, t, m, scheduled, places, statuses, reasons, attempts, codes, delays, dns, connects, tls,
        first_bytes, totals);
    IF results IS NULL THEN
        RETURN;
    END IF;
    PERFORM check_record(results);
    SELECT array_agg(d.tenant_id), array_agg(d.monitor_id) INTO whose, which
    FROM (SELECT DISTINCT r.tenant_id, r.monitor_id FROM unnest(results) r) d;
    RETURN QUERY SELECT * FROM check_load(whose, which);
END
$$;

REVOKE ALL ON FUNCTION check_end(timestamptz, uuid, uuid[], uuid[], timestamptz[], text[], text[], text[], integer[], integer[], real[], real[],
    real[], real[], real[], real[]) FROM PUBLIC;
ALTER FUNCTION check_release(timestamptz, uuid, uuid[], uuid[], timestamptz[], text[], double precision[], text[])
    SET enable_nestloop = off;

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;
