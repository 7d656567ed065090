-- Notifications: the channels of a clinic, how far each incident was followed, and what is to be told on which channel.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

-- `version` and `changed_at` are stored with the incident: who follows incidents sees by them what it has not seen. Version 0: changed
-- by a release that nobody followed. `tags` are blind, with spaces between.
ALTER TABLE incident
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN resolved_at timestamptz,
    ADD COLUMN tags text NOT NULL DEFAULT '',
    ADD COLUMN version integer NOT NULL DEFAULT 0,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT '-infinity';
-- Incidents are few, and a migration runs in one transaction.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX incident_changed ON incident (changed_at);

CREATE TABLE channel (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- One row an incident. `followed`: the version of the incident up to which it is decided who is told. `next_at`: when somebody else is
-- told unless it is acknowledged; empty: never.
CREATE TABLE alert (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    followed integer NOT NULL,
    next_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX alert_next ON alert (next_at) WHERE next_at IS NOT NULL;

-- `incident` is the first of those it tells of. `after`: the one on the same channel that goes first.
CREATE TABLE notification (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    channel uuid NOT NULL,
    incident uuid NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    grouped boolean NOT NULL,
    after uuid,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX notification_waiting ON notification (due_at) WHERE status = 'waiting';
CREATE INDEX notification_channel ON notification (tenant_id, channel, created_at);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['channel', 'alert', 'notification'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO keepwell_app USING (tenant_id = current_tenant()) '
                       'WITH CHECK (tenant_id = current_tenant())', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO keepwell_app', t);
    END LOOP;
END
$$;
CREATE POLICY directory ON incident FOR SELECT TO keepwell_directory USING (true);
CREATE POLICY directory ON alert FOR SELECT TO keepwell_directory USING (true);
CREATE POLICY directory ON notification FOR SELECT TO keepwell_directory USING (true);
GRANT SELECT ON incident, alert, notification TO keepwell_directory;

-- For the notifier, which follows the incidents of all clinics: those that changed since an instant and further than they were
-- followed, and those for which somebody else's turn has come; of one clinic, where it is named. Incidents' ids are in order of time.
CREATE FUNCTION directory_incidents_to_follow(since timestamptz, now timestamptz, clinic uuid)
    RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.tenant_id, f.id FROM (
        SELECT i.tenant_id, i.id FROM public.incident i
        LEFT JOIN public.alert a ON a.tenant_id = i.tenant_id AND a.id = i.id
        WHERE i.changed_at >= since AND i.version > coalesce(a.followed, 0) AND (clinic IS NULL OR i.tenant_id = clinic)
        UNION
        SELECT a.tenant_id, a.id FROM public.alert a WHERE a.next_at <= now AND (clinic IS NULL OR a.tenant_id = clinic)
    ) f ORDER BY f.id LIMIT 1000
$$;

-- The channels on which something is to be told by now.
CREATE FUNCTION directory_due_channels(now timestamptz) RETURNS TABLE (tenant_id uuid, channel uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT n.tenant_id, n.channel FROM public.notification n WHERE n.status = 'waiting' AND n.due_at <= now
$$;

-- How much of what is to be told lies there, and for how many seconds the oldest that could be told was not.
CREATE FUNCTION directory_notification_measures(now timestamptz) RETURNS TABLE (status text, notifications bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.status, count(*), greatest(0, extract(epoch FROM now - min(n.due_at)))::double precision
    FROM public.notification n WHERE n.status <> 'sent' GROUP BY n.status
$$;

DO $$
DECLARE
    f regprocedure;
BEGIN
    GRANT CREATE ON SCHEMA public TO keepwell_directory;
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN
            ('directory_incidents_to_follow', 'directory_due_channels', 'directory_notification_measures') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO keepwell_app', f);
        EXECUTE format('ALTER FUNCTION %s OWNER TO keepwell_directory', f);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM keepwell_directory;
END
$$;
