-- The tenant context: who a transaction works for, and the policies that hang on it.
--
-- Two authenticators, each covering what the other cannot:
--
--   1. The *signature*. The server signs `1|kid|tenant|user|role|pid|backend start|expiry` with HMAC-SHA256 and sends it
--      as a bind parameter of app.enter(), once per transaction. A serving role can read neither the keys nor the
--      parameter, and a captured signature is good for one backend and 60 seconds.
--   2. The *seal*. app.enter() replaces the signed text by `1|kid|tenant|user|role|seal`, where the seal is an HMAC under
--      a second key that never leaves this database, over the same fields plus the backend's pid and
--      transaction_timestamp(). app.tenant_id() and its siblings accept nothing but a seal. So no row is seen in a
--      transaction that has not passed app.enter() (and with it the checks of membership and credential), and what an
--      injection can read with current_setting() is worthless in any other transaction.
--
-- backend start is what tells two backends with one pid apart. Reading it costs 20 µs and more (it copies the state of
-- every backend), so app.hello() reads it once per connection and remembers it as a session-level shared advisory lock
-- whose key is that instant in microseconds. Only this file's functions may take advisory locks, the lock lives exactly as
-- long as the backend, and asking "do I hold it" is a local look-up of well under a microsecond.
--
-- HMAC-SHA256 is composed from the built-in sha256() with precomputed pads (RFC 2104), so no extension is needed.
-- Authenticators are compared by hashing both sides once more under the key: the bytes compared are unknown to whoever
-- sent them, so the time of the comparison says nothing.

-- Functions are for those they are granted to.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA app TO fieldstone_lookup, fieldstone_app, fieldstone_auth, fieldstone_worker;

-- How each table is protected; read by the lint and by `fieldstone verify`.
CREATE TABLE app.table_class (
    table_name name COLLATE "C" PRIMARY KEY,
    class      text COLLATE "C" NOT NULL
        CHECK (class IN ('record', 'managed', 'personal', 'append_only', 'private', 'system'))
);

-- Protects one table; called by the migration that creates it, and again when its class changes.
--
--   record       every user of the tenant reads; owner, admin and member write
--   managed      every user of the tenant reads; owner and admin write
--   personal     a user reads and writes their own rows (column user_id)
--   append_only  every user of the tenant reads and adds; nobody changes or removes
--   private      tenant data that no serving role touches: look-up functions only
--   system       not tenant data, and no serving role touches it
CREATE FUNCTION app.protect(target regclass, class text) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    own    constant text := 'tenant_id = (SELECT app.tenant_id())';
    mine   constant text := own || ' AND user_id = (SELECT app.user_id())';
    write  text;
    policy name;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    FOR policy IN SELECT p.polname FROM pg_catalog.pg_policy p WHERE p.polrelid = target AND p.polname <> 'look_up' LOOP
        EXECUTE format('DROP POLICY %I ON %s', policy, target);
    END LOOP;
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, fieldstone_app, fieldstone_auth, fieldstone_worker', target);

    -- FORCE binds the owner too. Without this policy a backfill would change 0 rows without an error, and a foreign
    -- key would validate over dangling rows.
    EXECUTE format('CREATE POLICY migrate ON %s TO fieldstone_owner USING (true) WITH CHECK (true)', target);

    IF class IN ('record', 'managed') THEN
        write := own || CASE class WHEN 'record' THEN ' AND (SELECT app.can_write())' ELSE ' AND (SELECT app.can_manage())' END;
        EXECUTE format('CREATE POLICY tenant_select ON %s FOR SELECT TO fieldstone_app, fieldstone_worker USING (%s)', target, own);
        EXECUTE format('CREATE POLICY tenant_insert ON %s FOR INSERT TO fieldstone_app, fieldstone_worker WITH CHECK (%s)', target, write);
        EXECUTE format('CREATE POLICY tenant_update ON %s FOR UPDATE TO fieldstone_app, fieldstone_worker USING (%s) WITH CHECK (%s)', target, write, write);
        EXECUTE format('CREATE POLICY tenant_delete ON %s FOR DELETE TO fieldstone_app, fieldstone_worker USING (%s)', target, write);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO fieldstone_app, fieldstone_worker', target);
    ELSIF class = 'personal' THEN
        EXECUTE format('CREATE POLICY own_rows ON %s TO fieldstone_app, fieldstone_worker USING (%s) WITH CHECK (%s)', target, mine, mine);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO fieldstone_app, fieldstone_worker', target);
    ELSIF class = 'append_only' THEN
        EXECUTE format('CREATE POLICY tenant_select ON %s FOR SELECT TO fieldstone_app, fieldstone_worker USING (%s)', target, own);
        EXECUTE format('CREATE POLICY tenant_insert ON %s FOR INSERT TO fieldstone_app, fieldstone_worker WITH CHECK (%s)', target, own);
        EXECUTE format('GRANT SELECT, INSERT ON %s TO fieldstone_app, fieldstone_worker', target);
    ELSIF class NOT IN ('private', 'system') THEN
        RAISE EXCEPTION 'unknown class % for table %', class, target;
    END IF;

    INSERT INTO app.table_class (table_name, class)
    SELECT c.relname, protect.class FROM pg_catalog.pg_class c WHERE c.oid = target
    ON CONFLICT (table_name) DO UPDATE SET class = excluded.class;
