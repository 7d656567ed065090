-- Takes the installation's keys away: who logged in has to log in again, and checkpoints are signed by what the master key gives.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_any_clinic(text);
DROP FUNCTION directory_key_owners();
DROP FUNCTION directory_destroyed_keys();
DROP FUNCTION kernel_key_epoch();
DROP TABLE key_epoch;
DROP TABLE installation_key;
REVOKE SELECT (tenant_id, key_version, destroyed_at) ON tenant_key FROM keepwell_directory;
DROP POLICY directory ON tenant_key;
REVOKE UPDATE ON tenant_key FROM keepwell_app;
ALTER TABLE tenant_key DROP COLUMN destroyed_at, DROP COLUMN active;
