-- What happened to aggregates since a version, of many at once; and how far aggregates and sessions are, for those who wait.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- The journal entries of each span (kind, id, first and last version), tenant by tenant, each under that one tenant's setting.
-- Segment i runs from starts[i] to starts[i + 1] - 1; `place` says which span a row belongs to, counted from 1.
CREATE FUNCTION kernel_entries(
    tenants uuid[], starts integer[], e_kind text[], e_id uuid[], e_low integer[], e_high integer[])
    RETURNS TABLE (place integer, version integer, at timestamptz, command text, actor uuid, role text, door text, request_id text,
                   purpose text, payload bytea)
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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
        RETURN QUERY
            SELECT (a + w.place - 1)::integer, j.version, j.at, j.command, j.actor, j.role, j.door, j.request_id, j.purpose, j.payload
            FROM unnest(e_kind[a:b], e_id[a:b], e_low[a:b], e_high[a:b]) WITH ORDINALITY AS w (kind, id, low, high, place)
            CROSS JOIN LATERAL (SELECT * FROM journal_entry e WHERE e.tenant_id = t AND e.kind = w.kind AND e.id = w.id
                                AND e.version BETWEEN w.low AND w.high ORDER BY e.version OFFSET 0) j;
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$$;

-- The versions of aggregates (what 1), and which sessions still live (what 3). Shows nothing of what is in them.
CREATE FUNCTION kernel_versions(
    tenants uuid[], a_starts integer[], a_kind text[], a_id uuid[], c_starts integer[], c_id uuid[], moment timestamptz)
    RETURNS TABLE (what integer, tenant uuid, kind text, id uuid, version integer)
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    t uuid;
BEGIN
    FOR i IN 1 .. cardinality(tenants) LOOP
        t := tenants[i];
        PERFORM set_config('app.tenant', t::text, true);
        RETURN QUERY
            SELECT 1, t, w.kind, w.id, g.version
            FROM unnest(a_kind[a_starts[i] : a_starts[i + 1] - 1], a_id[a_starts[i] : a_starts[i + 1] - 1]) AS w (kind, id)
            CROSS JOIN LATERAL (SELECT a.version FROM aggregate a WHERE a.tenant_id = t AND a.kind = w.kind AND a.id = w.id OFFSET 0) g;
        RETURN QUERY
            SELECT 3, t, NULL::text, w.id, NULL::integer
            FROM unnest(c_id[c_starts[i] : c_starts[i + 1] - 1]) AS w (id)
            CROSS JOIN LATERAL (SELECT 1 FROM aggregate a WHERE a.tenant_id = t AND a.kind = 'session' AND a.id = w.id
                                AND a.valid_until > moment OFFSET 0) g;
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$$;

REVOKE ALL ON FUNCTION kernel_entries(uuid[], integer[], text[], uuid[], integer[], integer[]),
    kernel_versions(uuid[], integer[], text[], uuid[], integer[], uuid[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kernel_entries(uuid[], integer[], text[], uuid[], integer[], integer[]),
    kernel_versions(uuid[], integer[], text[], uuid[], integer[], uuid[], timestamptz) TO keepwell_app;
