-- Clinics, accounts and sessions: the columns they are found by, and the directory that answers before anyone has logged in.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- A clinic lies under its own id, so that the policy that guards its data guards its row too. Short names are unique over all
-- clinics: they stand in addresses, and only operators make clinics, so a taken one tells nobody anything.
CREATE TABLE tenant (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    active boolean NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT tenant_is_its_own CHECK (tenant_id = id),
    CONSTRAINT tenant_slug_key UNIQUE (slug)
);

-- Nothing here names a person: the address is a keyed index of it, everything else lies encrypted in the aggregate.
CREATE TABLE user_account (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    email_index bytea NOT NULL,
    role text NOT NULL,
    active boolean NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT user_account_email_key UNIQUE (tenant_id, email_index)
);
-- For the directory alone: a person's accounts over all clinics.
CREATE INDEX user_account_email ON user_account (email_index);

CREATE TABLE user_session (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    refreshed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 85);
CREATE INDEX user_session_user ON user_session (tenant_id, user_id, expires_at);

ALTER TABLE tenant ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE user_account ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE user_session ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY tenant ON user_account TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY tenant ON user_session TO keepwell_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY directory ON tenant FOR SELECT TO keepwell_directory USING (true);
CREATE POLICY directory ON user_account FOR SELECT TO keepwell_directory USING (true);

GRANT SELECT, INSERT, UPDATE ON tenant, user_account, user_session TO keepwell_app;
GRANT SELECT (tenant_id, id, slug, name, active) ON tenant TO keepwell_directory;
GRANT SELECT (tenant_id, id, email_index, active) ON user_account TO keepwell_directory;

-- The directory: before login no tenant is set, and row-level security would show nothing.
CREATE FUNCTION directory_clinic_by_slug(wanted text) RETURNS TABLE (id uuid, slug text, name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name FROM public.tenant t WHERE t.slug = wanted AND t.active
$$;

CREATE FUNCTION directory_clinics(wanted uuid[]) RETURNS TABLE (id uuid, slug text, name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name FROM public.tenant t WHERE t.tenant_id = ANY (wanted) AND t.id = t.tenant_id AND t.active
$$;

-- For the demo, which only runs where no other clinic is.
CREATE FUNCTION directory_other_clinics(besides text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.tenant t WHERE t.slug <> besides)
$$;

-- Accounts that may log in come first, the oldest of them leading.
CREATE FUNCTION directory_accounts(wanted bytea) RETURNS TABLE (tenant_id uuid, id uuid, active boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.tenant_id, a.id, a.active FROM public.user_account a WHERE a.email_index = wanted
    ORDER BY a.active DESC, a.id LIMIT 100
$$;

REVOKE ALL ON FUNCTION directory_clinic_by_slug(text), directory_clinics(uuid[]), directory_other_clinics(text),
    directory_accounts(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_clinic_by_slug(text), directory_clinics(uuid[]), directory_other_clinics(text),
    directory_accounts(bytea) TO keepwell_app;

GRANT CREATE ON SCHEMA public TO keepwell_directory;
ALTER FUNCTION directory_clinic_by_slug(text) OWNER TO keepwell_directory;
ALTER FUNCTION directory_clinics(uuid[]) OWNER TO keepwell_directory;
ALTER FUNCTION directory_other_clinics(text) OWNER TO keepwell_directory;
ALTER FUNCTION directory_accounts(bytea) OWNER TO keepwell_directory;
REVOKE CREATE ON SCHEMA public FROM keepwell_directory;
