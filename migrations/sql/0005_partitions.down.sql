-- The function of 0001 again.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

CREATE OR REPLACE FUNCTION ensure_partitions(from_month date, months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    parent text;
    first_day date;
    made integer := 0;
    name text;
BEGIN
    -- Two processes that make the same partition would deadlock on the parent.
    PERFORM pg_advisory_xact_lock(hashtext('keepwell.ensure_partitions'));
    IF months NOT BETWEEN 1 AND 120 THEN
        RAISE EXCEPTION 'months must be between 1 and 120';
    END IF;
    FOR i IN 0 .. months - 1 LOOP
        first_day := (date_trunc('month', from_month::timestamp) + make_interval(months => i))::date;
        FOREACH parent IN ARRAY ARRAY['journal_entry', 'access_record'] LOOP
            name := format('%s_%s', parent, to_char(first_day, 'YYYY_MM'));
            CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)', name, parent,
                           first_day::text || ' 00:00:00+00', (first_day + interval '1 month')::date::text || ' 00:00:00+00');
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
