-- Reads that say which states they hold already. The signature of 0001 stays for the release before this one.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- As `kernel_read` of 0001, with `r_known`: what the caller holds of each row, as its head followed by the id of the transaction
-- that wrote it (8 bytes). The state is answered only where that differs from what is stored; an empty value means that no
-- state is wanted. Head and transaction together name one stored state exactly: a rebuild, a new key, a restore to an earlier
-- moment each change at least one of them, and neither lies outside the row, so no large state is touched to compare.
-- `seen` is how far the log was flushed when the rows were seen: a commit shows only after that, so all they show lies before it.
CREATE FUNCTION kernel_read(
    tenants uuid[], starts integer[], r_kind text[], r_entity uuid[], r_compartment bytea[], r_credential uuid[],
    r_at timestamptz[], r_id uuid[], r_action text[], r_actor uuid[], r_role text[], r_door text[], r_request_id text[],
    r_purpose text[], r_digest bytea[], r_known bytea[], moment timestamptz)
    RETURNS TABLE (place integer, outcome text, version integer, created_at timestamptz, updated_at timestamptz, head bytea,
                   writer bigint, state bytea, seen bigint)
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
            WITH found AS MATERIALIZED (
                SELECT w.*, g.version, g.created_at, g.updated_at, g.head, g.state, g.writer,
                       CASE WHEN w.credential IS NOT NULL AND c.id IS NULL THEN 'unauthenticated'
                            WHEN w.entity = '00000000-0000-0000-0000-000000000000' THEN 'ok'
                            WHEN g.version IS NULL THEN 'not-found'
                            WHEN w.compartment IS NOT NULL AND w.compartment IS DISTINCT FROM g.compartment THEN 'forbidden'
                            ELSE 'ok' END AS outcome
                FROM unnest(r_kind[a:b], r_entity[a:b], r_compartment[a:b], r_credential[a:b], r_at[a:b], r_id[a:b], r_action[a:b],
                            r_actor[a:b], r_role[a:b], r_door[a:b], r_request_id[a:b], r_purpose[a:b], r_digest[a:b], r_known[a:b])
                    WITH ORDINALITY
                    AS w (kind, entity, compartment, credential, at, id, action, actor, role, door, request_id, purpose, digest, known,
                          place)
                LEFT JOIN LATERAL (SELECT g.*, g.xmin::text::bigint AS writer FROM aggregate g
                                   WHERE g.tenant_id = t AND g.kind = w.kind AND g.id = w.entity OFFSET 0) g ON true
                LEFT JOIN LATERAL (SELECT s.id FROM aggregate s WHERE s.tenant_id = t AND s.kind = 'session' AND s.id = w.credential
                                   AND s.valid_until > moment OFFSET 0) c ON true
            ), recorded AS (
                INSERT INTO access_record (tenant_id, entity, at, id, kind, version, action, outcome, actor, role, door, request_id,
                                           purpose, hash)
                SELECT t, f.entity, f.at, f.id, f.kind, coalesce(f.version, 0), f.action, f.outcome, f.actor, f.role, f.door,
                       f.request_id, f.purpose,
                       sha256(f.digest || int4send(coalesce(f.version, 0)) || convert_to(f.outcome, 'UTF8'))
                FROM found f
            )
            SELECT (a + f.place - 1)::integer, f.outcome, f.version, f.created_at, f.updated_at, f.head, f.writer,
                   CASE WHEN f.outcome = 'ok' AND (f.known IS NULL OR f.known <> '' AND f.known <> f.head || int8send(f.writer))
                        THEN f.state END,
                   (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint
            FROM found f;
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$$;

REVOKE ALL ON FUNCTION kernel_read(uuid[], integer[], text[], uuid[], bytea[], uuid[], timestamptz[], uuid[], text[], uuid[], text[],
                                   text[], text[], text[], bytea[], bytea[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kernel_read(uuid[], integer[], text[], uuid[], bytea[], uuid[], timestamptz[], uuid[], text[], uuid[], text[],
                                      text[], text[], text[], bytea[], bytea[], timestamptz) TO keepwell_app;
