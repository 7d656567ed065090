-- Checks end as they did.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
SET LOCAL ROLE keepwell_maintenance;

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
    PERFORM FROM public.monitor_state s JOIN unnest(t, m) w (tenant_id, monitor_id)
        ON s.tenant_id = w.tenant_id AND s.monitor_id = w.monitor_id
    ORDER BY s.tenant_id, s.monitor_id FOR NO KEY UPDATE OF s;
    WITH done AS (
        DELETE FROM public.check_run r
        USING unnest(t, m, scheduled, places, statuses, reasons, attempts, codes, delays, dns, connects, tls, first_bytes, totals)
            w (tenant_id, monitor_id, scheduled_at, region, status, reason, attempts, code, delay, dns, connect, tls, first_byte, total)
        WHERE r.tenant_id = w.tenant_id AND r.monitor_id = w.monitor_id AND r.scheduled_at = w.scheduled_at AND r.region = w.region
            AND r.state = 'running' AND r.lease = held_lease
        RETURNING w.*)
    SELECT array_agg(ROW(d.tenant_id, d.monitor_id, d.scheduled_at, d.region, d.status, d.reason, 1, d.attempts, d.code, d.delay, d.dns,
        d.connect, d.tls, d.first_byte, d.total, at)::check_result) INTO results FROM done d;
    IF results IS NULL THEN
        RETURN;
    END IF;
    PERFORM check_record(results);
    SELECT array_agg(d.tenant_id), array_agg(d.monitor_id) INTO whose, which
    FROM (SELECT DISTINCT r.tenant_id, r.monitor_id FROM unnest(results) r) d;
    RETURN QUERY SELECT * FROM check_load(whose, which);
END
$$;

DROP FUNCTION check_end(timestamptz, uuid, uuid[], uuid[], timestamptz[], text[], text[], text[], integer[], integer[], real[], real[],
    real[], real[], real[], real[]);
ALTER FUNCTION check_release(timestamptz, uuid, uuid[], uuid[], timestamptz[], text[], double precision[], text[])
    RESET enable_nestloop;

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;
