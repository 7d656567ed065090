-- Takes away what watches over jobs and incidents; what programs were told of stays in the journal.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_open_incidents(text);
DROP FUNCTION job_purge(uuid, timestamptz);
DROP FUNCTION job_oldest_due(text[]);
DROP FUNCTION job_clinics(double precision, text[]);
ALTER TABLE program DROP COLUMN told_until;
