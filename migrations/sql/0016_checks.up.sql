-- Checks: when each monitor is due, what came of it, and what follows. All of it is telemetry but check_request, which asks for a check.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- Follows `monitor`, which the kernel writes. `next_at` is the next instant of the monitor's own grid; empty while nothing is due.
CREATE TABLE check_schedule (
    tenant_id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    interval_s integer NOT NULL CHECK (interval_s > 0),
    regions text[] NOT NULL,
    priority integer NOT NULL,
    parent_id uuid,
    next_at timestamptz,
    followed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, monitor_id)
) WITH (fillfactor = 75);
CREATE INDEX check_schedule_due ON check_schedule (next_at) WHERE next_at IS NOT NULL;

-- Checks to be made: an instant of a monitor in a region. What is done is deleted in the transaction that stores its result.
-- `claims` counts workers that took it, `attempt` the attempts at the target.
CREATE TABLE check_run (
    tenant_id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    scheduled_at timestamptz NOT NULL,
    region text NOT NULL,
    priority integer NOT NULL,
    due_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'running', 'held')),
    attempt integer NOT NULL DEFAULT 1,
    claims integer NOT NULL DEFAULT 0,
    lease uuid,
    lease_until timestamptz,
    error text,
    PRIMARY KEY (tenant_id, monitor_id, scheduled_at, region)
);
CREATE INDEX check_run_ready ON check_run (region, priority, due_at) WHERE state = 'ready';
CREATE INDEX check_run_running ON check_run (lease) WHERE state = 'running';
CREATE INDEX check_run_held ON check_run (tenant_id, monitor_id) WHERE state = 'held';

-- `instants`: of how many scheduled instants the row tells; more than one only where they were missed together.
-- `reason` is a word of the program. A row without region is no check: judgement was suspended from then on.
CREATE TABLE check_result (
    tenant_id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    scheduled_at timestamptz NOT NULL,
    region text NOT NULL,
    status text NOT NULL,
    reason text,
    instants integer NOT NULL,
    attempts integer NOT NULL,
    code integer,
    delay_ms real,
    dns_ms real,
    connect_ms real,
    tls_ms real,
    first_byte_ms real,
    total_ms real,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, monitor_id, scheduled_at, region)
) PARTITION BY RANGE (scheduled_at);
CREATE TABLE check_result_default PARTITION OF check_result DEFAULT;

CREATE TABLE check_rollup (
    tenant_id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    width text NOT NULL CHECK (width IN ('hour', 'day')),
    bucket timestamptz NOT NULL,
    checks integer NOT NULL,
    up integer NOT NULL,
    down integer NOT NULL,
    suspended integer NOT NULL,
    missed integer NOT NULL,
    timed integer NOT NULL,
    sum_ms double precision NOT NULL,
    slowest_ms real,
    PRIMARY KEY (tenant_id, monitor_id, width, bucket)
) WITH (fillfactor = 75);

-- What is thought of a monitor. Everything up to `settled_at` has been judged; `revision` is compared when it is set.
-- `changes`: which of the last twenty verdicts differed from the one before, the newest in the lowest bit.
CREATE TABLE monitor_state (
    tenant_id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('unknown', 'up', 'down')),
    since timestamptz NOT NULL,
    settled_at timestamptz NOT NULL,
    reason text,
    suspended text,
    incident_id uuid,
    changes integer NOT NULL DEFAULT 0,
    flapping boolean NOT NULL DEFAULT false,
    revision bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, monitor_id)
) WITH (fillfactor = 75);

