-- Jobs: work that follows from what was stored, and is done later by any worker; and the schedules of which many come.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- A payload is a JSON object of ids and names from the program only. `lease_until`: the worker that holds it must have said by then that it lives.
-- `error` is the name of a class of the program. What is done is deleted; what failed for good is held until somebody looks.
CREATE TABLE job (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    payload text NOT NULL,
    priority integer NOT NULL,
    state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'running', 'held')),
    attempts integer NOT NULL DEFAULT 0,
    most_attempts integer NOT NULL,
    enqueued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL,
    lease uuid,
    lease_until timestamptz,
    error text,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT job_key UNIQUE (tenant_id, kind, key)
);
CREATE INDEX job_ready ON job (tenant_id, priority, due_at) WHERE state = 'ready';
CREATE INDEX job_running ON job (tenant_id, lease_until) WHERE state = 'running';

ALTER TABLE job ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON job TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY maintenance ON job TO keepwell_maintenance USING (true);
GRANT SELECT, INSERT ON job TO keepwell_app;
GRANT SELECT, UPDATE, DELETE ON job TO keepwell_maintenance;

-- Takes up to `most` jobs of these kinds, the urgent first. Of the equally urgent, the clinic comes first of which the fewest run, and
-- chance decides between clinics, so that one with many jobs never keeps another from its turn.
-- What nobody spoke for in time is ready again; what took its worker with it as often as it may be tried is held.
CREATE FUNCTION job_claim(wanted text[], most integer, new_lease uuid, seconds double precision)
    RETURNS TABLE (tenant_id uuid, id uuid, kind text, payload text, attempts integer, most_attempts integer, waited double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := clock_timestamp();
BEGIN
    UPDATE public.job j
    SET state = CASE WHEN j.attempts < j.most_attempts THEN 'ready' ELSE 'held' END, lease = NULL, lease_until = NULL,
        error = 'WorkerLost'
    FROM (SELECT l.tenant_id, l.id FROM public.job l WHERE l.state = 'running' AND l.lease_until < at LIMIT 100
          FOR UPDATE SKIP LOCKED) lost
    WHERE j.tenant_id = lost.tenant_id AND j.id = lost.id;
    RETURN QUERY
    WITH RECURSIVE clinic AS (
        (SELECT r.tenant_id FROM public.job r WHERE r.state = 'ready' ORDER BY r.tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT r.tenant_id FROM public.job r WHERE r.state = 'ready' AND r.tenant_id > c.tenant_id
                ORDER BY r.tenant_id LIMIT 1)
        FROM clinic c WHERE c.tenant_id IS NOT NULL
    ), candidate AS (
        SELECT f.tenant_id, f.id FROM clinic c CROSS JOIN LATERAL (
            SELECT r.tenant_id, r.id, r.priority, r.due_at, row_number() OVER (ORDER BY r.priority, r.due_at)
                + (SELECT count(*) FROM public.job b WHERE b.tenant_id = c.tenant_id AND b.state = 'running') AS turn
            FROM public.job r
            WHERE r.tenant_id = c.tenant_id AND r.state = 'ready' AND r.due_at <= at AND r.kind = ANY (wanted)
            ORDER BY r.priority, r.due_at LIMIT most) f
        ORDER BY f.priority, f.turn, random() LIMIT most
    ), taken AS (
        SELECT j.tenant_id, j.id FROM public.job j JOIN candidate c ON c.tenant_id = j.tenant_id AND c.id = j.id
        WHERE j.state = 'ready' FOR UPDATE OF j SKIP LOCKED
    )
    UPDATE public.job j
    SET state = 'running', attempts = j.attempts + 1, lease = new_lease, lease_until = at + make_interval(secs => seconds)
    FROM taken t WHERE j.tenant_id = t.tenant_id AND j.id = t.id
    RETURNING j.tenant_id, j.id, j.kind, j.payload, j.attempts, j.most_attempts,
        extract(epoch FROM at - j.due_at)::double precision;
END
$$;

-- Says that a worker lives; returns what it still holds.
CREATE FUNCTION job_beat(held_lease uuid, seconds double precision) RETURNS TABLE (id uuid)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE public.job j SET lease_until = clock_timestamp() + make_interval(secs => seconds)
    WHERE j.state = 'running' AND j.lease = held_lease RETURNING j.id
$$;

-- The next three do nothing to a job that the worker no longer holds, and say whether it did.
CREATE FUNCTION job_finish(tenant uuid, job_id uuid, held_lease uuid) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (DELETE FROM public.job j WHERE j.tenant_id = tenant AND j.id = job_id AND j.lease = held_lease RETURNING 1)
    SELECT EXISTS (SELECT FROM gone)
$$;

-- Ready again after so many seconds; without a number, held.
CREATE FUNCTION job_fail(tenant uuid, job_id uuid, held_lease uuid, seconds double precision, why text) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH changed AS (
        UPDATE public.job j
        SET state = CASE WHEN seconds IS NULL THEN 'held' ELSE 'ready' END, lease = NULL, lease_until = NULL, error = why,
            due_at = clock_timestamp() + make_interval(secs => coalesce(seconds, 0))
        WHERE j.tenant_id = tenant AND j.id = job_id AND j.lease = held_lease RETURNING 1)
    SELECT EXISTS (SELECT FROM changed)
$$;

-- Given back untouched by a worker that ends: the attempt does not count.
CREATE FUNCTION job_give_back(tenant uuid, job_id uuid, held_lease uuid) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH changed AS (
        UPDATE public.job j SET state = 'ready', attempts = j.attempts - 1, lease = NULL, lease_until = NULL
        WHERE j.tenant_id = tenant AND j.id = job_id AND j.lease = held_lease RETURNING 1)
    SELECT EXISTS (SELECT FROM changed)
$$;

-- An operator's second chance for what is held.
CREATE FUNCTION job_redrive(tenant uuid, job_id uuid) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH changed AS (
        UPDATE public.job j SET state = 'ready', attempts = 0, due_at = clock_timestamp()
        WHERE j.tenant_id = tenant AND j.id = job_id AND j.state = 'held' RETURNING 1)
    SELECT EXISTS (SELECT FROM changed)
$$;

CREATE FUNCTION job_held() RETURNS TABLE (tenant_id uuid, id uuid, kind text, attempts integer, error text, enqueued_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT j.tenant_id, j.id, j.kind, j.attempts, j.error, j.enqueued_at FROM public.job j WHERE j.state = 'held'
    ORDER BY j.enqueued_at, j.id LIMIT 1000
$$;

-- How much of what lies there, and for how many seconds the oldest that could be done was not.
CREATE FUNCTION job_measures() RETURNS TABLE (kind text, state text, jobs bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT j.kind, j.state, count(*),
        greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(j.due_at)), 0))::double precision
    FROM public.job j GROUP BY j.kind, j.state
