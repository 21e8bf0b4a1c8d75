-- Workspaces, the people in them, and what proves who they are.
--
--   workspace        one tenant. Its id is the tenant_id of everything else.
--   "user"           a person in one workspace. Names appear everywhere, so every role reads it; admins write.
--   user_secret      password hashes and the e-mail directory; look-up functions only.
--   session          signed-in browsers, by the SHA-256 of their cookie; look-up functions only.
--   api_token        tokens for programs, likewise.
--   setup_link       one-time links that let a person set a first password.
--   audit_event      what happened, hash-chained per tenant; nobody changes or removes a row.
--   idempotency_key  answers already given to a POST, per user.
--
-- Errors of this file's rules: FS001 access has ended or changed, FS002 the schema has changed, FS003 the last owner would
-- leave, FS004 a role above one's own.
--
-- member_version counts every change of what a user may do (role, active, deletion, password). The server remembers it
-- with a credential and app.enter() compares, so a revoked right ends with the next statement.

CREATE TABLE app.workspace (
    tenant_id      text COLLATE "C" PRIMARY KEY CHECK (tenant_id ~ '^00D[0-9A-Za-z]{12}$'),
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    slug           text COLLATE "C" NOT NULL CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    schema_version bigint NOT NULL DEFAULT 1,
    settings       jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        bigint NOT NULL DEFAULT 1
);
SELECT app.protect('app.workspace', 'managed');
-- A workspace begins and ends by an operator's hand.
REVOKE INSERT, DELETE ON app.workspace FROM fieldstone_app, fieldstone_worker;
SELECT app.permit_lookup('app.workspace', 'SELECT (tenant_id, name, slug, schema_version), UPDATE (version)');

-- Slugs are unique over all workspaces. They live apart from the served table: a unique key there would tell an
-- administrator which other workspaces exist.
CREATE TABLE app.workspace_slug (
    tenant_id text COLLATE "C" PRIMARY KEY REFERENCES app.workspace ON DELETE CASCADE,
    slug      text COLLATE "C" NOT NULL CONSTRAINT workspace_slug_lookup UNIQUE
);
SELECT app.protect('app.workspace_slug', 'private');

