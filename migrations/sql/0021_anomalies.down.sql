-- Takes the anomalies away, and what is known of series: it is learned again.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'anomaly\_%' LOOP
        EXECUTE format('DROP FUNCTION %s', f);
    END LOOP;
END
$$;
DROP FUNCTION check_settled(timestamptz, uuid[], uuid[], timestamptz[], interval, interval, integer);
DROP TABLE anomaly;
DROP TABLE anomaly_series;