$$;

DO $$
DECLARE
    f regprocedure;
BEGIN
    GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN
            ('job_claim', 'job_beat', 'job_finish', 'job_fail', 'job_give_back', 'job_redrive', 'job_held', 'job_measures') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO keepwell_app', f);
        EXECUTE format('ALTER FUNCTION %s OWNER TO keepwell_maintenance', f);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;
END
$$;

-- Scheduled tasks of clinics. `due_at`: when a run is due; empty while it is paused or one is under way.
CREATE TABLE schedule (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    due_at timestamptz,
    zones text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX schedule_due ON schedule (due_at) WHERE due_at IS NOT NULL;

ALTER TABLE schedule ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON schedule TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY directory ON schedule FOR SELECT TO keepwell_directory USING (true);
GRANT SELECT, INSERT, UPDATE ON schedule TO keepwell_app;
GRANT SELECT ON schedule TO keepwell_directory;

-- For the worker, which runs the tasks of all clinics.
CREATE FUNCTION directory_due_schedules(now timestamptz) RETURNS TABLE (tenant_id uuid, id uuid, due_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.tenant_id, s.id, s.due_at FROM public.schedule s WHERE s.due_at <= now ORDER BY s.due_at, s.id LIMIT 1000
$$;
CREATE FUNCTION directory_outdated_schedules(version text) RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.tenant_id, s.id FROM public.schedule s WHERE s.zones <> version ORDER BY s.tenant_id, s.id LIMIT 1000
$$;

REVOKE ALL ON FUNCTION directory_due_schedules(timestamptz), directory_outdated_schedules(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_due_schedules(timestamptz), directory_outdated_schedules(text) TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_directory;
ALTER FUNCTION directory_due_schedules(timestamptz) OWNER TO keepwell_directory;
ALTER FUNCTION directory_outdated_schedules(text) OWNER TO keepwell_directory;
REVOKE CREATE ON SCHEMA public FROM keepwell_directory;
