-- Takes away what watches over jobs and incidents; what programs were told of stays in the journal.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_open_incidents(text);
REVOKE SELECT (tenant_id, id, subject, status) ON incident FROM keepwell_directory;
DROP POLICY watched ON incident;
DROP FUNCTION job_purge(uuid, timestamptz);
DROP FUNCTION job_oldest_due();
DROP FUNCTION job_clinics(double precision);
ALTER TABLE program DROP COLUMN told_until;
