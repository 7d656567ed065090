-- Jobs that are done at the same time are finished in one statement.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- As job_finish, of many; which of them the worker still held. An id is of one clinic, so the clinics need not stand beside the ids.
CREATE FUNCTION job_finish_all(tenants uuid[], ids uuid[], held_lease uuid) RETURNS TABLE (id uuid)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM public.job j WHERE j.tenant_id = ANY (tenants) AND j.id = ANY (ids) AND j.lease = held_lease RETURNING j.id
$$;
REVOKE ALL ON FUNCTION job_finish_all(uuid[], uuid[], uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION job_finish_all(uuid[], uuid[], uuid) TO keepwell_app;
GRANT CREATE ON SCHEMA public TO keepwell_maintenance;
ALTER FUNCTION job_finish_all(uuid[], uuid[], uuid) OWNER TO keepwell_maintenance;
REVOKE CREATE ON SCHEMA public FROM keepwell_maintenance;
