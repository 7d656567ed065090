SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION kernel_versions(uuid[], integer[], text[], uuid[], integer[], uuid[], timestamptz);
DROP FUNCTION kernel_entries(uuid[], integer[], text[], uuid[], integer[], integer[]);
