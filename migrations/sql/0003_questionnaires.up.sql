-- Questionnaires and responses: the columns they are found by. Everything else lies encrypted in the aggregate.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- What stands here describes a form, never a person.
CREATE TABLE questionnaire (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    url text,
    version text,
    status text NOT NULL,
    title text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    -- A canonical is `url|version`. Without a version there is nothing to keep apart: the newest one published counts.
    CONSTRAINT questionnaire_canonical_key UNIQUE (tenant_id, url, version)
);

-- The subject is a keyed index of the reference: it finds a person's responses for whoever can name the person. Nothing here
-- changes with an answer, so that writing an answer writes no row here.
CREATE TABLE response (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    questionnaire_id uuid NOT NULL,
    subject_index bytea,
    status text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX response_questionnaire ON response (tenant_id, questionnaire_id, id);
CREATE INDEX response_subject ON response (tenant_id, subject_index, id);

ALTER TABLE questionnaire ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE response ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON questionnaire TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY tenant ON response TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON questionnaire, response TO keepwell_app;