END
$$;

-- Lets the look-up functions use one table: a policy and exactly these rights.
-- `rights` is what stands between GRANT and ON, e.g. 'SELECT (tenant_id, id), UPDATE (last_seen_at)'.
CREATE FUNCTION app.permit_lookup(target regclass, rights text) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    EXECUTE format('REVOKE ALL ON %s FROM fieldstone_lookup', target);
    EXECUTE format('GRANT %s ON %s TO fieldstone_lookup', rights, target);
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = target AND p.polname = 'look_up') THEN
        EXECUTE format('CREATE POLICY look_up ON %s TO fieldstone_lookup USING (true) WITH CHECK (true)', target);
    END IF;
END
$$;

-- Hands one SECURITY DEFINER function to the look-up role and says who may call it.
CREATE FUNCTION app.serve(target regprocedure, VARIADIC callers name[]) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    caller name;
BEGIN
    FOREACH caller IN ARRAY callers LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', target, caller);
    END LOOP;
    -- Owning a function takes CREATE on its schema at the moment of the change, and not after.
    EXECUTE 'GRANT CREATE ON SCHEMA app TO fieldstone_lookup';
    EXECUTE format('ALTER FUNCTION %s OWNER TO fieldstone_lookup', target);
    EXECUTE 'REVOKE CREATE ON SCHEMA app FROM fieldstone_lookup';
END
$$;

SELECT app.protect('app.table_class', 'system');

-- refinery's own table exists before the first migration.
SELECT app.protect('app.schema_history', 'system');
SELECT app.permit_lookup('app.schema_history', 'SELECT (version)');

-- The last migration applied: a server asks before it calls itself ready.
CREATE FUNCTION app.schema_number() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$ SELECT max(h.version) FROM app.schema_history h $$;
SELECT app.serve('app.schema_number()', 'fieldstone_app');

-- Keys that verify what the server signs. Two are valid while they rotate.
CREATE TABLE app.context_key (
    kid       smallint PRIMARY KEY,
    inner_pad bytea NOT NULL CHECK (length(inner_pad) = 64),
    outer_pad bytea NOT NULL CHECK (length(outer_pad) = 64),
    not_after timestamptz NOT NULL
);
SELECT app.protect('app.context_key', 'system');
SELECT app.permit_lookup('app.context_key', 'SELECT');

-- Keys of the seal, made here and known to nobody else. The newest seals; the older ones still open.
CREATE TABLE app.seal_key (
    kid       smallint PRIMARY KEY,
    inner_pad bytea NOT NULL CHECK (length(inner_pad) = 64),
    outer_pad bytea NOT NULL CHECK (length(outer_pad) = 64),
    made_at   timestamptz NOT NULL,
    newest    boolean NOT NULL
);
CREATE UNIQUE INDEX seal_key_newest ON app.seal_key (newest) WHERE newest;
SELECT app.protect('app.seal_key', 'system');
SELECT app.permit_lookup('app.seal_key', 'SELECT');

-- Makes a new seal key and forgets those that no running transaction can still need.
CREATE FUNCTION app.rotate_seal() RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    next     smallint;
    half     bytea;
    pad_in   bytea := '';
    pad_out  bytea := '';
    position int;
