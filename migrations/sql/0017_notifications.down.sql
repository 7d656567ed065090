-- Takes channels and notifications away, and what incidents are followed and measured by.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_notification_measures(timestamptz);
DROP FUNCTION directory_due_channels(timestamptz);
DROP FUNCTION directory_incidents_to_follow(timestamptz, timestamptz, uuid);
DROP TABLE notification;
DROP TABLE alert;
DROP TABLE channel;
DROP POLICY directory ON incident;
REVOKE SELECT ON incident FROM keepwell_directory;
DROP INDEX incident_changed;
ALTER TABLE incident
    DROP COLUMN changed_at,
    DROP COLUMN version,
    DROP COLUMN tags,
    DROP COLUMN resolved_at,
    DROP COLUMN acknowledged_at;
