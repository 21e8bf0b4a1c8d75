-- The roles of the product, for the whole cluster. Idempotent. Passwords are set apart, as SCRAM verifiers.

DO $$
DECLARE
    role_name name;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['fieldstone_owner', 'fieldstone_app', 'fieldstone_auth', 'fieldstone_worker', 'fieldstone_lookup']::name[] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I', role_name);
        END IF;
        EXECUTE format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION %s', role_name,
            CASE role_name WHEN 'fieldstone_lookup' THEN 'NOLOGIN' ELSE 'LOGIN' END);
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
