-- Programs that act for people: API tokens, service accounts, and an OAuth 2.1 authorization server.
--
--   "user".kind        'service' for an account without a person: no password, no session, never an owner.
--   oauth_client       applications that may ask people for access; every role reads them, admins write.
--   oauth_client_key   by what an application is found before its tenant is known, and the hash of its secret; look-up functions only.
--   oauth_consent      what a person has allowed an application, to be asked only once.
--   oauth_code         authorization codes: 60 seconds, once; look-up functions only.
--   oauth_grant        one sign-in of one application for one person: the family of its tokens. Ended, all of them are.
--   oauth_token        access and refresh tokens by their SHA-256; look-up functions only.
--
-- A refresh token is replaced at each use. Its successor is HMAC-SHA256 of its own secret over a random salt that is kept here until the
-- successor is used, so that an answer that was lost can be given again, although no secret is stored. docs/adr/0008 says when.

-- ---------------------------------------------------------------------------------------------------------------------
-- Accounts without a person.

ALTER TABLE app."user" ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'person'
    CHECK (kind IN ('person', 'service'))
    -- So an account nobody signs in to is never the owner that a workspace keeps.
    CONSTRAINT service_role CHECK (kind = 'person' OR role <> 'owner');
GRANT SELECT (kind) ON app."user" TO fieldstone_lookup;

-- What an account is never changes.
CREATE FUNCTION app.user_kind_keep() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF NEW.kind <> OLD.kind THEN
        RAISE EXCEPTION 'what an account is never changes' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER kind_keep BEFORE UPDATE OF kind ON app."user" FOR EACH ROW EXECUTE FUNCTION app.user_kind_keep();

-- Nobody signs in as a service account, whatever way there may be.
CREATE FUNCTION app.refuse_service() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT FROM app."user" u WHERE u.tenant_id = NEW.tenant_id AND u.id = NEW.user_id AND u.kind = 'service') THEN
        RAISE EXCEPTION 'nobody signs in as a service account' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
SELECT app.serve('app.refuse_service()', 'fieldstone_owner');
CREATE TRIGGER no_service BEFORE INSERT ON app.session FOR EACH ROW EXECUTE FUNCTION app.refuse_service();
CREATE TRIGGER no_service BEFORE INSERT ON app.setup_link FOR EACH ROW EXECUTE FUNCTION app.refuse_service();
CREATE TRIGGER no_service BEFORE UPDATE OF password_phc ON app.user_secret FOR EACH ROW
    WHEN (NEW.password_phc IS NOT NULL) EXECUTE FUNCTION app.refuse_service();

-- ---------------------------------------------------------------------------------------------------------------------
-- The audit log: indexes for the viewer's filters.

CREATE INDEX audit_event_actor ON app.audit_event (tenant_id, actor, seq);
CREATE INDEX audit_event_target ON app.audit_event (tenant_id, target, seq);
CREATE INDEX audit_event_action ON app.audit_event (tenant_id, action, seq);
CREATE INDEX audit_event_at ON app.audit_event (tenant_id, at, seq);

-- ---------------------------------------------------------------------------------------------------------------------
-- Applications.

CREATE TABLE app.oauth_client (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    id            text COLLATE "C" NOT NULL CHECK (id ~ '^0OC[0-9A-Za-z]{12}$'),
    -- What the application calls itself by: its id, or a name of its own for what is built in.
    client_id     text COLLATE "C" NOT NULL CHECK (length(client_id) BETWEEN 1 AND 100),
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    built_in      boolean NOT NULL DEFAULT false,
    confidential  boolean NOT NULL,
    redirect_uris text[] NOT NULL CHECK (cardinality(redirect_uris) BETWEEN 1 AND 20),
    scopes        text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    active        boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT oauth_client_name UNIQUE (tenant_id, client_id)
);
SELECT app.protect('app.oauth_client', 'managed');
SELECT app.permit_lookup('app.oauth_client', 'SELECT, INSERT');

