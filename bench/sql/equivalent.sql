-- The least a database must do for one audited, idempotent, versioned change of one aggregate of one clinic, as a single call:
-- tenant set, versioned update, journal entry with its chained hash, idempotency key with the stored outcome.
-- It runs on the product's own tables, as the plain role, under the same row-level security; nothing is encrypted, checked,
-- decided or encoded, and no HTTP request is parsed.
CREATE FUNCTION equivalent_patch(client integer, expected integer, body bytea) RETURNS integer
    LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    t constant uuid := '00000000-0000-0000-0000-000000000001';
    who constant uuid := '00000000-0000-0000-0000-000000000002';
    target constant uuid := lpad(to_hex(client + 1), 32, '0')::uuid;
    seen integer := expected;
    moment constant timestamptz := clock_timestamp();
    chain bytea;
    payload constant bytea := substring(body FOR 120);
BEGIN
    PERFORM set_config('app.tenant', t::text, true);
    IF seen = 0 THEN
        -- A client's first call only: it does not know its version yet.
        SELECT g.version INTO STRICT seen FROM aggregate g WHERE g.tenant_id = t AND g.kind = 'response' AND g.id = target;
    END IF;
    chain := sha256(target::text::bytea || payload);
    UPDATE aggregate g SET version = seen + 1, updated_at = moment, head = chain, state = body
        WHERE g.tenant_id = t AND g.kind = 'response' AND g.id = target AND g.version = seen;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'stale';
    END IF;
    INSERT INTO journal_entry (tenant_id, kind, id, version, at, event, command, actor, role, door, request_id, purpose, payload,
                               previous, hash)
        VALUES (t, 'response', target, seen + 1, moment, 'answered', 'responses.patch', who, 'clinician', 'http', target::text,
                'TREAT', payload, chain, chain);
    INSERT INTO idempotency (tenant_id, key, fingerprint, outcome, created_at, expires_at)
        VALUES (t, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), chain, body, moment, moment + interval '24 hours');
    RETURN seen + 1;
END
$$;
GRANT EXECUTE ON FUNCTION equivalent_patch(integer, integer, bytea) TO keepwell_app;

-- One row a client. Forced row-level security holds the owner too: the rows are written under the tenant, as the plain role.
SET ROLE keepwell_app;
BEGIN;
SELECT set_config('app.tenant', '00000000-0000-0000-0000-000000000001', true);
INSERT INTO aggregate (tenant_id, kind, id, version, created_at, updated_at, head, state)
    SELECT '00000000-0000-0000-0000-000000000001', 'response', lpad(to_hex(n), 32, '0')::uuid, 1, now(), now(), sha256('head'),
           substring(decode(repeat(md5(n::text), 50), 'hex') FOR 600)
    FROM generate_series(1, 256) n;
COMMIT;
RESET ROLE;