CREATE TABLE app."user" (
    tenant_id      text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    id             text COLLATE "C" NOT NULL CHECK (id ~ '^005[0-9A-Za-z]{12}$'),
    email          text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    email_key      text COLLATE "C" NOT NULL,
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    name_key       text COLLATE "C" NOT NULL,
    role           text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    active         boolean NOT NULL DEFAULT true,
    member_version bigint NOT NULL DEFAULT 1,
    locale         text COLLATE "C" NOT NULL DEFAULT 'en',
    time_zone      text COLLATE "C" NOT NULL DEFAULT 'UTC',
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    deleted_at     timestamptz,
    version        bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX user_email ON app."user" (tenant_id, email_key) WHERE deleted_at IS NULL;
CREATE INDEX user_name ON app."user" (tenant_id, name_key, id) WHERE deleted_at IS NULL;
SELECT app.protect('app."user"', 'managed');
-- People are deactivated, never removed: records and history go on naming them.
REVOKE DELETE ON app."user" FROM fieldstone_app, fieldstone_worker;
SELECT app.permit_lookup('app."user"',
    'SELECT (tenant_id, id, email, email_key, name, role, active, member_version, deleted_at, locale, time_zone), UPDATE (member_version)');

CREATE TABLE app.user_secret (
    tenant_id    text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    email_key    text COLLATE "C" NOT NULL,
    password_phc text COLLATE "C" CHECK (password_phc LIKE '$argon2id$%'),
    changed_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
-- People sign in before their tenant is known.
CREATE INDEX user_secret_email_lookup ON app.user_secret (email_key);
SELECT app.protect('app.user_secret', 'private');
SELECT app.permit_lookup('app.user_secret', 'SELECT, INSERT, UPDATE');

CREATE TABLE app.session (
    tenant_id           text COLLATE "C" NOT NULL,
    id                  text COLLATE "C" NOT NULL,
    user_id             text COLLATE "C" NOT NULL,
    token_hash          bytea NOT NULL CONSTRAINT session_token_lookup UNIQUE CHECK (length(token_hash) = 32),
    created_at          timestamptz NOT NULL,
    last_seen_at        timestamptz NOT NULL,
    idle_expires_at     timestamptz NOT NULL,
    absolute_expires_at timestamptz NOT NULL,
    ended_at            timestamptz,
    user_agent          text NOT NULL DEFAULT '' CHECK (length(user_agent) <= 255),
    address             text NOT NULL DEFAULT '' CHECK (length(address) <= 64),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX session_user_id ON app.session (tenant_id, user_id);
SELECT app.protect('app.session', 'private');
SELECT app.permit_lookup('app.session', 'SELECT, INSERT, UPDATE (last_seen_at, idle_expires_at, ended_at)');

CREATE TABLE app.api_token (
    tenant_id    text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    prefix       text COLLATE "C" NOT NULL,
    token_hash   bytea NOT NULL CONSTRAINT api_token_lookup UNIQUE CHECK (length(token_hash) = 32),
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX api_token_user_id ON app.api_token (tenant_id, user_id);
SELECT app.protect('app.api_token', 'private');
SELECT app.permit_lookup('app.api_token', 'SELECT, INSERT, UPDATE (last_seen_at, ended_at)');

CREATE TABLE app.setup_link (
    tenant_id  text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    token_hash bytea NOT NULL CONSTRAINT setup_link_lookup UNIQUE CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX setup_link_user_id ON app.setup_link (tenant_id, user_id);
SELECT app.protect('app.setup_link', 'private');
SELECT app.permit_lookup('app.setup_link', 'SELECT, INSERT, UPDATE (used_at)');

-- The audit log. The trigger fills seq, at, actor and the hashes; what the writer says of them is ignored.
CREATE TABLE app.audit_event (
    tenant_id text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    seq       bigint NOT NULL,
    at        timestamptz NOT NULL,
    actor     text COLLATE "C" NOT NULL,
    action    text COLLATE "C" NOT NULL CHECK (length(action) BETWEEN 1 AND 100),
    target    text COLLATE "C" NOT NULL DEFAULT '' CHECK (length(target) <= 255),
    detail    jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(detail::text) <= 65536),
    prev_hash bytea NOT NULL,
    hash      bytea NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
SELECT app.protect('app.audit_event', 'append_only');
SELECT app.permit_lookup('app.audit_event', 'INSERT');

CREATE TABLE app.audit_head (
    tenant_id text COLLATE "C" PRIMARY KEY REFERENCES app.workspace ON DELETE CASCADE,
    seq       bigint NOT NULL,
    hash      bytea NOT NULL
);
SELECT app.protect('app.audit_head', 'private');
SELECT app.permit_lookup('app.audit_head', 'SELECT, INSERT, UPDATE');

CREATE TABLE app.idempotency_key (
    tenant_id    text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL,
    status       smallint NOT NULL,
    headers      jsonb NOT NULL DEFAULT '{}',
    body         bytea NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, key),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idempotency_key_created_at ON app.idempotency_key (tenant_id, created_at);
SELECT app.protect('app.idempotency_key', 'personal');

-- ---------------------------------------------------------------------------------------------------------------------
-- Entering a context.

-- The first statement of every transaction that serves somebody: checks the signature, the person and the credential, and
-- seals the context for this transaction.
--
-- `context` is the signed text, `credential` a session's or API token's id (NULL for jobs and operator commands, which act
-- for a person without one). Raises 28000 for a context that is not genuine or not for this backend and moment, FS001 when
-- access has ended or changed, FS002 when the workspace's schema is another than the caller knows (NULL: about to read it).
CREATE FUNCTION app.enter(context text, credential text, member_version bigint, schema_version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    part    constant text[] := string_to_array(context, '|');
    pad_in  bytea;
    pad_out bytea;
    person  record;
    alive   boolean;
    kid     smallint;
    plain   text;
BEGIN
    SELECT k.inner_pad, k.outer_pad INTO pad_in, pad_out
        FROM app.context_key k WHERE k.kid::text = part[2] AND k.not_after > transaction_timestamp();
    IF pad_in IS NULL OR sha256(pad_out || convert_to(right(context, 64), 'UTF8')) IS DISTINCT FROM
        sha256(pad_out || convert_to(encode(sha256(pad_out || sha256(pad_in || convert_to(left(context, -64), 'UTF8'))), 'hex'), 'UTF8'))
    THEN
        RAISE EXCEPTION 'the tenant context is not genuine' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    -- From here on every part is what the server wrote.
    IF part[1] <> '1' OR part[6] <> pg_backend_pid()::text
        OR NOT (CASE WHEN pg_advisory_unlock_shared(part[7]::bigint) THEN pg_try_advisory_lock_shared(part[7]::bigint) ELSE false END)
    THEN
        RAISE EXCEPTION 'the tenant context is another connection''s' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    IF to_timestamp(part[8]::float8) <= transaction_timestamp() THEN
        RAISE EXCEPTION 'the tenant context has expired' USING ERRCODE = 'invalid_authorization_specification';
    END IF;

    SELECT u.role, u.active AND u.deleted_at IS NULL AS active, u.member_version, w.schema_version INTO person
        FROM app."user" u JOIN app.workspace w ON w.tenant_id = u.tenant_id
        WHERE u.tenant_id = part[3] AND u.id = part[4];
    IF credential IS NULL THEN
        alive := true;
    ELSIF starts_with(credential, '0SS') THEN
        alive := EXISTS (SELECT FROM app.session s
            WHERE s.tenant_id = part[3] AND s.id = credential AND s.user_id = part[4] AND s.ended_at IS NULL
            AND s.idle_expires_at > transaction_timestamp() AND s.absolute_expires_at > transaction_timestamp());
    ELSE
        alive := EXISTS (SELECT FROM app.api_token t
            WHERE t.tenant_id = part[3] AND t.id = credential AND t.user_id = part[4] AND t.ended_at IS NULL
            AND t.expires_at > transaction_timestamp());
    END IF;
    IF NOT alive OR person.active IS NOT TRUE OR person.role <> part[5] OR person.member_version IS DISTINCT FROM enter.member_version THEN
        RAISE EXCEPTION 'access has ended or changed' USING ERRCODE = 'FS001';
    END IF;
    IF enter.schema_version IS NOT NULL AND person.schema_version IS DISTINCT FROM enter.schema_version THEN
        RAISE EXCEPTION 'the workspace''s schema has changed' USING ERRCODE = 'FS002';
    END IF;

    SELECT k.kid, k.inner_pad, k.outer_pad INTO STRICT kid, pad_in, pad_out
        FROM app.seal_key k WHERE k.newest;
    plain := '1|' || kid || '|' || part[3] || '|' || part[4] || '|' || part[5] || '|';
    PERFORM set_config('app.context', plain || encode(sha256(pad_out || sha256(pad_in || int4send(pg_backend_pid())
        || timestamptz_send(transaction_timestamp()) || convert_to(plain, 'UTF8'))), 'hex'), true);
END
$$;
SELECT app.serve('app.enter(text, text, bigint, bigint)', 'fieldstone_app', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- Rules that hold whoever writes.

-- A workspace's address is unique everywhere and chosen by an operator.
CREATE FUNCTION app.workspace_slug_keep() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.slug = OLD.slug AND NEW.tenant_id = OLD.tenant_id THEN
        RETURN NULL;
    END IF;
    IF current_user <> 'fieldstone_owner' THEN
        RAISE EXCEPTION 'only an operator changes a workspace''s address' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.workspace_slug (tenant_id, slug) VALUES (NEW.tenant_id, NEW.slug)
        ON CONFLICT (tenant_id) DO UPDATE SET slug = excluded.slug;
    RETURN NULL;
END
$$;
CREATE TRIGGER slug_keep AFTER INSERT OR UPDATE ON app.workspace FOR EACH ROW EXECUTE FUNCTION app.workspace_slug_keep();

CREATE FUNCTION app.role_rank(role text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE role WHEN 'viewer' THEN 1 WHEN 'member' THEN 2 WHEN 'admin' THEN 3 WHEN 'owner' THEN 4 END
$$;
GRANT EXECUTE ON FUNCTION app.role_rank(text) TO fieldstone_app, fieldstone_worker, fieldstone_lookup;

-- Nobody grants a role above their own or touches a person above themselves; member_version moves with every change of access
-- and never backwards.
CREATE FUNCTION app.user_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    own integer;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.tenant_id <> OLD.tenant_id OR NEW.id <> OLD.id THEN
            RAISE EXCEPTION 'an id never changes' USING ERRCODE = 'insufficient_privilege';
        END IF;
        NEW.member_version := OLD.member_version + CASE WHEN NEW.role <> OLD.role OR NEW.active <> OLD.active
            OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL) OR NEW.email_key <> OLD.email_key
            OR NEW.member_version > OLD.member_version THEN 1 ELSE 0 END;
    END IF;
    -- The owner of the schema (an operator) and the look-up functions answer to the rules of their own.
    IF current_user IN ('fieldstone_app', 'fieldstone_worker') THEN
        own := app.role_rank(app.role());
        IF own IS NULL OR (TG_OP <> 'INSERT' AND app.role_rank(OLD.role) > own)
            OR (TG_OP <> 'DELETE' AND app.role_rank(NEW.role) > own)
        THEN
            RAISE EXCEPTION 'nobody grants or takes a role above their own' USING ERRCODE = 'FS004';
        END IF;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON app."user" FOR EACH ROW EXECUTE FUNCTION app.user_guard();

-- The last owner stays. The lock on the workspace makes two owners who leave at once wait for each other.
CREATE FUNCTION app.user_last_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF OLD.role = 'owner' AND OLD.active AND OLD.deleted_at IS NULL THEN
        PERFORM FROM app.workspace w WHERE w.tenant_id = OLD.tenant_id FOR UPDATE;
        -- Without a workspace the whole tenant is being removed.
        IF FOUND AND NOT EXISTS (SELECT FROM app."user" u WHERE u.tenant_id = OLD.tenant_id
            AND u.role = 'owner' AND u.active AND u.deleted_at IS NULL)
        THEN
            RAISE EXCEPTION 'a workspace keeps at least one active owner' USING ERRCODE = 'FS003';
        END IF;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER last_owner AFTER UPDATE OR DELETE ON app."user" FOR EACH ROW EXECUTE FUNCTION app.user_last_owner();
SELECT app.serve('app.user_last_owner()', 'fieldstone_owner');

-- Every person has a row of secrets, and its e-mail directory follows.
CREATE FUNCTION app.user_secret_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.user_secret (tenant_id, user_id, email_key, changed_at)
        VALUES (NEW.tenant_id, NEW.id, NEW.email_key, transaction_timestamp())
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET email_key = excluded.email_key;
    RETURN NULL;
END
$$;
CREATE TRIGGER secret_follow AFTER INSERT OR UPDATE OF email_key ON app."user" FOR EACH ROW EXECUTE FUNCTION app.user_secret_follow();
SELECT app.serve('app.user_secret_follow()', 'fieldstone_owner');

-- Each event carries the hash of the one before: a row changed or removed later shows.
CREATE FUNCTION app.audit_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    head app.audit_head;
BEGIN
    INSERT INTO app.audit_head AS h (tenant_id, seq, hash) VALUES (NEW.tenant_id, 0, sha256(convert_to(NEW.tenant_id, 'UTF8')))
        ON CONFLICT (tenant_id) DO UPDATE SET seq = h.seq
        RETURNING * INTO head;
    NEW.seq := head.seq + 1;
    NEW.prev_hash := head.hash;
    NEW.at := transaction_timestamp();
    -- Whoever works under a context is the actor; only an operator or a look-up function names one.
    NEW.actor := coalesce(app.user_id(), nullif(NEW.actor, ''), 'operator');
    NEW.hash := app.audit_hash(NEW);
    UPDATE app.audit_head h SET seq = NEW.seq, hash = NEW.hash WHERE h.tenant_id = NEW.tenant_id;
    RETURN NEW;
END
$$;

-- The hash of one event: SHA-256 over the hash before it and the event as a JSON array.
CREATE FUNCTION app.audit_hash(event app.audit_event) RETURNS bytea LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT sha256(event.prev_hash || convert_to(jsonb_build_array(event.tenant_id, event.seq,
        (extract(epoch FROM event.at) * 1000000)::bigint, event.actor, event.action, event.target, event.detail)::text, 'UTF8'))
$$;
GRANT EXECUTE ON FUNCTION app.audit_hash(app.audit_event) TO fieldstone_app, fieldstone_worker, fieldstone_lookup;
CREATE TRIGGER chain BEFORE INSERT ON app.audit_event FOR EACH ROW EXECUTE FUNCTION app.audit_chain();
SELECT app.serve('app.audit_chain()', 'fieldstone_owner');

-- Where the chain of the caller's tenant has to end: events cut off at the end leave no gap behind, but the head knows of them.
CREATE FUNCTION app.own_audit_head(OUT seq bigint, OUT hash bytea) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    SELECT h.seq, h.hash INTO own_audit_head.seq, own_audit_head.hash FROM app.audit_head h WHERE h.tenant_id = app.tenant_id();
END
$$;
SELECT app.serve('app.own_audit_head()', 'fieldstone_app', 'fieldstone_worker');

-- The number of the first event of the caller's tenant at which the chain breaks; NULL when it is whole.
CREATE FUNCTION app.audit_first_break() RETURNS bigint LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT coalesce(
        (SELECT min(e.seq) FROM (
            SELECT a.seq, a.hash = app.audit_hash(a) AS own,
                lag(a.hash, 1, sha256(convert_to(a.tenant_id, 'UTF8'))) OVER w = a.prev_hash AS linked,
                a.seq = lag(a.seq, 1, 0::bigint) OVER w + 1 AS next
            FROM app.audit_event a WHERE a.tenant_id = (SELECT app.tenant_id()) WINDOW w AS (ORDER BY a.seq)
        ) e WHERE NOT (e.own AND e.linked AND e.next)),
        (SELECT coalesce(l.seq, 0) + 1 FROM app.own_audit_head() h
            LEFT JOIN LATERAL (SELECT a.seq, a.hash FROM app.audit_event a WHERE a.tenant_id = (SELECT app.tenant_id()) ORDER BY a.seq DESC LIMIT 1) l ON true
            WHERE (h.seq, h.hash) IS DISTINCT FROM (l.seq, l.hash)))
$$;
GRANT EXECUTE ON FUNCTION app.audit_first_break() TO fieldstone_app, fieldstone_worker;

-- ---------------------------------------------------------------------------------------------------------------------
-- Look-ups of the sign-in pool (fieldstone_auth): each answers one question and nothing else.

-- The people an e-mail address may sign in as. `slug` narrows to one workspace.
CREATE FUNCTION app.find_login(wanted_email_key text, wanted_slug text)
RETURNS TABLE (tenant_id text, slug text, workspace text, user_id text, role text, member_version bigint, password_phc text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT w.tenant_id, w.slug, w.name, u.id, u.role, u.member_version, s.password_phc
        FROM app.user_secret s
        JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        JOIN app.workspace w ON w.tenant_id = s.tenant_id
        WHERE s.email_key = wanted_email_key AND u.active AND u.deleted_at IS NULL
        AND (wanted_slug IS NULL OR w.slug = wanted_slug)
        ORDER BY w.slug LIMIT 20;
END
$$;
SELECT app.serve('app.find_login(text, text)', 'fieldstone_auth');

CREATE FUNCTION app.find_session(wanted_hash bytea)
RETURNS TABLE (tenant_id text, id text, user_id text, role text, member_version bigint, schema_version bigint,
    last_seen_at timestamptz, idle_expires_at timestamptz, absolute_expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT s.tenant_id, s.id, s.user_id, u.role, u.member_version, w.schema_version,
            s.last_seen_at, s.idle_expires_at, s.absolute_expires_at
        FROM app.session s
        JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        JOIN app.workspace w ON w.tenant_id = s.tenant_id
        WHERE s.token_hash = wanted_hash AND s.ended_at IS NULL AND s.idle_expires_at > transaction_timestamp()
        AND s.absolute_expires_at > transaction_timestamp() AND u.active AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.find_session(bytea)', 'fieldstone_auth');

CREATE FUNCTION app.find_api_token(wanted_hash bytea)
RETURNS TABLE (tenant_id text, id text, user_id text, role text, member_version bigint, schema_version bigint,
    scopes text[], expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT t.tenant_id, t.id, t.user_id, u.role, u.member_version, w.schema_version, t.scopes, t.expires_at
        FROM app.api_token t
        JOIN app."user" u ON u.tenant_id = t.tenant_id AND u.id = t.user_id
        JOIN app.workspace w ON w.tenant_id = t.tenant_id
        WHERE t.token_hash = wanted_hash AND t.ended_at IS NULL AND t.expires_at > transaction_timestamp()
        AND u.active AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.find_api_token(bytea)', 'fieldstone_auth');

-- Whom a set-up link that is still good belongs to.
CREATE FUNCTION app.find_setup_link(wanted_hash bytea)
RETURNS TABLE (tenant_id text, user_id text, workspace text, name text, email text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT l.tenant_id, l.user_id, w.name, u.name, u.email
        FROM app.setup_link l
        JOIN app."user" u ON u.tenant_id = l.tenant_id AND u.id = l.user_id
        JOIN app.workspace w ON w.tenant_id = l.tenant_id
        WHERE l.token_hash = wanted_hash AND l.used_at IS NULL AND l.expires_at > transaction_timestamp()
        AND u.active AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.find_setup_link(bytea)', 'fieldstone_auth');

-- Adds an audit event for a person who has no context yet.
CREATE FUNCTION app.add_auth_event(tenant text, person text, event text, more jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, target, detail, prev_hash, hash)
        VALUES (tenant, 0, transaction_timestamp(), person, event, person, more, '', '');
END
$$;
SELECT app.serve('app.add_auth_event(text, text, text, jsonb)', 'fieldstone_auth');

-- Starts a session for a person who has just proved who they are.
CREATE FUNCTION app.start_session(tenant text, session_id text, person text, hash bytea, idle_seconds integer,
    absolute_seconds integer, agent text, origin text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.session (tenant_id, id, user_id, token_hash, created_at, last_seen_at, idle_expires_at, absolute_expires_at, user_agent, address)
        VALUES (tenant, session_id, person, hash, transaction_timestamp(), transaction_timestamp(),
            transaction_timestamp() + make_interval(secs => idle_seconds),
            transaction_timestamp() + make_interval(secs => absolute_seconds), left(agent, 255), left(origin, 64));
    PERFORM app.add_auth_event(tenant, person, 'session.start', jsonb_build_object('session', session_id, 'address', left(origin, 64)));
END
$$;
SELECT app.serve('app.start_session(text, text, text, bytea, integer, integer, text, text)', 'fieldstone_auth');

-- Moves a session's idle limit; it never passes the absolute one, and a session that has ended stays ended.
CREATE FUNCTION app.touch_session(tenant text, session_id text, idle_seconds integer) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.session s SET last_seen_at = transaction_timestamp(),
            idle_expires_at = least(transaction_timestamp() + make_interval(secs => idle_seconds), s.absolute_expires_at)
        WHERE s.tenant_id = tenant AND s.id = session_id AND s.ended_at IS NULL AND s.idle_expires_at > transaction_timestamp();
END
$$;
SELECT app.serve('app.touch_session(text, text, integer)', 'fieldstone_auth');

CREATE FUNCTION app.end_session(tenant text, session_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    person text;
BEGIN
    UPDATE app.session s SET ended_at = transaction_timestamp()
        WHERE s.tenant_id = tenant AND s.id = session_id AND s.ended_at IS NULL
        RETURNING s.user_id INTO person;
    IF person IS NULL THEN
        RETURN false;
    END IF;
    PERFORM app.add_auth_event(tenant, person, 'session.end', jsonb_build_object('session', session_id));
    RETURN true;
END
$$;
SELECT app.serve('app.end_session(text, text)', 'fieldstone_auth');

-- Replaces a hash by a stronger one of the same password. The access does not change, so neither does member_version.
CREATE FUNCTION app.rehash_password(tenant text, person text, old_phc text, new_phc text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.user_secret s SET password_phc = new_phc
        WHERE s.tenant_id = tenant AND s.user_id = person AND s.password_phc = old_phc;
END
$$;
SELECT app.serve('app.rehash_password(text, text, text, text)', 'fieldstone_auth');

-- Sets a new password: all sessions end, and member_version moves.
CREATE FUNCTION app.set_password(tenant text, person text, phc text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.user_secret s SET password_phc = phc, changed_at = transaction_timestamp()
        WHERE s.tenant_id = tenant AND s.user_id = person;
    UPDATE app.session s SET ended_at = transaction_timestamp()
        WHERE s.tenant_id = tenant AND s.user_id = person AND s.ended_at IS NULL;
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = tenant AND u.id = person;
    PERFORM app.add_auth_event(tenant, person, 'password.set', '{}');
END
$$;
SELECT app.serve('app.set_password(text, text, text)', 'fieldstone_owner');

-- Uses up a set-up link and sets the password it was made for. NULL when the link is no longer good.
CREATE FUNCTION app.redeem_setup_link(hash bytea, phc text, OUT tenant_id text, OUT user_id text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.setup_link l SET used_at = transaction_timestamp()
        FROM app."user" u
        WHERE l.token_hash = hash AND l.used_at IS NULL AND l.expires_at > transaction_timestamp()
        AND u.tenant_id = l.tenant_id AND u.id = l.user_id AND u.active AND u.deleted_at IS NULL
        RETURNING l.tenant_id, l.user_id INTO redeem_setup_link.tenant_id, redeem_setup_link.user_id;
    IF redeem_setup_link.user_id IS NOT NULL THEN
        PERFORM app.set_password(redeem_setup_link.tenant_id, redeem_setup_link.user_id, phc);
    END IF;
END
$$;
SELECT app.serve('app.redeem_setup_link(bytea, text)', 'fieldstone_auth');

-- ---------------------------------------------------------------------------------------------------------------------
-- API tokens, under the caller's own context.

CREATE FUNCTION app.add_api_token(token_id text, token_name text, shown text, hash bytea, wanted_scopes text[], until timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.tenant_id() IS NULL THEN
        RAISE EXCEPTION 'no tenant context' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    INSERT INTO app.api_token (tenant_id, id, user_id, name, prefix, token_hash, scopes, created_at, expires_at)
        VALUES (app.tenant_id(), token_id, app.user_id(), token_name, shown, hash, wanted_scopes, transaction_timestamp(), until);
    PERFORM app.add_auth_event(app.tenant_id(), app.user_id(), 'api_token.add', jsonb_build_object('token', token_id, 'name', token_name));
END
$$;
SELECT app.serve('app.add_api_token(text, text, text, bytea, text[], timestamptz)', 'fieldstone_app', 'fieldstone_worker');

CREATE FUNCTION app.own_api_tokens()
RETURNS TABLE (id text, name text, prefix text, scopes text[], created_at timestamptz, expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT t.id, t.name, t.prefix, t.scopes, t.created_at, t.expires_at FROM app.api_token t
        WHERE t.tenant_id = app.tenant_id() AND t.user_id = app.user_id() AND t.ended_at IS NULL ORDER BY t.id;
END
$$;
SELECT app.serve('app.own_api_tokens()', 'fieldstone_app', 'fieldstone_worker');

CREATE FUNCTION app.end_api_token(token_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.api_token t SET ended_at = transaction_timestamp()
        WHERE t.tenant_id = app.tenant_id() AND t.user_id = app.user_id() AND t.id = token_id AND t.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.add_auth_event(app.tenant_id(), app.user_id(), 'api_token.end', jsonb_build_object('token', token_id));
    RETURN true;
END
$$;
SELECT app.serve('app.end_api_token(text)', 'fieldstone_app', 'fieldstone_worker');
