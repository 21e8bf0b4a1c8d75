-- What only a cluster superuser can do, in the database itself. Idempotent: every statement states the end, not the step.
--
-- Takes from PUBLIC what an injected statement could use against other tenants: signals, sleep, advisory locks, large
-- objects, files, notifications, replication, functions that run text as a query, other sessions' activity, and languages
-- (no DO block, no function of one's own).

DO $$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT p.oid::regprocedure AS signature FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
        AND EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
            WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')
        AND p.proname ~ ('^(pg_terminate_backend|pg_cancel_backend|pg_sleep.*|pg_notify|pg_(try_)?advisory_.*|lo_.*|loread|lowrite'
            '|pg_read_.*|pg_ls_.*|pg_stat_file|pg_current_logfile|pg_logical_.*|pg_create_.*_replication_slot|pg_drop_replication_slot'
            '|pg_copy_.*_replication_slot|pg_replication_.*|pg_export_snapshot'
            '|pg_stat_get_activity|pg_stat_get_backend_.*|pg_stat_get_wal_senders|pg_lock_status|pg_prepared_xact'
            '|(query|table|cursor|schema|database)_to_xml.*|ts_stat|ts_rewrite)$')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', target.signature);
    END LOOP;

    FOR target IN
        SELECT p.oid::regprocedure AS signature FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_'
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO fieldstone_owner', target.signature);
    END LOOP;

    -- Views over the activity and the statistics of others; monitoring keeps them.
    FOR target IN
        SELECT c.oid::regclass AS name FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('v', 'r')
        AND (c.relname ~ '^pg_stat_' OR c.relname IN ('pg_locks', 'pg_prepared_xacts', 'pg_largeobject_metadata', 'pg_replication_slots'))
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM PUBLIC', target.name);
        EXECUTE format('GRANT SELECT ON %s TO pg_monitor', target.name);
    END LOOP;

    FOR target IN SELECT l.lanname FROM pg_catalog.pg_language l WHERE l.lanpltrusted LOOP
        EXECUTE format('REVOKE USAGE ON LANGUAGE %I FROM PUBLIC', target.lanname);
        EXECUTE format('GRANT USAGE ON LANGUAGE %I TO fieldstone_owner', target.lanname);
    END LOOP;

    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO fieldstone_app, fieldstone_auth, fieldstone_worker', current_database());
    EXECUTE format('GRANT ALL ON DATABASE %I TO fieldstone_owner', current_database());
END
$$;

-- The monitoring role keeps what the views above need.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer), pg_catalog.pg_lock_status(), pg_catalog.pg_stat_get_wal_senders() TO pg_monitor;

-- The functions of the tenant context: which backend this is, and the lock that remembers it.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer), pg_catalog.pg_advisory_lock_shared(bigint),
    pg_catalog.pg_try_advisory_lock_shared(bigint), pg_catalog.pg_advisory_unlock_shared(bigint) TO fieldstone_lookup;
-- app.lead_job(): which server runs a job.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(integer, integer) TO fieldstone_lookup;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION fieldstone_owner;
REVOKE ALL ON SCHEMA app FROM PUBLIC;
