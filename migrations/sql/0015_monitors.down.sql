-- Takes away where monitors are found; the monitors themselves stay, and so does their journal.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_heartbeat(bytea);
DROP TABLE monitor;
