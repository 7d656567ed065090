-- Takes the columns away by which flags are found; the flags themselves stay in the aggregate and the journal.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_all_clinics();
DROP FUNCTION directory_rollouts();
DROP TABLE flag;
