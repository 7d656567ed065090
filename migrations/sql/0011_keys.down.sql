-- Takes the columns away by which keys, incidents, emergency access and vendors are found; they stay in the aggregate and the
-- journal. Keys let nobody in any more.
SET lock_timeout = '2s';
SET statement_timeout = '30s';

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             AND proname IN ('kernel_load', 'kernel_read', 'kernel_versions') LOOP
        EXECUTE replace(pg_get_functiondef(f), 'kind = ANY (credential_kinds())', 'kind = ''session''');
    END LOOP;
END
$$;
DROP FUNCTION credential_kinds();
DROP FUNCTION directory_lapsed_emergencies(timestamptz, integer);
DROP FUNCTION directory_clinics_with_keys(timestamptz);
DROP TABLE vendor;
DROP TABLE emergency_access;
DROP TABLE incident;
DROP TABLE api_key;
