-- Takes back the reads that say what they hold; the reads of 0001 are still there.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION kernel_read(uuid[], integer[], text[], uuid[], bytea[], uuid[], timestamptz[], uuid[], text[], uuid[], text[],
                          text[], text[], text[], bytea[], bytea[], timestamptz);
