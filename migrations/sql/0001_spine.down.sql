-- Takes the spine away, data included. Roles stay: they belong to the server, and other databases may use them.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION kernel_read;
DROP FUNCTION kernel_write;
DROP FUNCTION kernel_load;
DROP FUNCTION purge_idempotency;
DROP FUNCTION ensure_partitions;
DROP TABLE checkpoint;
DROP TABLE tenant_key;
DROP TABLE idempotency;
DROP TABLE access_record;
DROP TABLE journal_entry;
DROP TABLE aggregate;
DROP FUNCTION current_tenant;
