-- Participants, and what FHIR searches find them and responses by.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- The external id is a keyed index. `tokens` are keyed indexes of 16 bytes one after the other: of each identifier and each name.
CREATE TABLE participant (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    program uuid,
    external_index bytea,
    tokens bytea NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX participant_external ON participant (tenant_id, external_index, id);

-- One row for each token of a participant. Operators on arrays are not leakproof, so an index for them would lie unused under
-- row-level security; equality of bytes is.
CREATE TABLE participant_token (
    tenant_id uuid NOT NULL,
    token bytea NOT NULL,
    id uuid NOT NULL,
    PRIMARY KEY (tenant_id, token, id)
);

ALTER TABLE participant ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE participant_token ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON participant TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY tenant ON participant_token TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON participant TO keepwell_app;
GRANT SELECT, INSERT, DELETE ON participant_token TO keepwell_app;

-- Whoever writes a participant's row, in whatever way, has its tokens with it.
CREATE FUNCTION participant_tokens() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
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
CREATE TRIGGER participant_inserted AFTER INSERT ON participant
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION participant_tokens();
CREATE TRIGGER participant_updated AFTER UPDATE ON participant
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION participant_tokens();

-- Both indexes of the identifier are keyed: of system and value together, and of the value alone. When it was authored stands here
-- only where the sender said so, as the span of time it can mean; else it is when the response changed last.
ALTER TABLE response
    ADD COLUMN identifier_index bytea,
    ADD COLUMN identifier_value_index bytea,
    ADD COLUMN authored_first timestamptz,
    ADD COLUMN authored_last timestamptz;
-- No row has the new columns yet, so that both indexes are empty: making them takes one look through a table of short rows.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX response_identifier ON response (tenant_id, identifier_index) WHERE identifier_index IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX response_identifier_value ON response (tenant_id, identifier_value_index) WHERE identifier_value_index IS NOT NULL;