BEGIN
    LOCK TABLE app.seal_key IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM app.seal_key k WHERE k.made_at < transaction_timestamp() - interval '1 day' AND NOT k.newest;
    -- The numbers go round, so that they never run out of a smallint.
    UPDATE app.seal_key k SET newest = false WHERE k.newest RETURNING k.kid % 30000 + 1 INTO next;
    next := coalesce(next, 1);
    -- 256 bits from the server's random source (a UUID carries 122), then the two pads of RFC 2104.
    half := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
        || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) || decode(repeat('00', 32), 'hex');
    pad_in := half;
    pad_out := half;
    FOR position IN 0..63 LOOP
        pad_in := set_byte(pad_in, position, get_byte(half, position) # 54);   -- 0x36
        pad_out := set_byte(pad_out, position, get_byte(half, position) # 92); -- 0x5c
    END LOOP;
    INSERT INTO app.seal_key (kid, inner_pad, outer_pad, made_at, newest) VALUES (next, pad_in, pad_out, transaction_timestamp(), true);
END
$$;
SELECT app.rotate_seal();

-- Who this connection's backend is. The server calls it once on every new connection and signs its contexts for the answer.
CREATE FUNCTION app.hello(OUT pid integer, OUT start_us bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    pid := pg_backend_pid();
    SELECT (extract(epoch FROM a.backend_start) * 1000000)::bigint INTO STRICT start_us
        FROM pg_stat_get_activity(pg_backend_pid()) a;
    IF start_us IS NULL THEN
        RAISE EXCEPTION 'the start of this backend cannot be read' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Held twice: app.enter() gives one back and takes it again, which never leaves this backend while the other is held.
    PERFORM pg_advisory_lock_shared(start_us);
    PERFORM pg_advisory_lock_shared(start_us);
END
$$;
SELECT app.serve('app.hello()', 'fieldstone_app', 'fieldstone_worker');

-- The fields of the sealed context, or NULL when there is none; an error when there is one that does not hold.
--
-- Each of the five functions below carries the check itself: a shared helper would cost a second SECURITY DEFINER call
-- on every statement. The migration writes them from one text, so they cannot drift apart.
DO $migration$
DECLARE
    body constant text := $body$
DECLARE
    sealed constant text := current_setting('app.context', true);
    plain  text;
    pad_in  bytea;
    pad_out bytea;
BEGIN
    IF sealed IS NULL OR sealed = '' THEN
        RETURN NULL;
    END IF;
    SELECT k.inner_pad, k.outer_pad INTO pad_in, pad_out
        FROM app.seal_key k WHERE k.kid::text = split_part(sealed, '|', 2);
    plain := left(sealed, -64);
    IF pad_in IS NULL OR sha256(pad_out || convert_to(right(sealed, 64), 'UTF8')) IS DISTINCT FROM
        sha256(pad_out || convert_to(encode(sha256(pad_out || sha256(pad_in || int4send(pg_backend_pid())
            || timestamptz_send(transaction_timestamp()) || convert_to(plain, 'UTF8'))), 'hex'), 'UTF8'))
    THEN
        RAISE EXCEPTION 'the tenant context is not valid here' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    RETURN %s;
END
$body$;
    made record;
BEGIN
    FOR made IN SELECT * FROM (VALUES
        ('tenant_id', 'text COLLATE "C"', $$split_part(plain, '|', 3)$$),
        ('user_id', 'text COLLATE "C"', $$split_part(plain, '|', 4)$$),
        ('role', 'text COLLATE "C"', $$split_part(plain, '|', 5)$$),
        ('can_write', 'boolean', $$split_part(plain, '|', 5) IN ('owner', 'admin', 'member')$$),
        ('can_manage', 'boolean', $$split_part(plain, '|', 5) IN ('owner', 'admin')$$)
    ) AS f(name, type, result) LOOP
        EXECUTE format('CREATE FUNCTION app.%I() RETURNS %s LANGUAGE plpgsql STABLE PARALLEL RESTRICTED '
            'SECURITY DEFINER SET search_path = '''' AS %L', made.name, replace(made.type, ' COLLATE "C"', ''), format(body, made.result));
        PERFORM app.serve(format('app.%I()', made.name)::regprocedure,
            'fieldstone_app', 'fieldstone_worker', 'fieldstone_owner');
    END LOOP;
END
$migration$;

-- Whether the last transaction left nothing behind that the next tenant's would run into.
--
-- Called after COMMIT, in the same flight, through a freshly parsed unnamed statement. False means: throw this connection
-- away. Session settings need no verdict: RESET ALL returns them to what the connection started with.
CREATE FUNCTION app.connection_is_clean() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    clean boolean;
BEGIN
    -- The functions, not the views over them: that halves the cost.
    clean := current_setting('role') = 'none'
        AND coalesce(current_setting('app.context', true), '') = ''
        AND pg_my_temp_schema() = 0
        AND NOT EXISTS (SELECT FROM pg_listening_channels())
        AND NOT EXISTS (SELECT FROM pg_cursor() c WHERE c.is_holdable)
        AND NOT EXISTS (SELECT FROM pg_prepared_statement() s WHERE s.from_sql);
    RESET ALL;
    RETURN clean;
END
$$;
SELECT app.serve('app.connection_is_clean()', 'fieldstone_app', 'fieldstone_worker');
