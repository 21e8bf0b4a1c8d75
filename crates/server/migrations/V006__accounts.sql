-- Accounts: when a session was last proven, and what a person changes of themselves.
--
-- A session's proved_at is when its person last gave their password or a code. Actions that weigh much ask again when that is
-- long ago. A proof makes a new session in the place of the old one (ASVS 5.0, 7.2.4), so a cookie copied before is worth nothing after.

-- Sessions from before have proved nothing: they are asked once more.
ALTER TABLE app.session ADD COLUMN proved_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE app.session ALTER COLUMN proved_at DROP DEFAULT;

-- A person changes their own name and how they are addressed, whatever their role: the policies of "user" leave that to administrators.
SELECT app.permit_lookup('app."user"',
    'SELECT (tenant_id, id, email, email_key, name, role, active, member_version, deleted_at, locale, time_zone, version), '
    'UPDATE (member_version, name, name_key, locale, time_zone, updated_at, updated_by_id, version)');

CREATE FUNCTION app.update_own_profile(new_name text, new_name_key text, new_locale text, new_time_zone text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.tenant_id() IS NULL THEN
        RAISE EXCEPTION 'no tenant context' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    UPDATE app."user" u SET name = new_name, name_key = new_name_key, locale = new_locale, time_zone = new_time_zone,
            updated_at = transaction_timestamp(), updated_by_id = u.id, version = u.version + 1
        WHERE u.tenant_id = app.tenant_id() AND u.id = app.user_id();
    PERFORM app.add_auth_event(app.tenant_id(), app.user_id(), 'profile.update', '{}');
END
$$;
SELECT app.serve('app.update_own_profile(text, text, text, text)', 'fieldstone_app', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- Sessions and their proof.

CREATE OR REPLACE FUNCTION app.start_session(tenant text, session_id text, person text, hash bytea, idle_seconds integer,
    absolute_seconds integer, agent text, origin text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.session (tenant_id, id, user_id, token_hash, created_at, last_seen_at, idle_expires_at, absolute_expires_at, proved_at, user_agent, address)
        VALUES (tenant, session_id, person, hash, transaction_timestamp(), transaction_timestamp(),
            transaction_timestamp() + make_interval(secs => idle_seconds),
            transaction_timestamp() + make_interval(secs => absolute_seconds), transaction_timestamp(), left(agent, 255), left(origin, 64));
    PERFORM app.add_auth_event(tenant, person, 'session.start', jsonb_build_object('session', session_id, 'address', left(origin, 64)));
END
$$;

DROP FUNCTION app.find_session(bytea);
CREATE FUNCTION app.find_session(wanted_hash bytea)
RETURNS TABLE (tenant_id text, id text, user_id text, role text, member_version bigint, schema_version bigint,
    last_seen_at timestamptz, idle_expires_at timestamptz, absolute_expires_at timestamptz, proved_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT s.tenant_id, s.id, s.user_id, u.role, u.member_version, w.schema_version,
            s.last_seen_at, s.idle_expires_at, s.absolute_expires_at, s.proved_at
        FROM app.session s
        JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        JOIN app.workspace w ON w.tenant_id = s.tenant_id
        WHERE s.token_hash = wanted_hash AND s.ended_at IS NULL AND s.idle_expires_at > transaction_timestamp()
        AND s.absolute_expires_at > transaction_timestamp() AND u.active AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.find_session(bytea)', 'fieldstone_auth');

-- Puts a session with a secret of its own in the place of a living one: same person, same end, and proven now if `proven` says so.
-- False when the old one has ended.
CREATE FUNCTION app.rotate_session(tenant text, old_id text, new_id text, hash bytea, proven boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    old app.session;
BEGIN
    UPDATE app.session s SET ended_at = transaction_timestamp()
        WHERE s.tenant_id = tenant AND s.id = old_id AND s.ended_at IS NULL AND s.idle_expires_at > transaction_timestamp()
        AND s.absolute_expires_at > transaction_timestamp()
        RETURNING s.* INTO old;
    IF old.id IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO app.session (tenant_id, id, user_id, token_hash, created_at, last_seen_at, idle_expires_at, absolute_expires_at, proved_at, user_agent, address)
        VALUES (tenant, new_id, old.user_id, hash, old.created_at, transaction_timestamp(),
            least(transaction_timestamp() + (old.idle_expires_at - old.last_seen_at), old.absolute_expires_at), old.absolute_expires_at,
            CASE WHEN proven THEN transaction_timestamp() ELSE old.proved_at END, old.user_agent, old.address);
    RETURN true;
END
$$;
SELECT app.serve('app.rotate_session(text, text, text, bytea, boolean)', 'fieldstone_auth');

-- What a person who is signed in proves themselves again with.
CREATE FUNCTION app.find_proof(tenant text, person text) RETURNS TABLE (email_key text, password_phc text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT s.email_key, s.password_phc FROM app.user_secret s
        JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        WHERE s.tenant_id = tenant AND s.user_id = person AND u.active AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.find_proof(text, text)', 'fieldstone_auth');
