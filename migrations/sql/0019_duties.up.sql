-- Watching over jobs, telling of programs that open and close, dropping what was kept long enough.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- Up to which instant it has been told of a program that it opened or closed; null: of none.
ALTER TABLE program ADD COLUMN told_until timestamptz;

-- Clinics with jobs that failed for good, or that have been due for longer than so many seconds; of kinds that may wait, the former only.
CREATE FUNCTION job_clinics(late double precision, patient text[]) RETURNS TABLE (tenant_id uuid, held bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.tenant_id, c.held, c.age FROM (
        SELECT j.tenant_id, count(*) FILTER (WHERE j.state = 'held') AS held,
            coalesce(extract(epoch FROM clock_timestamp() - min(j.due_at) FILTER (WHERE j.state = 'ready' AND j.kind <> ALL (patient))), 0)::double precision AS age
        FROM public.job j GROUP BY j.tenant_id) c
    WHERE c.held > 0 OR c.age > late
    ORDER BY c.tenant_id
$$;

-- For how many seconds the oldest job that could be done was not, but for kinds that may wait.
CREATE FUNCTION job_oldest_due(patient text[]) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(j.due_at)), 0))::double precision
    FROM public.job j WHERE j.state = 'ready' AND j.kind <> ALL (patient)
$$;

-- Deletes a clinic's jobs that failed for good before an instant; says how many.
CREATE FUNCTION job_purge(tenant uuid, before timestamptz) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM public.job j WHERE j.tenant_id = tenant AND j.state = 'held' AND j.due_at < before RETURNING 1)
    SELECT count(*) FROM gone
$$;

DO $$
DECLARE
    f regprocedure;
BEGIN
    GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN
            ('job_clinics', 'job_oldest_due', 'job_purge') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO keepwell_app', f);
        EXECUTE format('ALTER FUNCTION %s OWNER TO keepwell_maintenance', f);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;
END
$$;

-- Open incidents of all clinics about things of one kind, for who opens them and says by itself that they are over.
CREATE FUNCTION directory_open_incidents(prefix text) RETURNS TABLE (tenant_id uuid, id uuid, subject text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.tenant_id, i.id, i.subject FROM public.incident i
    WHERE i.status <> 'resolved' AND starts_with(i.subject, prefix) ORDER BY i.tenant_id, i.id
$$;
REVOKE ALL ON FUNCTION directory_open_incidents(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_open_incidents(text) TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_directory;
ALTER FUNCTION directory_open_incidents(text) OWNER TO keepwell_directory;
REVOKE CREATE ON SCHEMA public FROM keepwell_directory;
