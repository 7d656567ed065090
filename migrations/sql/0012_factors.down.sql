-- Takes the columns away by which factors and policies are found; both stay in the aggregate and the journal.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP TABLE login_policy;
DROP TABLE factor;
ALTER TABLE user_session DROP COLUMN methods;
