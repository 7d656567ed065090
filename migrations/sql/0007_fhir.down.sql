SET lock_timeout = '2s';
SET statement_timeout = '30s';

DROP INDEX response_identifier_value;
DROP INDEX response_identifier;
ALTER TABLE response
    DROP COLUMN authored_last,
    DROP COLUMN authored_first,
    DROP COLUMN identifier_value_index,
    DROP COLUMN identifier_index;
DROP TABLE participant_token;
DROP TABLE participant;
DROP FUNCTION participant_tokens();
