-- Takes the counts away. They are telemetry: nothing else is made from them.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION purge_tally(text, timestamptz, integer);
DROP FUNCTION tally_add(uuid[], integer[], text[], timestamptz[], text[], bigint[], timestamptz[], timestamptz[]);
DROP TABLE tally;
