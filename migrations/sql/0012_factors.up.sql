-- Second factors and login policies: the columns a login asks for, in one look. Secrets lie encrypted in the aggregates.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- How the holder of a session proved who they are: names from the program, with spaces between.
ALTER TABLE user_session ADD COLUMN methods text NOT NULL DEFAULT '';

-- What a person has, by the names of methods, with spaces between.
CREATE TABLE factor (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    methods text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- What a clinic allows and requires: names of methods and roles, with spaces between.
CREATE TABLE login_policy (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    allowed text NOT NULL,
    required_for text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

ALTER TABLE factor ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE login_policy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON factor TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY tenant ON login_policy TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON factor, login_policy TO keepwell_app;
