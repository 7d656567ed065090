-- Takes the queue away with what still waits in it, and the columns by which schedules are found.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_outdated_schedules(text);
DROP FUNCTION directory_due_schedules(timestamptz);
DROP TABLE schedule;
DROP FUNCTION job_measures();
DROP FUNCTION job_held();
DROP FUNCTION job_redrive(uuid, uuid);
DROP FUNCTION job_give_back(uuid, uuid, uuid);
DROP FUNCTION job_fail(uuid, uuid, uuid, double precision, text);
DROP FUNCTION job_finish(uuid, uuid, uuid);
DROP FUNCTION job_beat(uuid, double precision);
DROP FUNCTION job_claim(text[], integer, uuid, double precision);
DROP TABLE job;
