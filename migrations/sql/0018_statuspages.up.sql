-- Where status pages are found. A slug is a part of a public address; a page that is gone has none.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

CREATE TABLE status_page (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    slug text,
    published boolean NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT status_page_slug UNIQUE (tenant_id, slug)
);
ALTER TABLE status_page ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON status_page TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON status_page TO keepwell_app;