CREATE TABLE app.oauth_client_key (
    tenant_id   text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    client_id   text COLLATE "C" NOT NULL,
    secret_hash bytea CHECK (length(secret_hash) = 32),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES app.oauth_client (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_client_lookup ON app.oauth_client_key (client_id);
SELECT app.protect('app.oauth_client_key', 'private');
SELECT app.permit_lookup('app.oauth_client_key', 'SELECT, INSERT, UPDATE (secret_hash)');

-- An application's key follows it; what is built in keeps what it is, and can be switched off.
CREATE FUNCTION app.oauth_client_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.oauth_client_key (tenant_id, id, client_id) VALUES (NEW.tenant_id, NEW.id, NEW.client_id);
    RETURN NULL;
END
$$;
SELECT app.serve('app.oauth_client_follow()', 'fieldstone_owner');
CREATE TRIGGER key_follow AFTER INSERT ON app.oauth_client FOR EACH ROW EXECUTE FUNCTION app.oauth_client_follow();

CREATE FUNCTION app.oauth_client_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.client_id, NEW.built_in, NEW.confidential, NEW.created_at) IS DISTINCT FROM
        (OLD.client_id, OLD.built_in, OLD.confidential, OLD.created_at)
    THEN
        RAISE EXCEPTION 'what an application is never changes' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF current_user IN ('fieldstone_app', 'fieldstone_worker') AND (
        TG_OP = 'INSERT' AND (NEW.built_in OR NEW.client_id <> NEW.id) OR TG_OP = 'DELETE' AND OLD.built_in
        OR TG_OP = 'UPDATE' AND OLD.built_in AND (NEW.name, NEW.redirect_uris, NEW.scopes) IS DISTINCT FROM (OLD.name, OLD.redirect_uris, OLD.scopes))
    THEN
        RAISE EXCEPTION 'what is built in is switched on and off, no more' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON app.oauth_client FOR EACH ROW EXECUTE FUNCTION app.oauth_client_guard();

-- Every workspace has the field app.
CREATE FUNCTION app.add_field_app() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.oauth_client (tenant_id, id, client_id, name, built_in, confidential, redirect_uris, scopes, created_at, updated_at)
        VALUES (NEW.tenant_id, '0OC000000device', 'fieldstone-device', 'Fieldstone field app', true, false,
            ARRAY['http://127.0.0.1/callback', 'http://[::1]/callback', 'app.fieldstone.device:/callback'],
            ARRAY['records.read', 'records.write', 'records.delete'], NEW.created_at, NEW.created_at);
    RETURN NULL;
END
$$;
SELECT app.serve('app.add_field_app()', 'fieldstone_owner');
CREATE TRIGGER field_app AFTER INSERT ON app.workspace FOR EACH ROW EXECUTE FUNCTION app.add_field_app();
INSERT INTO app.oauth_client (tenant_id, id, client_id, name, built_in, confidential, redirect_uris, scopes, created_at, updated_at)
    SELECT w.tenant_id, '0OC000000device', 'fieldstone-device', 'Fieldstone field app', true, false,
        ARRAY['http://127.0.0.1/callback', 'http://[::1]/callback', 'app.fieldstone.device:/callback'],
        ARRAY['records.read', 'records.write', 'records.delete'], w.created_at, w.created_at
    FROM app.workspace w;

-- What a person has allowed an application.
CREATE TABLE app.oauth_consent (
    tenant_id  text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    client     text COLLATE "C" NOT NULL,
    scopes     text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    given_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, client),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, client) REFERENCES app.oauth_client (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_consent_client ON app.oauth_consent (tenant_id, client);
SELECT app.protect('app.oauth_consent', 'personal');

CREATE TABLE app.oauth_code (
    tenant_id    text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    code_hash    bytea NOT NULL CONSTRAINT oauth_code_lookup UNIQUE CHECK (length(code_hash) = 32),
    client       text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    session_id   text COLLATE "C" NOT NULL,
    -- As the application sent it, port and all.
    redirect_uri text NOT NULL CHECK (length(redirect_uri) <= 2000),
    challenge    text COLLATE "C" NOT NULL CHECK (length(challenge) = 43),
    scopes       text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    -- What it gave, to be taken back when it comes a second time.
    grant_id     text COLLATE "C",
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, session_id) REFERENCES app.session (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, client) REFERENCES app.oauth_client (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_code_user_id ON app.oauth_code (tenant_id, user_id);
CREATE INDEX oauth_code_session_id ON app.oauth_code (tenant_id, session_id);
CREATE INDEX oauth_code_client ON app.oauth_code (tenant_id, client);
SELECT app.protect('app.oauth_code', 'private');
SELECT app.permit_lookup('app.oauth_code', 'SELECT, INSERT, UPDATE (used_at, grant_id), DELETE');

CREATE TABLE app.oauth_grant (
    tenant_id    text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL CHECK (id ~ '^0OG[0-9A-Za-z]{12}$'),
    user_id      text COLLATE "C" NOT NULL,
    client       text COLLATE "C" NOT NULL,
    scopes       text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    -- What tells it from the person's other sign-ins: a device's name, or what the program calls itself.
    label        text NOT NULL DEFAULT '' CHECK (length(label) <= 255),
    address      text NOT NULL DEFAULT '' CHECK (length(address) <= 64),
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz,
    ended_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, client) REFERENCES app.oauth_client (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_grant_user_id ON app.oauth_grant (tenant_id, user_id);
CREATE INDEX oauth_grant_client ON app.oauth_grant (tenant_id, client);
SELECT app.protect('app.oauth_grant', 'private');
SELECT app.permit_lookup('app.oauth_grant', 'SELECT, INSERT, UPDATE (last_seen_at, ended_at)');

CREATE TABLE app.oauth_token (
    tenant_id    text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL CHECK (id ~ '^0OT[0-9A-Za-z]{12}$'),
    grant_id     text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL CHECK (kind IN ('access', 'refresh')),
    token_hash   bytea NOT NULL CONSTRAINT oauth_token_lookup UNIQUE CHECK (length(token_hash) = 32),
    -- The refresh token that was exchanged for this one; none for those a code or a session gave.
    parent_id    text COLLATE "C",
    scopes       text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz,
    expires_at   timestamptz NOT NULL,
    -- Of a refresh token: when it was replaced, and what its successor was made with, until that is used.
    rotated_at   timestamptz,
    salt         bytea CHECK (length(salt) = 32),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES app.oauth_grant (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_token_grant_id ON app.oauth_token (tenant_id, grant_id, expires_at);
CREATE INDEX oauth_token_parent_id ON app.oauth_token (tenant_id, parent_id);
CREATE INDEX oauth_token_user_id ON app.oauth_token (tenant_id, user_id);
SELECT app.protect('app.oauth_token', 'private');
SELECT app.permit_lookup('app.oauth_token', 'SELECT, INSERT, UPDATE (last_seen_at, expires_at, rotated_at, salt), DELETE');

-- ---------------------------------------------------------------------------------------------------------------------
-- Entering a context: access tokens of applications beside sessions and API tokens. Otherwise as before.

CREATE OR REPLACE FUNCTION app.enter(context text, credential text, member_version bigint, schema_version bigint) RETURNS void
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
    ELSIF starts_with(credential, '0OT') THEN
        alive := EXISTS (SELECT FROM app.oauth_token t
            JOIN app.oauth_grant g ON g.tenant_id = t.tenant_id AND g.id = t.grant_id AND g.ended_at IS NULL
            JOIN app.oauth_client c ON c.tenant_id = g.tenant_id AND c.id = g.client AND c.active
            WHERE t.tenant_id = part[3] AND t.id = credential AND t.user_id = part[4] AND t.kind = 'access'
            AND t.expires_at > transaction_timestamp());
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

-- ---------------------------------------------------------------------------------------------------------------------
-- Credentials of programs, found by their hashes.

DROP FUNCTION app.find_api_token(bytea);
CREATE FUNCTION app.find_api_token(wanted_hash bytea)
RETURNS TABLE (tenant_id text, id text, user_id text, role text, member_version bigint, schema_version bigint,
    scopes text[], expires_at timestamptz, last_seen_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT t.tenant_id, t.id, t.user_id, u.role, u.member_version, w.schema_version, t.scopes, t.expires_at, t.last_seen_at
        FROM app.api_token t
        JOIN app."user" u ON u.tenant_id = t.tenant_id AND u.id = t.user_id
        JOIN app.workspace w ON w.tenant_id = t.tenant_id
        WHERE t.token_hash = wanted_hash AND t.ended_at IS NULL AND t.expires_at > transaction_timestamp()
        AND u.active AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.find_api_token(bytea)', 'fieldstone_auth');

CREATE FUNCTION app.find_access_token(wanted_hash bytea)
RETURNS TABLE (tenant_id text, id text, user_id text, role text, member_version bigint, schema_version bigint,
    scopes text[], expires_at timestamptz, last_seen_at timestamptz, grant_id text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT t.tenant_id, t.id, t.user_id, u.role, u.member_version, w.schema_version, t.scopes, t.expires_at, t.last_seen_at, t.grant_id
        FROM app.oauth_token t
        JOIN app.oauth_grant g ON g.tenant_id = t.tenant_id AND g.id = t.grant_id AND g.ended_at IS NULL
        JOIN app.oauth_client c ON c.tenant_id = g.tenant_id AND c.id = g.client AND c.active
        JOIN app."user" u ON u.tenant_id = t.tenant_id AND u.id = t.user_id
        JOIN app.workspace w ON w.tenant_id = t.tenant_id
        WHERE t.token_hash = wanted_hash AND t.kind = 'access' AND t.expires_at > transaction_timestamp()
        AND u.active AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.find_access_token(bytea)', 'fieldstone_auth');

-- Notes that a program's credential was used.
CREATE FUNCTION app.touch_token(tenant text, credential text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    family text;
BEGIN
    IF starts_with(credential, '0OT') THEN
        UPDATE app.oauth_token t SET last_seen_at = transaction_timestamp()
            WHERE t.tenant_id = tenant AND t.id = credential RETURNING t.grant_id INTO family;
        UPDATE app.oauth_grant g SET last_seen_at = transaction_timestamp() WHERE g.tenant_id = tenant AND g.id = family;
    ELSE
        UPDATE app.api_token t SET last_seen_at = transaction_timestamp() WHERE t.tenant_id = tenant AND t.id = credential;
    END IF;
END
$$;
SELECT app.serve('app.touch_token(text, text)', 'fieldstone_auth');

-- Who has lost access gets none back with it: tokens end for good, as sessions do.
CREATE FUNCTION app.user_tokens_end() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.api_token t SET ended_at = transaction_timestamp()
        WHERE t.tenant_id = NEW.tenant_id AND t.user_id = NEW.id AND t.ended_at IS NULL;
    UPDATE app.oauth_grant g SET ended_at = transaction_timestamp()
        WHERE g.tenant_id = NEW.tenant_id AND g.user_id = NEW.id AND g.ended_at IS NULL;
    RETURN NULL;
END
$$;
SELECT app.serve('app.user_tokens_end()', 'fieldstone_owner');
CREATE TRIGGER tokens_end AFTER UPDATE OF active, deleted_at ON app."user" FOR EACH ROW
    WHEN (NOT NEW.active OR NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION app.user_tokens_end();

-- ---------------------------------------------------------------------------------------------------------------------
-- API tokens, under the caller's own context.

-- For how long at most a workspace lets a token live, in days.
CREATE FUNCTION app.token_days_max(tenant text) RETURNS integer
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN (SELECT least(greatest(coalesce((w.settings ->> 'api_token_days_max')::integer, 366), 1), 366)
        FROM app.workspace w WHERE w.tenant_id = tenant);
END
$$;
GRANT SELECT (settings) ON app.workspace TO fieldstone_lookup;
SELECT app.serve('app.token_days_max(text)', 'fieldstone_owner');

CREATE OR REPLACE FUNCTION app.add_api_token(token_id text, token_name text, shown text, hash bytea, wanted_scopes text[], until timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.add_token_for(app.user_id(), token_id, token_name, shown, hash, wanted_scopes, until);
END
$$;

-- Makes a token for the caller, or for a service account if the caller manages the workspace.
CREATE FUNCTION app.add_token_for(person text, token_id text, token_name text, shown text, hash bytea, wanted_scopes text[], until timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.tenant_id() IS NULL THEN
        RAISE EXCEPTION 'no tenant context' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    IF person IS DISTINCT FROM app.user_id() AND NOT (app.can_manage() AND EXISTS (SELECT FROM app."user" u
        WHERE u.tenant_id = app.tenant_id() AND u.id = person AND u.kind = 'service' AND u.active AND u.deleted_at IS NULL
        AND app.role_rank(u.role) <= app.role_rank(app.role())))
    THEN
        RAISE EXCEPTION 'a token is one''s own, or a service account''s' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.api_token (tenant_id, id, user_id, name, prefix, token_hash, scopes, created_at, expires_at)
        VALUES (app.tenant_id(), token_id, person, token_name, shown, hash, wanted_scopes, transaction_timestamp(),
            least(until, transaction_timestamp() + make_interval(days => app.token_days_max(app.tenant_id()))));
    PERFORM app.add_event(app.tenant_id(), 'api_token.add', app.user_id(), person,
        jsonb_build_object('token', token_id, 'name', token_name, 'prefix', shown, 'scopes', wanted_scopes));
END
$$;
SELECT app.serve('app.add_token_for(text, text, text, text, bytea, text[], timestamptz)', 'fieldstone_app', 'fieldstone_worker');

-- The living tokens of the caller, or of a service account.
DROP FUNCTION app.own_api_tokens();
CREATE FUNCTION app.api_tokens_of(person text)
RETURNS TABLE (id text, name text, prefix text, scopes text[], created_at timestamptz, expires_at timestamptz, last_seen_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT t.id, t.name, t.prefix, t.scopes, t.created_at, t.expires_at, t.last_seen_at FROM app.api_token t
        WHERE t.tenant_id = app.tenant_id() AND t.user_id = person AND t.ended_at IS NULL AND t.expires_at > transaction_timestamp()
        AND (person = app.user_id() OR app.can_manage() AND EXISTS (SELECT FROM app."user" u
            WHERE u.tenant_id = t.tenant_id AND u.id = person AND u.kind = 'service'))
        ORDER BY t.id;
END
$$;
SELECT app.serve('app.api_tokens_of(text)', 'fieldstone_app', 'fieldstone_worker');

CREATE OR REPLACE FUNCTION app.end_api_token(token_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    person text;
    named  text;
BEGIN
    UPDATE app.api_token t SET ended_at = transaction_timestamp()
        WHERE t.tenant_id = app.tenant_id() AND t.id = token_id AND t.ended_at IS NULL
        AND (t.user_id = app.user_id() OR app.can_manage() AND EXISTS (SELECT FROM app."user" u
            WHERE u.tenant_id = t.tenant_id AND u.id = t.user_id AND u.kind = 'service'))
        RETURNING t.user_id, t.name INTO person, named;
    IF person IS NULL THEN
        RETURN false;
    END IF;
    PERFORM app.add_event(app.tenant_id(), 'api_token.end', app.user_id(), person, jsonb_build_object('token', token_id, 'name', named));
    RETURN true;
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The authorization server.

-- Gives a confidential application another secret. Under the context of somebody who manages the workspace.
CREATE FUNCTION app.set_client_secret(client text, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins manage applications' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE app.oauth_client_key k SET secret_hash = hash
        WHERE k.tenant_id = app.tenant_id() AND k.id = client
        AND EXISTS (SELECT FROM app.oauth_client c WHERE c.tenant_id = k.tenant_id AND c.id = k.id AND c.confidential);
    RETURN FOUND;
END
$$;
SELECT app.serve('app.set_client_secret(text, bytea)', 'fieldstone_app', 'fieldstone_worker');

-- Applications that call themselves so; those that are built in are the same in every workspace, and need no secret.
CREATE FUNCTION app.find_client(wanted text)
RETURNS TABLE (confidential boolean, secret_hash bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT c.confidential, k.secret_hash FROM app.oauth_client_key k
        JOIN app.oauth_client c ON c.tenant_id = k.tenant_id AND c.id = k.id
        WHERE k.client_id = wanted AND (c.active OR c.built_in) LIMIT 1;
END
$$;
SELECT app.serve('app.find_client(text)', 'fieldstone_auth');

-- Keeps a code for the caller's own session. The person has just agreed.
CREATE FUNCTION app.add_code(made_id text, hash bytea, for_client text, session text, redirect text, sent_challenge text, given text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.tenant_id() IS NULL OR NOT EXISTS (SELECT FROM app.session s
        WHERE s.tenant_id = app.tenant_id() AND s.id = session AND s.user_id = app.user_id() AND s.ended_at IS NULL)
    THEN
        RAISE EXCEPTION 'no session of one''s own' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Spent ones are kept a while, so that a second use is noticed.
    DELETE FROM app.oauth_code c WHERE c.tenant_id = app.tenant_id() AND c.user_id = app.user_id()
        AND c.expires_at < transaction_timestamp() - interval '1 day';
    INSERT INTO app.oauth_code (tenant_id, id, code_hash, client, user_id, session_id, redirect_uri, challenge, scopes, created_at, expires_at)
        SELECT c.tenant_id, made_id, hash, c.id, app.user_id(), session, redirect, sent_challenge, given, transaction_timestamp(),
            transaction_timestamp() + interval '60 seconds'
        FROM app.oauth_client c
        WHERE c.tenant_id = app.tenant_id() AND c.id = for_client AND c.active AND given <@ c.scopes;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such application, or not for this' USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;
SELECT app.serve('app.add_code(text, bytea, text, text, text, text, text[])', 'fieldstone_app', 'fieldstone_worker');

-- How long an access token of this workspace lives, in seconds: 15 minutes to an hour.
CREATE FUNCTION app.access_seconds(tenant text) RETURNS integer
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN (SELECT 60 * least(greatest(coalesce((w.settings ->> 'oauth_access_minutes')::integer, 30), 15), 60)
        FROM app.workspace w WHERE w.tenant_id = tenant);
END
$$;
SELECT app.serve('app.access_seconds(text)', 'fieldstone_owner');

-- A new access token of a family. For functions of this schema only.
CREATE FUNCTION app.add_oauth_access(tenant text, family text, person text, token_id text, hash bytea, parent text, given text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    seconds constant integer := app.access_seconds(tenant);
BEGIN
    INSERT INTO app.oauth_token (tenant_id, id, grant_id, user_id, kind, token_hash, parent_id, scopes, created_at, expires_at)
        VALUES (tenant, token_id, family, person, 'access', hash, parent, given, transaction_timestamp(),
            transaction_timestamp() + make_interval(secs => seconds));
    RETURN seconds;
END
$$;
SELECT app.serve('app.add_oauth_access(text, text, text, text, bytea, text, text[])', 'fieldstone_owner');

-- A new refresh token of a family, good for 90 days without use. For functions of this schema only.
CREATE FUNCTION app.add_oauth_refresh(tenant text, family text, person text, token_id text, hash bytea, parent text, given text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.oauth_token (tenant_id, id, grant_id, user_id, kind, token_hash, parent_id, scopes, created_at, expires_at)
        VALUES (tenant, token_id, family, person, 'refresh', hash, parent, given, transaction_timestamp(), transaction_timestamp() + interval '90 days');
END
$$;
SELECT app.serve('app.add_oauth_refresh(text, text, text, text, bytea, text, text[])', 'fieldstone_owner');

-- A new family with its first two tokens; answers how long the access token lives. For functions of this schema only.
CREATE FUNCTION app.start_grant(tenant text, family text, person text, for_client text, given text[], named text, origin text,
    access_id text, access_hash bytea, refresh_id text, refresh_hash bytea) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.oauth_grant (tenant_id, id, user_id, client, scopes, label, address, created_at)
        VALUES (tenant, family, person, for_client, given, left(named, 255), left(origin, 64), transaction_timestamp());
    PERFORM app.add_oauth_refresh(tenant, family, person, refresh_id, refresh_hash, NULL, given);
    PERFORM app.add_event(tenant, 'grant.start', person, person, jsonb_build_object('grant', family, 'application', for_client,
        'scopes', given, 'label', left(named, 255), 'address', left(origin, 64)));
    RETURN app.add_oauth_access(tenant, family, person, access_id, access_hash, NULL, given);
END
$$;
SELECT app.serve('app.start_grant(text, text, text, text, text[], text, text, text, bytea, text, bytea)', 'fieldstone_owner');

-- Ends a family; false when it had ended. For functions of this schema only.
CREATE FUNCTION app.stop_grant(tenant text, family text, who text, event text, more jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    person text;
    of_client text;
BEGIN
    UPDATE app.oauth_grant g SET ended_at = transaction_timestamp()
        WHERE g.tenant_id = tenant AND g.id = family AND g.ended_at IS NULL
        RETURNING g.user_id, g.client INTO person, of_client;
    IF person IS NULL THEN
        RETURN false;
    END IF;
    PERFORM app.add_event(tenant, event, coalesce(who, person), person, more || jsonb_build_object('grant', family, 'application', of_client));
    RETURN true;
END
$$;
SELECT app.serve('app.stop_grant(text, text, text, text, jsonb)', 'fieldstone_owner');

-- Exchanges a code, once, for a family with its first tokens. `sent_challenge` is what the verifier hashes to.
--
-- outcome: 'given', or 'refused' when the code is unknown, spent, expired, or another application's, address's or verifier's. A code that
-- fails is spent; one that comes a second time takes back what it gave the first time.
CREATE FUNCTION app.redeem_code(hash bytea, by_client text, redirect text, sent_challenge text, family text, named text, origin text,
    access_id text, access_hash bytea, refresh_id text, refresh_hash bytea, OUT outcome text, OUT scopes text[], OUT seconds integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    code app.oauth_code;
BEGIN
    outcome := 'refused';
    SELECT c.* INTO code FROM app.oauth_code c WHERE c.code_hash = hash FOR UPDATE;
    IF code.id IS NULL THEN
        RETURN;
    END IF;
    IF code.used_at IS NOT NULL THEN
        PERFORM app.stop_grant(code.tenant_id, code.grant_id, code.user_id, 'grant.reuse', jsonb_build_object('what', 'code', 'address', left(origin, 64)));
        RETURN;
    END IF;
    UPDATE app.oauth_code c SET used_at = transaction_timestamp() WHERE c.tenant_id = code.tenant_id AND c.id = code.id;
    IF code.expires_at <= transaction_timestamp() OR code.challenge <> sent_challenge OR code.redirect_uri <> redirect
        OR NOT EXISTS (SELECT FROM app.oauth_client c WHERE c.tenant_id = code.tenant_id AND c.id = code.client AND c.client_id = by_client AND c.active)
        OR NOT EXISTS (SELECT FROM app.session s JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
            WHERE s.tenant_id = code.tenant_id AND s.id = code.session_id AND s.user_id = code.user_id AND s.ended_at IS NULL
            AND u.active AND u.deleted_at IS NULL)
    THEN
        PERFORM app.add_event(code.tenant_id, 'grant.refuse', code.user_id, code.user_id,
            jsonb_build_object('application', code.client, 'address', left(origin, 64)));
        RETURN;
    END IF;
    seconds := app.start_grant(code.tenant_id, family, code.user_id, code.client, code.scopes, named, origin,
        access_id, access_hash, refresh_id, refresh_hash);
    UPDATE app.oauth_code c SET grant_id = family WHERE c.tenant_id = code.tenant_id AND c.id = code.id;
    scopes := code.scopes;
    outcome := 'given';
END
$$;
SELECT app.serve('app.redeem_code(bytea, text, text, text, text, text, text, text, bytea, text, bytea)', 'fieldstone_auth');

-- A family for a built-in application, given to the caller's own session without a redirect. Under the caller's context.
CREATE FUNCTION app.add_session_grant(by_client text, session text, given text[], family text, named text, origin text,
    access_id text, access_hash bytea, refresh_id text, refresh_hash bytea) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    client text;
BEGIN
    IF app.tenant_id() IS NULL OR NOT EXISTS (SELECT FROM app.session s
        WHERE s.tenant_id = app.tenant_id() AND s.id = session AND s.user_id = app.user_id() AND s.ended_at IS NULL)
    THEN
        RAISE EXCEPTION 'no session of one''s own' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT c.id INTO client FROM app.oauth_client c
        WHERE c.tenant_id = app.tenant_id() AND c.client_id = by_client AND c.built_in AND c.active AND given <@ c.scopes;
    IF client IS NULL THEN
        RAISE EXCEPTION 'no such application, or not for this' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN app.start_grant(app.tenant_id(), family, app.user_id(), client, given, named, origin, access_id, access_hash, refresh_id, refresh_hash);
END
$$;
SELECT app.serve('app.add_session_grant(text, text, text[], text, text, text, text, bytea, text, bytea)', 'fieldstone_app', 'fieldstone_worker');

-- Replaces a refresh token by its successor and gives an access token with it.
--
-- outcome: 'given'; 'refused' when the token is unknown, expired, ended or another application's; 'too_wide' when `wanted` is more than it
-- may. A token that was replaced before is answered again, with the salt of the same successor (new_salt), while it is the one before the
-- newest and its answer was lost: nothing of it was ever used, or it is 30 seconds ago. Otherwise somebody has a copy, and the family ends.
CREATE FUNCTION app.rotate_refresh(hash bytea, by_client text, wanted text[], salt bytea, origin text,
    access_id text, access_hash bytea, refresh_id text, refresh_hash bytea,
    OUT outcome text, OUT new_salt bytea, OUT scopes text[], OUT seconds integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    token app.oauth_token;
    next  app.oauth_token;
BEGIN
    outcome := 'refused';
    SELECT t.* INTO token FROM app.oauth_token t WHERE t.token_hash = hash AND t.kind = 'refresh' FOR UPDATE;
    IF token.id IS NULL OR NOT EXISTS (SELECT FROM app.oauth_grant g
        JOIN app.oauth_client c ON c.tenant_id = g.tenant_id AND c.id = g.client AND c.client_id = by_client AND c.active
        JOIN app."user" u ON u.tenant_id = g.tenant_id AND u.id = g.user_id AND u.active AND u.deleted_at IS NULL
        WHERE g.tenant_id = token.tenant_id AND g.id = token.grant_id AND g.ended_at IS NULL)
    THEN
        RETURN;
    END IF;
    scopes := coalesce(wanted, token.scopes);
    IF NOT scopes <@ token.scopes THEN
        outcome := 'too_wide';
        RETURN;
    END IF;
    IF token.rotated_at IS NULL THEN
        IF token.expires_at <= transaction_timestamp() THEN
            RETURN;
        END IF;
        -- Used: what it was made with is of no use any more. Access tokens that have ended go, and refresh tokens that are refused anyway.
        UPDATE app.oauth_token t SET salt = NULL WHERE t.tenant_id = token.tenant_id AND t.id = token.parent_id;
        DELETE FROM app.oauth_token t WHERE t.tenant_id = token.tenant_id AND t.grant_id = token.grant_id
            AND t.expires_at < transaction_timestamp() - interval '1 hour' AND t.id <> token.id;
        UPDATE app.oauth_token t SET rotated_at = transaction_timestamp(), salt = rotate_refresh.salt,
                expires_at = least(t.expires_at, transaction_timestamp() + interval '30 days')
            WHERE t.tenant_id = token.tenant_id AND t.id = token.id;
        PERFORM app.add_oauth_refresh(token.tenant_id, token.grant_id, token.user_id, refresh_id, refresh_hash, token.id, token.scopes);
        new_salt := rotate_refresh.salt;
    ELSE
        SELECT t.* INTO next FROM app.oauth_token t
            WHERE t.tenant_id = token.tenant_id AND t.parent_id = token.id AND t.kind = 'refresh' FOR UPDATE;
        IF token.salt IS NULL OR next.id IS NULL OR next.rotated_at IS NOT NULL OR next.expires_at <= transaction_timestamp()
            OR token.rotated_at < transaction_timestamp() - interval '30 seconds' AND EXISTS (SELECT FROM app.oauth_token a
                WHERE a.tenant_id = token.tenant_id AND a.parent_id = token.id AND a.kind = 'access' AND a.last_seen_at IS NOT NULL)
        THEN
            PERFORM app.stop_grant(token.tenant_id, token.grant_id, token.user_id, 'grant.reuse',
                jsonb_build_object('what', 'refresh_token', 'address', left(origin, 64)));
            RETURN;
        END IF;
        new_salt := token.salt;
    END IF;
    seconds := app.add_oauth_access(token.tenant_id, token.grant_id, token.user_id, access_id, access_hash, token.id, scopes);
    UPDATE app.oauth_grant g SET last_seen_at = transaction_timestamp() WHERE g.tenant_id = token.tenant_id AND g.id = token.grant_id;
    outcome := 'given';
END
$$;
SELECT app.serve('app.rotate_refresh(bytea, text, text[], bytea, text, text, bytea, text, bytea)', 'fieldstone_auth');

-- Ends the family of a token of this application (RFC 7009). Whatever it is, the answer is the same.
CREATE FUNCTION app.revoke_token(hash bytea, by_client text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.stop_grant(g.tenant_id, g.id, g.user_id, 'grant.end', '{"by": "application"}')
        FROM app.oauth_token t
        JOIN app.oauth_grant g ON g.tenant_id = t.tenant_id AND g.id = t.grant_id
        JOIN app.oauth_client c ON c.tenant_id = g.tenant_id AND c.id = g.client AND c.client_id = by_client
        WHERE t.token_hash = hash;
END
$$;
SELECT app.serve('app.revoke_token(bytea, text)', 'fieldstone_auth');

-- The living sign-ins of applications for the caller.
CREATE FUNCTION app.own_grants()
RETURNS TABLE (id text, client text, client_id text, name text, built_in boolean, scopes text[], label text, address text,
    created_at timestamptz, last_seen_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT g.id, c.id, c.client_id, c.name, c.built_in, g.scopes, g.label, g.address, g.created_at, g.last_seen_at
        FROM app.oauth_grant g JOIN app.oauth_client c ON c.tenant_id = g.tenant_id AND c.id = g.client
        WHERE g.tenant_id = app.tenant_id() AND g.user_id = app.user_id() AND g.ended_at IS NULL
        AND EXISTS (SELECT FROM app.oauth_token t WHERE t.tenant_id = g.tenant_id AND t.grant_id = g.id AND t.kind = 'refresh'
            AND t.rotated_at IS NULL AND t.expires_at > transaction_timestamp())
        ORDER BY g.id DESC;
END
$$;
SELECT app.serve('app.own_grants()', 'fieldstone_app', 'fieldstone_worker');

-- Ends one of the caller's own; false when there is no such living one.
CREATE FUNCTION app.end_own_grant(family text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN EXISTS (SELECT FROM app.oauth_grant g WHERE g.tenant_id = app.tenant_id() AND g.id = family AND g.user_id = app.user_id())
        AND app.stop_grant(app.tenant_id(), family, app.user_id(), 'grant.end', '{"by": "person"}');
END
$$;
SELECT app.serve('app.end_own_grant(text)', 'fieldstone_app', 'fieldstone_worker');

-- Withdraws what the caller has allowed an application: it is asked again, and what it has ends. False when there was nothing.
CREATE FUNCTION app.withdraw_consent(from_client text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended integer;
    found_consent boolean;
BEGIN
    DELETE FROM app.oauth_consent c WHERE c.tenant_id = app.tenant_id() AND c.user_id = app.user_id() AND c.client = from_client;
    found_consent := FOUND;
    SELECT count(*) FILTER (WHERE app.stop_grant(g.tenant_id, g.id, g.user_id, 'grant.end', '{"by": "person"}')) INTO ended
        FROM app.oauth_grant g
        WHERE g.tenant_id = app.tenant_id() AND g.user_id = app.user_id() AND g.client = from_client AND g.ended_at IS NULL;
    IF found_consent THEN
        PERFORM app.add_event(app.tenant_id(), 'consent.withdraw', app.user_id(), from_client, '{}');
    END IF;
    RETURN found_consent OR ended > 0;
END
$$;
SELECT app.permit_lookup('app.oauth_consent', 'SELECT, DELETE');
SELECT app.serve('app.withdraw_consent(text)', 'fieldstone_app', 'fieldstone_worker');