-- `told_at` is empty until the incident that follows has been opened or resolved.
CREATE TABLE monitor_transition (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    at timestamptz NOT NULL,
    before text NOT NULL,
    after text NOT NULL,
    reason text,
    suspended text,
    flapping boolean NOT NULL,
    incident_id uuid,
    told_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX monitor_transition_at ON monitor_transition (tenant_id, monitor_id, at);
CREATE INDEX monitor_transition_untold ON monitor_transition (at, id) WHERE told_at IS NULL;

-- Somebody asked for a check now. `run_at` is set when it was put before the workers; the kernel does not know it.
CREATE TABLE check_request (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    monitor_id uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    run_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX check_request_waiting ON check_request (requested_at) WHERE run_at IS NULL;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['check_schedule', 'check_run', 'check_result', 'check_rollup', 'monitor_state', 'monitor_transition',
                             'check_request'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO keepwell_app USING (tenant_id = current_tenant())'
                       ' WITH CHECK (tenant_id = current_tenant())', t);
        EXECUTE format('CREATE POLICY maintenance ON %I TO keepwell_maintenance USING (true)', t);
        EXECUTE format('GRANT SELECT ON %I TO keepwell_app', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO keepwell_maintenance', t);
    END LOOP;
END
$$;
ALTER TABLE check_result_default ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT INSERT, UPDATE ON check_request TO keepwell_app;

-- Stores results, each once, and adds what was new to the roll-ups. Rows are locked in the order of their keys everywhere.
CREATE FUNCTION check_record(results check_result[]) RETURNS bigint
    LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
    WITH kept AS (
        INSERT INTO public.check_result
        SELECT r.* FROM unnest(results) r ORDER BY r.tenant_id, r.monitor_id, r.scheduled_at, r.region
        ON CONFLICT (tenant_id, monitor_id, scheduled_at, region) DO NOTHING
        RETURNING *
    ), summed AS (
        INSERT INTO public.check_rollup AS old
            (tenant_id, monitor_id, width, bucket, checks, up, down, suspended, missed, timed, sum_ms, slowest_ms)
        SELECT k.tenant_id, k.monitor_id, w.width, date_trunc(w.width, k.scheduled_at, 'UTC'),
            count(*) FILTER (WHERE k.status <> 'missed'), count(*) FILTER (WHERE k.status = 'up'),
            count(*) FILTER (WHERE k.status = 'down'), count(*) FILTER (WHERE k.status = 'suspended'),
            coalesce(sum(k.instants) FILTER (WHERE k.status = 'missed'), 0), count(k.total_ms), coalesce(sum(k.total_ms), 0),
            max(k.total_ms)
        FROM kept k CROSS JOIN (VALUES ('hour'), ('day')) w (width) WHERE k.region <> ''
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (tenant_id, monitor_id, width, bucket) DO UPDATE
            SET checks = old.checks + excluded.checks, up = old.up + excluded.up, down = old.down + excluded.down,
                suspended = old.suspended + excluded.suspended, missed = old.missed + excluded.missed,
                timed = old.timed + excluded.timed, sum_ms = old.sum_ms + excluded.sum_ms,
                slowest_ms = greatest(old.slowest_ms, excluded.slowest_ms)
        RETURNING 1)
    SELECT count(*) FROM kept
$$;

-- Follows the monitors that changed. Many new ones begin spread over their interval, two minutes at most; a few of them at once.
-- One that is paused or deleted is due no more, and a row without region says so to who judges. Null: another scheduler is at it.
CREATE FUNCTION check_follow(at timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    changed integer;
    ended check_result[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keepwell.scheduler')) THEN
        RETURN NULL;
    END IF;
    at := coalesce(at, clock_timestamp());
    WITH news AS (
        SELECT m.tenant_id, m.id, m.version, m.kind, m.interval_s, string_to_array(m.regions, ',') AS regions, m.parent AS parent_id,
            CASE m.priority WHEN 'high' THEN 10 WHEN 'low' THEN 30 ELSE 20 END AS priority, m.paused OR m.deleted AS idle, m.deleted,
            s.next_at, s.version AS known, s.interval_s IS NOT DISTINCT FROM m.interval_s AS same, count(*) OVER () AS many
        FROM public.monitor m LEFT JOIN public.check_schedule s ON s.tenant_id = m.tenant_id AND s.monitor_id = m.id
        WHERE s.version IS DISTINCT FROM m.version
    ), followed AS (
        INSERT INTO public.check_schedule AS old
            (tenant_id, monitor_id, version, kind, interval_s, regions, priority, parent_id, followed_at, next_at)
        SELECT n.tenant_id, n.id, n.version, n.kind, n.interval_s, n.regions, n.priority, n.parent_id, at,
            CASE WHEN n.idle THEN NULL
                WHEN n.kind = 'heartbeat' THEN at
                WHEN n.same AND n.next_at IS NOT NULL THEN n.next_at
                ELSE at + random() * least(n.interval_s, 120, greatest(1, n.many / 20.0)) * interval '1 second' END
        FROM news n ORDER BY n.tenant_id, n.id
        ON CONFLICT (tenant_id, monitor_id) DO UPDATE
            SET version = excluded.version, kind = excluded.kind, interval_s = excluded.interval_s, regions = excluded.regions,
                priority = excluded.priority, parent_id = excluded.parent_id, followed_at = excluded.followed_at,
                next_at = excluded.next_at
    ), stated AS (
        INSERT INTO public.monitor_state (tenant_id, monitor_id, status, since, settled_at)
        SELECT n.tenant_id, n.id, 'unknown', at, at - interval '1 second' FROM news n ORDER BY n.tenant_id, n.id
        ON CONFLICT (tenant_id, monitor_id) DO NOTHING
    )
    SELECT count(*), array_agg(ROW(n.tenant_id, n.id, at, '', 'suspended', CASE WHEN n.deleted THEN 'deleted' ELSE 'paused' END, 1, 0,
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, at)::check_result) FILTER (WHERE n.idle AND n.known IS NOT NULL)
    INTO changed, ended FROM news n;
    IF ended IS NOT NULL THEN
        PERFORM check_record(ended);
    END IF;
    RETURN changed;
END
$$;

-- Puts what is due before the workers, a little `ahead` of its time. The next instant follows from the schedule, never from now.
-- Of instants that passed while no scheduler ran, the latest is made up for; the others are missed, and one row says how many.
CREATE FUNCTION check_tick(at timestamptz, ahead double precision, most integer) RETURNS TABLE (moved bigint, missed bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    late check_result[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keepwell.scheduler')) THEN
        RETURN;
    END IF;
    at := coalesce(at, clock_timestamp());
    WITH asked AS (
        UPDATE public.check_request SET run_at = at WHERE run_at IS NULL RETURNING tenant_id, monitor_id, requested_at
    ), freed AS (
        DELETE FROM public.check_run r USING asked a
        WHERE r.tenant_id = a.tenant_id AND r.monitor_id = a.monitor_id AND r.state = 'held'
    )
    INSERT INTO public.check_run (tenant_id, monitor_id, scheduled_at, region, priority, due_at)
    SELECT a.tenant_id, a.monitor_id, a.requested_at, g.region, 0, at
    FROM asked a JOIN public.check_schedule s ON s.tenant_id = a.tenant_id AND s.monitor_id = a.monitor_id
        CROSS JOIN unnest(s.regions) g (region)
    WHERE s.next_at IS NOT NULL AND s.kind <> 'heartbeat'
    ON CONFLICT DO NOTHING;
    WITH due AS (
        SELECT s.tenant_id, s.monitor_id, s.regions, s.priority, s.next_at, make_interval(secs => s.interval_s) AS step,
            greatest(0, floor(extract(epoch FROM at - s.next_at) / s.interval_s))::integer AS passed
        FROM public.check_schedule s
        WHERE s.next_at <= at + make_interval(secs => ahead) AND s.kind <> 'heartbeat' ORDER BY s.next_at LIMIT most FOR UPDATE
    ), advanced AS (
        UPDATE public.check_schedule s SET next_at = d.next_at + (d.passed + 1) * d.step
        FROM due d WHERE s.tenant_id = d.tenant_id AND s.monitor_id = d.monitor_id
    ), made AS (
        INSERT INTO public.check_run (tenant_id, monitor_id, scheduled_at, region, priority, due_at)
        SELECT d.tenant_id, d.monitor_id, d.next_at + d.passed * d.step, g.region, d.priority, d.next_at + d.passed * d.step
        FROM due d CROSS JOIN unnest(d.regions) g (region)
        ON CONFLICT DO NOTHING
    )
    SELECT count(*), coalesce(sum(d.passed), 0), (
            SELECT array_agg(ROW(p.tenant_id, p.monitor_id, p.next_at + (p.passed - 1) * p.step, g.region, 'missed', 'no-scheduler',
                p.passed, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, at)::check_result)
            FROM due p CROSS JOIN unnest(p.regions) g (region) WHERE p.passed > 0)
    INTO moved, missed, late FROM due d;
    IF late IS NOT NULL THEN
        PERFORM check_record(late);
    END IF;
    RETURN NEXT;
END
$$;

-- What no worker began within two intervals (a minute at least) is missed: others are due by now. A grid that lies in the future, as it
-- does when a clock ran ahead for a while, begins anew. Returns how many checks were missed.
CREATE FUNCTION check_expire(at timestamptz, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    late check_result[];
BEGIN
    at := coalesce(at, clock_timestamp());
    UPDATE public.check_schedule s SET next_at = at + random() * make_interval(secs => s.interval_s)
    WHERE s.next_at > at + make_interval(secs => 2 * s.interval_s + 60) AND s.kind <> 'heartbeat';
    WITH gone AS (
        DELETE FROM public.check_run r USING (
            SELECT o.tenant_id, o.monitor_id, o.scheduled_at, o.region
            FROM public.check_run o LEFT JOIN public.check_schedule s ON s.tenant_id = o.tenant_id AND s.monitor_id = o.monitor_id
            WHERE o.state = 'ready' AND o.claims = 0 AND o.attempt = 1
                AND o.due_at < at - make_interval(secs => greatest(60, 2 * coalesce(s.interval_s, 0)))
            LIMIT most FOR UPDATE OF o SKIP LOCKED) old
        WHERE r.tenant_id = old.tenant_id AND r.monitor_id = old.monitor_id AND r.scheduled_at = old.scheduled_at
            AND r.region = old.region
        RETURNING r.tenant_id, r.monitor_id, r.scheduled_at, r.region)
    SELECT array_agg(ROW(g.tenant_id, g.monitor_id, g.scheduled_at, g.region, 'missed', 'no-worker', 1, 0,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, at)::check_result) INTO late FROM gone g;
    RETURN CASE WHEN late IS NULL THEN 0 ELSE check_record(late) END;
END
$$;

-- Takes checks of a region that are due, the urgent first, then those due longest. What nobody spoke for in time is ready again; what
-- took five workers with it is held, and missed.
CREATE FUNCTION check_claim(at timestamptz, wanted text, most integer, new_lease uuid, seconds double precision)
    RETURNS TABLE (tenant_id uuid, monitor_id uuid, scheduled_at timestamptz, region text, attempt integer, version bigint,
        status text, delay double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    lost check_result[];
BEGIN
    at := coalesce(at, clock_timestamp());
    WITH lapsed AS (
        UPDATE public.check_run r
        SET state = CASE WHEN r.claims < 5 THEN 'ready' ELSE 'held' END, lease = NULL, lease_until = NULL, error = 'WorkerLost'
        FROM (SELECT l.tenant_id, l.monitor_id, l.scheduled_at, l.region FROM public.check_run l
              WHERE l.state = 'running' AND l.lease_until < at LIMIT 1000 FOR UPDATE SKIP LOCKED) l
        WHERE r.tenant_id = l.tenant_id AND r.monitor_id = l.monitor_id AND r.scheduled_at = l.scheduled_at AND r.region = l.region
        RETURNING r.*)
    SELECT array_agg(ROW(l.tenant_id, l.monitor_id, l.scheduled_at, l.region, 'missed', 'worker-lost', 1, l.attempt,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, at)::check_result) INTO lost FROM lapsed l WHERE l.state = 'held';
    IF lost IS NOT NULL THEN
        PERFORM check_record(lost);
    END IF;
    RETURN QUERY
    WITH taken AS (
        UPDATE public.check_run r
        SET state = 'running', claims = r.claims + 1, lease = new_lease, lease_until = at + make_interval(secs => seconds)
        FROM (SELECT c.tenant_id, c.monitor_id, c.scheduled_at, c.region FROM public.check_run c
              WHERE c.state = 'ready' AND c.region = wanted AND c.due_at <= at
              ORDER BY c.priority, c.due_at LIMIT most FOR UPDATE SKIP LOCKED) c
        WHERE r.tenant_id = c.tenant_id AND r.monitor_id = c.monitor_id AND r.scheduled_at = c.scheduled_at AND r.region = c.region
        RETURNING r.tenant_id, r.monitor_id, r.scheduled_at, r.region, r.attempt, r.due_at)
    SELECT t.tenant_id, t.monitor_id, t.scheduled_at, t.region, t.attempt, coalesce(s.version, 0), coalesce(m.status, 'unknown'),
        extract(epoch FROM at - t.due_at)::double precision
    FROM taken t LEFT JOIN public.check_schedule s ON s.tenant_id = t.tenant_id AND s.monitor_id = t.monitor_id
        LEFT JOIN public.monitor_state m ON m.tenant_id = t.tenant_id AND m.monitor_id = t.monitor_id;
END
$$;

-- Says that a worker lives; returns how many checks it still holds.
CREATE FUNCTION check_prolong(at timestamptz, held_lease uuid, seconds double precision) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH held AS (
        UPDATE public.check_run r SET lease_until = coalesce(at, clock_timestamp()) + make_interval(secs => seconds)
        WHERE r.state = 'running' AND r.lease = held_lease RETURNING 1)
    SELECT count(*) FROM held
$$;

-- Frees checks that the worker still holds: to be tried again after so many seconds, as another attempt at the target unless an error
-- of ours is named; five of those, and it is held, and missed. `back`: untouched by a worker that ends.
CREATE FUNCTION check_release(at timestamptz, held_lease uuid, t uuid[], m uuid[], scheduled timestamptz[], places text[],
    delays double precision[], errors text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    lost check_result[];
    freed bigint;
BEGIN
    at := coalesce(at, clock_timestamp());
    WITH changed AS (
        UPDATE public.check_run r
        SET state = CASE WHEN w.error IS NOT NULL AND r.claims >= 5 THEN 'held' ELSE 'ready' END,
            attempt = r.attempt + CASE WHEN w.error IS NULL THEN 1 ELSE 0 END,
            claims = CASE WHEN w.error IS NULL THEN 0 ELSE r.claims END,
            due_at = at + make_interval(secs => w.delay), lease = NULL, lease_until = NULL, error = w.error
        FROM unnest(t, m, scheduled, places, delays, errors) w (tenant_id, monitor_id, scheduled_at, region, delay, error)
        WHERE r.tenant_id = w.tenant_id AND r.monitor_id = w.monitor_id AND r.scheduled_at = w.scheduled_at AND r.region = w.region
            AND r.state = 'running' AND r.lease = held_lease
        RETURNING r.*)
    SELECT count(*), array_agg(ROW(c.tenant_id, c.monitor_id, c.scheduled_at, c.region, 'missed', 'check-failed', 1, c.attempt,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, at)::check_result) FILTER (WHERE c.state = 'held')
    INTO freed, lost FROM changed c;
    IF lost IS NOT NULL THEN
        PERFORM check_record(lost);
    END IF;
    RETURN freed;
END
$$;

-- Everything a worker holds, given back untouched: it ends.
CREATE FUNCTION check_give_back(held_lease uuid) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH freed AS (
        UPDATE public.check_run r SET state = 'ready', claims = greatest(r.claims - 1, 0), lease = NULL, lease_until = NULL
        WHERE r.state = 'running' AND r.lease = held_lease RETURNING 1)
    SELECT count(*) FROM freed
$$;

-- What judges need of monitors: the state, whether the parent is down or about to be, and each vote later than what is settled:
-- results, and as 'pending' what is still to come.
CREATE FUNCTION check_load(t uuid[], m uuid[])
    RETURNS TABLE (tenant_id uuid, monitor_id uuid, version bigint, status text, since timestamptz, settled_at timestamptz, reason text,
        suspended text, incident_id uuid, changes integer, flapping boolean, revision bigint, parent_down boolean,
        v_at timestamptz[], v_region text[], v_status text[], v_reason text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET plan_cache_mode = force_generic_plan AS $$
    SELECT s.tenant_id, s.monitor_id, coalesce(c.version, 0), s.status, s.since, s.settled_at, s.reason, s.suspended, s.incident_id,
        s.changes, s.flapping, s.revision,
        c.parent_id IS NOT NULL AND (
            EXISTS (SELECT FROM public.monitor_state p
                    WHERE p.tenant_id = s.tenant_id AND p.monitor_id = c.parent_id AND p.status = 'down')
            OR EXISTS (SELECT FROM public.check_run p
                       WHERE p.tenant_id = s.tenant_id AND p.monitor_id = c.parent_id AND p.attempt > 1 AND p.state <> 'held')),
        v.at, v.region, v.status, v.reason
    FROM unnest(t, m) w (tenant_id, monitor_id)
        CROSS JOIN LATERAL (SELECT * FROM public.monitor_state s
            WHERE s.tenant_id = w.tenant_id AND s.monitor_id = w.monitor_id OFFSET 0) s
        LEFT JOIN LATERAL (SELECT * FROM public.check_schedule c
            WHERE c.tenant_id = w.tenant_id AND c.monitor_id = w.monitor_id OFFSET 0) c ON true
        CROSS JOIN LATERAL (
            SELECT array_agg(u.at) AS at, array_agg(u.region) AS region, array_agg(u.status) AS status, array_agg(u.reason) AS reason
            FROM (
                (SELECT r.scheduled_at AS at, r.region, r.status, r.reason FROM public.check_result r
                 WHERE r.tenant_id = w.tenant_id AND r.monitor_id = w.monitor_id AND r.scheduled_at > s.settled_at
                 ORDER BY r.scheduled_at LIMIT 500)
                UNION ALL
                SELECT p.scheduled_at, p.region, 'pending', NULL FROM public.check_run p
                WHERE p.tenant_id = w.tenant_id AND p.monitor_id = w.monitor_id AND p.scheduled_at > s.settled_at AND p.state <> 'held'
            ) u) v
$$;

-- Stores the results of checks that the worker still holds, and returns what is now to be judged. Who comes second for a monitor
-- waits for who came first, and sees its results: of two that store the last votes of an instant, one sees both.
CREATE FUNCTION check_store(at timestamptz, held_lease uuid, t uuid[], m uuid[], scheduled timestamptz[], places text[],
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

-- Sets states that nobody else has set since they were loaded, and writes down the transitions of those; returns which these were.
CREATE FUNCTION check_decide(at timestamptz, t uuid[], m uuid[], revisions bigint[], statuses text[], sinces timestamptz[],
    settled timestamptz[], reasons text[], suspensions text[], incidents uuid[], changed integer[], flaps boolean[],
    t_id uuid[], t_tenant uuid[], t_monitor uuid[], t_at timestamptz[], t_before text[], t_after text[], t_reason text[],
    t_suspended text[], t_flapping boolean[], t_incident uuid[])
    RETURNS TABLE (tenant_id uuid, monitor_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    at := coalesce(at, clock_timestamp());
    PERFORM FROM public.monitor_state s JOIN unnest(t, m) w (tenant_id, monitor_id)
        ON s.tenant_id = w.tenant_id AND s.monitor_id = w.monitor_id
    ORDER BY s.tenant_id, s.monitor_id FOR NO KEY UPDATE OF s;
    RETURN QUERY
    WITH won AS (
        UPDATE public.monitor_state s
        SET status = w.status, since = w.since, settled_at = w.settled_at, reason = w.reason, suspended = w.suspended,
            incident_id = w.incident_id, changes = w.changes, flapping = w.flapping, revision = s.revision + 1
        FROM unnest(t, m, revisions, statuses, sinces, settled, reasons, suspensions, incidents, changed, flaps)
            w (tenant_id, monitor_id, revision, status, since, settled_at, reason, suspended, incident_id, changes, flapping)
        WHERE s.tenant_id = w.tenant_id AND s.monitor_id = w.monitor_id AND s.revision = w.revision
        RETURNING s.tenant_id, s.monitor_id
    ), written AS (
        INSERT INTO public.monitor_transition
            (tenant_id, id, monitor_id, at, before, after, reason, suspended, flapping, incident_id, told_at)
        SELECT n.tenant_id, n.id, n.monitor_id, n.at, n.before, n.after, n.reason, n.suspended, n.flapping, n.incident_id,
            CASE WHEN n.before = n.after OR 'down' NOT IN (n.before, n.after) THEN at END
        FROM unnest(t_id, t_tenant, t_monitor, t_at, t_before, t_after, t_reason, t_suspended, t_flapping, t_incident)
                n (id, tenant_id, monitor_id, at, before, after, reason, suspended, flapping, incident_id)
            JOIN won ON won.tenant_id = n.tenant_id AND won.monitor_id = n.monitor_id
    )
    SELECT won.tenant_id, won.monitor_id FROM won;
END
$$;

-- Monitors with results that nobody judged: who stored them was killed before, or nothing came after a row that missed.
CREATE FUNCTION check_unjudged(most integer) RETURNS TABLE (tenant_id uuid, monitor_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.tenant_id, s.monitor_id FROM public.monitor_state s
    WHERE EXISTS (SELECT FROM public.check_result r
                  WHERE r.tenant_id = s.tenant_id AND r.monitor_id = s.monitor_id AND r.scheduled_at > s.settled_at)
    LIMIT most
$$;

-- Transitions whose incident has not been opened or resolved yet, the oldest first.
CREATE FUNCTION check_untold(most integer)
    RETURNS TABLE (tenant_id uuid, id uuid, monitor_id uuid, at timestamptz, before text, after text, reason text, flapping boolean,
        incident_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT n.tenant_id, n.id, n.monitor_id, n.at, n.before, n.after, n.reason, n.flapping, n.incident_id
    FROM public.monitor_transition n WHERE n.told_at IS NULL ORDER BY n.at, n.id LIMIT most
$$;
CREATE FUNCTION check_told(at timestamptz, t uuid[], ids uuid[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE public.monitor_transition n SET told_at = coalesce(at, clock_timestamp())
    FROM unnest(t, ids) w (tenant_id, id) WHERE n.tenant_id = w.tenant_id AND n.id = w.id AND n.told_at IS NULL
$$;

-- A sign of life of a heartbeat, or the finding that one is overdue: a result, and when the next one is. `expected` keeps a finding from
-- being written after a sign of life came; null: it is one. Returns whether it counted.
CREATE FUNCTION check_beat(tenant uuid, monitor uuid, at timestamptz, outcome text, why text, next timestamptz, expected timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM public.monitor_state s WHERE s.tenant_id = tenant AND s.monitor_id = monitor FOR NO KEY UPDATE;
    UPDATE public.check_schedule s SET next_at = next
    WHERE s.tenant_id = tenant AND s.monitor_id = monitor AND s.next_at IS NOT NULL AND (expected IS NULL OR s.next_at = expected);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF outcome IS NOT NULL THEN
        PERFORM check_record(ARRAY[ROW(tenant, monitor, at, 'push', outcome, why, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            clock_timestamp())::check_result]);
    END IF;
    RETURN true;
END
$$;
CREATE FUNCTION check_beats_due(at timestamptz, most integer)
    RETURNS TABLE (tenant_id uuid, monitor_id uuid, version bigint, next_at timestamptz, since timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.tenant_id, s.monitor_id, s.version, s.next_at, greatest(s.followed_at, (
        SELECT max(r.scheduled_at) FROM public.check_result r
        WHERE r.tenant_id = s.tenant_id AND r.monitor_id = s.monitor_id AND r.status = 'up'))
    FROM public.check_schedule s WHERE s.next_at <= coalesce(at, clock_timestamp()) AND s.kind = 'heartbeat'
    ORDER BY s.next_at LIMIT most
$$;

CREATE FUNCTION check_held() RETURNS TABLE (tenant_id uuid, monitor_id uuid, scheduled_at timestamptz, region text, claims integer, error text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.tenant_id, r.monitor_id, r.scheduled_at, r.region, r.claims, r.error FROM public.check_run r WHERE r.state = 'held'
    ORDER BY r.scheduled_at LIMIT 1000
$$;
-- An operator's second chance for what is held: it is checked now, as another instant.
CREATE FUNCTION check_redrive(tenant uuid, monitor uuid) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH freed AS (
        DELETE FROM public.check_run r WHERE r.tenant_id = tenant AND r.monitor_id = monitor AND r.state = 'held' RETURNING r.region
    ), again AS (
        INSERT INTO public.check_run (tenant_id, monitor_id, scheduled_at, region, priority, due_at)
        SELECT DISTINCT tenant, monitor, clock_timestamp(), f.region, 0, clock_timestamp() FROM freed f)
    SELECT count(*) FROM freed
$$;

-- How many checks of a region lie there, and for how many seconds the oldest has been due.
CREATE FUNCTION check_measures() RETURNS TABLE (region text, state text, checks bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.region, r.state, count(*),
        greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(r.due_at)), 0))::double precision
    FROM public.check_run r GROUP BY r.region, r.state
$$;

-- Of clinics with more results than this, those of the oldest days are deleted, a day of a clinic at a time; today's stay.
CREATE FUNCTION check_trim(largest bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    day record;
    gone bigint;
    total bigint := 0;
BEGIN
    FOR day IN
        SELECT k.tenant_id, k.bucket FROM (
            SELECT d.tenant_id, d.bucket, sum(d.results) OVER (PARTITION BY d.tenant_id ORDER BY d.bucket DESC) AS kept
            FROM (SELECT u.tenant_id, u.bucket, sum(u.checks + u.missed) AS results FROM public.check_rollup u
                  WHERE u.width = 'day' AND u.bucket > clock_timestamp() - interval '100 days' GROUP BY 1, 2) d) k
        WHERE k.kept > largest AND k.bucket < date_trunc('day', clock_timestamp(), 'UTC') ORDER BY k.bucket LIMIT 100
    LOOP
        DELETE FROM public.check_result r
        WHERE r.tenant_id = day.tenant_id AND r.scheduled_at >= day.bucket AND r.scheduled_at < day.bucket + interval '1 day';
        GET DIAGNOSTICS gone = ROW_COUNT;
        total := total + gone;
    END LOOP;
    RETURN total;
END
$$;

DO $$
DECLARE
    f regprocedure;
BEGIN
    GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'check\_%' LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        IF f::text NOT LIKE 'check\_record(%' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO keepwell_app', f);
        END IF;
        EXECUTE format('ALTER FUNCTION %s OWNER TO keepwell_maintenance', f);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;
END
$$;

-- Daily partitions of results, made ahead, and those dropped that were kept long enough. Owner's rights, as for ensure_partitions.
CREATE FUNCTION check_partitions(today date, ahead integer, kept integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    day date;
    name text;
    changed integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('keepwell.check_partitions'));
    IF ahead NOT BETWEEN 1 AND 60 OR kept NOT BETWEEN 2 AND 3660 THEN
        RAISE EXCEPTION 'days ahead must be between 1 and 60, days kept between 2 and 3660';
    END IF;
    FOR i IN -1 .. ahead LOOP
        day := today + i;
        name := 'check_result_' || to_char(day, 'YYYY_MM_DD');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.check_result FOR VALUES FROM (%L) TO (%L)', name,
                           day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
            changed := changed + 1;
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'check_result_default keeps the rows of %', day;
        END;
    END LOOP;
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.check_result'::regclass AND c.relname ~ '^check_result_\d{4}_\d\d_\d\d$'
            AND to_date(right(c.relname, 10), 'YYYY_MM_DD') < today - kept
    LOOP
        EXECUTE format('DROP TABLE public.%I', name);
        changed := changed + 1;
    END LOOP;
    RETURN changed;
END
$$;
REVOKE ALL ON FUNCTION check_partitions(date, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION check_partitions(date, integer, integer) TO keepwell_app;
SELECT check_partitions((now() AT TIME ZONE 'UTC')::date, 3, 14);
