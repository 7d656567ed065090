SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION job_finish_all(uuid[], uuid[], uuid);
