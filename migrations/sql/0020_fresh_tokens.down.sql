SET lock_timeout = '2s';
SET statement_timeout = '30s';

CREATE OR REPLACE FUNCTION participant_tokens() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM participant_token k USING stale s, generate_series(0, length(s.tokens) / 16 - 1) n
        WHERE k.tenant_id = s.tenant_id AND k.token = substring(s.tokens FROM 16 * n + 1 FOR 16) AND k.id = s.id;
    END IF;
    INSERT INTO participant_token (tenant_id, token, id)
    SELECT f.tenant_id, substring(f.tokens FROM 16 * n + 1 FOR 16), f.id
    FROM fresh f, generate_series(0, length(f.tokens) / 16 - 1) n
    ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
