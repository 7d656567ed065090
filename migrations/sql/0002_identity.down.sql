SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_accounts(bytea);
DROP FUNCTION directory_other_clinics(text);
DROP FUNCTION directory_clinics(uuid[]);
DROP FUNCTION directory_clinic_by_slug(text);
DROP TABLE user_session;
DROP TABLE user_account;
DROP TABLE tenant;
