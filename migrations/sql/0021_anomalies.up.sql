-- Anomalies: what is known of each series of a monitor, and when one was not as usual. All of it is telemetry.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- Everything before `told_up_to` was told to the detector; it is compared when the row is set. `learned` is the detector as it was some
-- values ago, `course` those values and what lasts. `claimed_until`, of the latency of a monitor: somebody is at both its series.
CREATE TABLE anomaly_series (
    tenant_id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    measure text NOT NULL CHECK (measure IN ('latency', 'errors')),
    told_up_to timestamptz NOT NULL,
    claimed_until timestamptz,
    learned bytea,
    course bytea,
    PRIMARY KEY (tenant_id, monitor_id, measure)
) WITH (fillfactor = 75);

-- `incident`: one is to be opened, under the id of the anomaly. `opened_at` and `resolved_at` are empty until that was done.
CREATE TABLE anomaly (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    measure text NOT NULL CHECK (measure IN ('latency', 'errors')),
    at timestamptz NOT NULL,
    ended_at timestamptz,
    score double precision NOT NULL,
    habit text NOT NULL,
    now double precision NOT NULL,
    usual double precision NOT NULL,
    ratio double precision,
    explanation text NOT NULL,
    incident boolean NOT NULL,
    opened_at timestamptz,
    resolved_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX anomaly_of_monitor ON anomaly (tenant_id, monitor_id, id);
CREATE INDEX anomaly_untold ON anomaly (at, id)
    WHERE incident AND (opened_at IS NULL OR (ended_at IS NOT NULL AND resolved_at IS NULL));

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['anomaly_series', 'anomaly'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO keepwell_app USING (tenant_id = current_tenant())'
                       ' WITH CHECK (tenant_id = current_tenant())', t);
        EXECUTE format('CREATE POLICY maintenance ON %I TO keepwell_maintenance USING (true)', t);
        EXECUTE format('GRANT SELECT ON %I TO keepwell_app', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO keepwell_maintenance', t);
    END LOOP;
END
$$;

-- What came of the checks of monitors, by stretches of time that are `width` long, from an instant on: up to `until`, before which every
-- check is stored and judged, or is older than `patience`, `most` stretches at once. Left out is a stretch in which the monitor was down
-- at any time, or was not judged.
CREATE FUNCTION check_settled(at timestamptz, t uuid[], m uuid[], sinces timestamptz[], width interval, patience interval, most integer)
    RETURNS TABLE (tenant_id uuid, monitor_id uuid, version bigint, until timestamptz,
        v_at timestamptz[], v_attempts bigint[], v_failed bigint[], v_average double precision[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET plan_cache_mode = force_generic_plan AS $$
    SELECT w.tenant_id, w.monitor_id, coalesce(c.version, 0), u.until, v.at, v.attempts, v.failed, v.average
    FROM unnest(t, m, sinces) w (tenant_id, monitor_id, since)
        CROSS JOIN (SELECT coalesce(at, clock_timestamp()) AS at) clock
        LEFT JOIN LATERAL (SELECT * FROM public.check_schedule c
            WHERE c.tenant_id = w.tenant_id AND c.monitor_id = w.monitor_id OFFSET 0) c ON true
        LEFT JOIN LATERAL (SELECT * FROM public.monitor_state s
            WHERE s.tenant_id = w.tenant_id AND s.monitor_id = w.monitor_id OFFSET 0) s ON true
        CROSS JOIN LATERAL (SELECT date_bin(width, least(clock.at, w.since + most * width, greatest(clock.at - patience,
            coalesce(least(c.next_at, (
                SELECT min(p.scheduled_at) FROM public.check_run p
                WHERE p.tenant_id = w.tenant_id AND p.monitor_id = w.monitor_id AND p.state <> 'held'
            ), (
                SELECT min(r.scheduled_at) FROM public.check_result r
                WHERE r.tenant_id = w.tenant_id AND r.monitor_id = w.monitor_id AND r.scheduled_at > s.settled_at
            )), clock.at))), timestamptz '2000-01-01 00:00:00+00') AS until) u
        CROSS JOIN LATERAL (
            SELECT array_agg(x.at ORDER BY x.at) AS at, array_agg(x.attempts ORDER BY x.at) AS attempts,
                array_agg(x.failed ORDER BY x.at) AS failed, array_agg(x.average ORDER BY x.at) AS average
            FROM (
                SELECT date_bin(width, r.scheduled_at, timestamptz '2000-01-01 00:00:00+00') AS at, sum(r.attempts) AS attempts,
                    sum(r.attempts - (r.status = 'up')::integer) AS failed,
                    avg(r.total_ms) FILTER (WHERE r.status = 'up') AS average
                FROM public.check_result r
                WHERE r.tenant_id = w.tenant_id AND r.monitor_id = w.monitor_id AND r.scheduled_at >= w.since
                    AND r.scheduled_at < u.until AND r.region <> '' AND r.status IN ('up', 'down')
                GROUP BY 1) x
            WHERE NOT EXISTS (
                    SELECT FROM public.monitor_transition n
                    WHERE n.tenant_id = w.tenant_id AND n.monitor_id = w.monitor_id AND n.at >= x.at AND n.at < x.at + width
                        AND ('down' IN (n.before, n.after) OR n.suspended IS NOT NULL))
                AND coalesce((
                    SELECT n.after <> 'down' AND n.suspended IS NULL FROM public.monitor_transition n
                    WHERE n.tenant_id = w.tenant_id AND n.monitor_id = w.monitor_id AND n.at < x.at
                    ORDER BY n.at DESC LIMIT 1), true)) v
$$;

-- Begins the series of monitors that have none, at the stretch of time that is under way, and ends those of deleted ones.
CREATE FUNCTION anomaly_follow(at timestamptz, width interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := coalesce(at, clock_timestamp());
    gone uuid[];
BEGIN
    INSERT INTO public.anomaly_series (tenant_id, monitor_id, measure, told_up_to)
    SELECT m.tenant_id, m.id, k.measure, date_bin(width, moment, timestamptz '2000-01-01 00:00:00+00')
    FROM public.monitor m CROSS JOIN (VALUES ('errors'), ('latency')) k (measure)
    WHERE NOT m.deleted AND NOT EXISTS (
        SELECT FROM public.anomaly_series s WHERE s.tenant_id = m.tenant_id AND s.monitor_id = m.id AND s.measure = k.measure)
    ORDER BY m.tenant_id, m.id, k.measure
    ON CONFLICT DO NOTHING;
    WITH old AS (
        DELETE FROM public.anomaly_series s USING public.monitor m
        WHERE m.tenant_id = s.tenant_id AND m.id = s.monitor_id AND m.deleted RETURNING s.monitor_id)
    SELECT array_agg(old.monitor_id) INTO gone FROM old;
    IF gone IS NOT NULL THEN
        UPDATE public.anomaly a SET ended_at = moment WHERE a.monitor_id = ANY (gone) AND a.ended_at IS NULL;
    END IF;
END
$$;

-- Monitors of which a whole stretch of time may have passed untold, those waiting longest first, with both their series; nobody else is
-- given them for so many seconds, unless they are saved before.
CREATE FUNCTION anomaly_claim(at timestamptz, width interval, most integer, seconds double precision)
    RETURNS TABLE (tenant_id uuid, monitor_id uuid, measure text, told_up_to timestamptz, learned bytea, course bytea)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH due AS (
        SELECT s.tenant_id, s.monitor_id
        FROM public.anomaly_series s CROSS JOIN (SELECT coalesce(at, clock_timestamp()) AS at) clock
        WHERE s.measure = 'latency' AND s.told_up_to + width <= clock.at
            AND (s.claimed_until IS NULL OR s.claimed_until <= clock.at)
        ORDER BY s.told_up_to, s.tenant_id, s.monitor_id LIMIT most FOR UPDATE OF s SKIP LOCKED
    ), claimed AS (
        UPDATE public.anomaly_series s SET claimed_until = coalesce(at, clock_timestamp()) + make_interval(secs => seconds)
        FROM due d WHERE s.tenant_id = d.tenant_id AND s.monitor_id = d.monitor_id AND s.measure = 'latency'
    )
    SELECT s.tenant_id, s.monitor_id, s.measure, s.told_up_to, s.learned, s.course
    FROM due d JOIN public.anomaly_series s ON s.tenant_id = d.tenant_id AND s.monitor_id = d.monitor_id
    ORDER BY s.tenant_id, s.monitor_id, s.measure
$$;

-- Sets series that nobody else has told anything since they were read, and writes down the anomalies of those; returns which these were.
-- Without `learned`, the detector stays as it is; without `course` either, nothing is known any more.
CREATE FUNCTION anomaly_save(t uuid[], m uuid[], measures text[], before timestamptz[], told timestamptz[], learnings bytea[],
    courses bytea[], a_tenant uuid[], a_id uuid[], a_monitor uuid[], a_measure text[], a_at timestamptz[], a_ended timestamptz[],
    a_score double precision[], a_habit text[], a_now double precision[], a_usual double precision[], a_ratio double precision[],
    a_explanation text[], a_incident boolean[])
    RETURNS TABLE (tenant_id uuid, monitor_id uuid, measure text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM public.anomaly_series s JOIN unnest(t, m, measures) w (tenant_id, monitor_id, measure)
        ON s.tenant_id = w.tenant_id AND s.monitor_id = w.monitor_id AND s.measure = w.measure
    ORDER BY s.tenant_id, s.monitor_id, s.measure FOR NO KEY UPDATE OF s;
    RETURN QUERY
    WITH won AS (
        UPDATE public.anomaly_series s
        SET told_up_to = w.told, course = w.course, claimed_until = NULL,
            learned = CASE WHEN w.course IS NULL THEN NULL ELSE coalesce(w.learned, s.learned) END
        FROM unnest(t, m, measures, before, told, learnings, courses)
            w (tenant_id, monitor_id, measure, before, told, learned, course)
        WHERE s.tenant_id = w.tenant_id AND s.monitor_id = w.monitor_id AND s.measure = w.measure AND s.told_up_to = w.before
        RETURNING s.tenant_id, s.monitor_id, s.measure
    ), written AS (
        INSERT INTO public.anomaly AS old
            (tenant_id, id, monitor_id, measure, at, ended_at, score, habit, now, usual, ratio, explanation, incident)
        SELECT n.tenant_id, n.id, n.monitor_id, n.measure, n.at, n.ended_at, n.score, n.habit, n.now, n.usual, n.ratio,
            n.explanation, n.incident
        FROM unnest(a_tenant, a_id, a_monitor, a_measure, a_at, a_ended, a_score, a_habit, a_now, a_usual, a_ratio, a_explanation,
                a_incident)
                n (tenant_id, id, monitor_id, measure, at, ended_at, score, habit, now, usual, ratio, explanation, incident)
            JOIN won ON won.tenant_id = n.tenant_id AND won.monitor_id = n.monitor_id AND won.measure = n.measure
        ON CONFLICT (tenant_id, id) DO UPDATE
            SET ended_at = excluded.ended_at, score = excluded.score, habit = excluded.habit, now = excluded.now,
                usual = excluded.usual, ratio = excluded.ratio, explanation = excluded.explanation, incident = excluded.incident
    )
    SELECT won.tenant_id, won.monitor_id, won.measure FROM won;
END
$$;

-- Anomalies whose incident has still to be opened, or to be resolved; the oldest first.
CREATE FUNCTION anomaly_untold(most integer)
    RETURNS TABLE (tenant_id uuid, monitor_id uuid, id uuid, measure text, at timestamptz, ended_at timestamptz, score double precision,
        habit text, now double precision, usual double precision, ratio double precision, explanation text, incident boolean,
        opened boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT a.tenant_id, a.monitor_id, a.id, a.measure, a.at, a.ended_at, a.score, a.habit, a.now, a.usual, a.ratio, a.explanation,
        a.incident, a.opened_at IS NOT NULL
    FROM public.anomaly a
    WHERE a.incident AND (a.opened_at IS NULL OR (a.ended_at IS NOT NULL AND a.resolved_at IS NULL))
    ORDER BY a.at, a.id LIMIT most
$$;
-- Notes that incidents were opened, or (`ends`) resolved.
CREATE FUNCTION anomaly_told(moment timestamptz, t uuid[], ids uuid[], ends boolean) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE public.anomaly a
    SET opened_at = coalesce(a.opened_at, moment, clock_timestamp()),
        resolved_at = CASE WHEN ends THEN coalesce(a.resolved_at, moment, clock_timestamp()) ELSE a.resolved_at END
    FROM unnest(t, ids) w (tenant_id, id) WHERE a.tenant_id = w.tenant_id AND a.id = w.id
$$;

-- Deletes anomalies that ended before an instant, but for those of which something is still to be told; says how many.
CREATE FUNCTION anomaly_purge(before timestamptz, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM public.anomaly a USING (
            SELECT o.tenant_id, o.id FROM public.anomaly o
            WHERE o.ended_at < before AND (NOT o.incident OR o.resolved_at IS NOT NULL) LIMIT most) old
        WHERE a.tenant_id = old.tenant_id AND a.id = old.id RETURNING 1)
    SELECT count(*) FROM gone
$$;

DO $$
DECLARE
    f regprocedure;
BEGIN
    GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
            AND (p.proname LIKE 'anomaly\_%' OR p.proname = 'check_settled') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO keepwell_app', f);
        EXECUTE format('ALTER FUNCTION %s OWNER TO keepwell_maintenance', f);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;
END
$$;
