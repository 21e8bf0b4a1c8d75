-- The roles of the product, for the whole cluster. Idempotent. Passwords are set apart, as SCRAM verifiers.

DO $$
DECLARE
    role_name name;
    elsewhere name;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['fieldstone_owner', 'fieldstone_app', 'fieldstone_auth', 'fieldstone_worker', 'fieldstone_lookup']::name[] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I', role_name);
        END IF;
        EXECUTE format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION CONNECTION LIMIT -1 VALID UNTIL ''infinity'' %s',
            role_name, CASE role_name WHEN 'fieldstone_lookup' THEN 'NOLOGIN' ELSE 'LOGIN' END);
        -- A role may change its own settings, so what is not set here is taken back.
        EXECUTE format('ALTER ROLE %I RESET ALL', role_name);
        FOR elsewhere IN SELECT d.datname FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
            WHERE s.setrole = role_name::regrole LOOP
            EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', role_name, elsewhere);
        END LOOP;
        -- Everything is named with its schema; an empty path leaves nothing to shadow.
        EXECUTE format('ALTER ROLE %I SET search_path = ''''', role_name);
        EXECUTE format('ALTER ROLE %I SET row_security = on', role_name);
        EXECUTE format('ALTER ROLE %I SET lo_compat_privileges = off', role_name);
        EXECUTE format('ALTER ROLE %I SET jit = off', role_name);
    END LOOP;

    -- plan_cache_mode stays at auto: force_custom_plan would plan every statement anew, on every request.
    FOREACH role_name IN ARRAY ARRAY['fieldstone_app', 'fieldstone_auth', 'fieldstone_worker']::name[] LOOP
        EXECUTE format('ALTER ROLE %I SET statement_timeout = ''30s''', role_name);
        EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''15s''', role_name);
        EXECUTE format('ALTER ROLE %I SET lock_timeout = ''5s''', role_name);
        EXECUTE format('ALTER ROLE %I SET default_transaction_isolation = ''read committed''', role_name);
    END LOOP;
END
$$;

-- The owner gives functions to the look-up role; the look-up role reads when its own backend started.
GRANT fieldstone_lookup TO fieldstone_owner;
GRANT pg_read_all_stats TO fieldstone_lookup;
