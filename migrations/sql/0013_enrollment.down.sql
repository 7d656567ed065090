SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP FUNCTION directory_programs(text);
DROP FUNCTION directory_batches();
ALTER TABLE participant DROP COLUMN active, DROP COLUMN enrolled_index;
DROP TABLE piece;
DROP TABLE batch_part;
DROP TABLE batch;
DROP TABLE program;
