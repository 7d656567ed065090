-- Takes the checks away: results, states, transitions, and what was still to be checked.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'check\_%' LOOP
        EXECUTE format('DROP FUNCTION %s', f);
    END LOOP;
END
$$;
DROP TABLE check_request;
DROP TABLE monitor_transition;
DROP TABLE monitor_state;
DROP TABLE check_rollup;
DROP TABLE check_result;
DROP TABLE check_run;
DROP TABLE check_schedule;
