-- Accounts: proof of who somebody is, sessions and their limits, the second factor.
--
--   session          proved_at: when its person last gave their password or a code. What weighs much asks again when that is long ago.
--   workspace        how long its sessions last, and whether everybody needs a second factor.
--   totp             the second factor of a person: a sealed seed (the keys are outside the database) and the last step accepted.
--   recovery_code    one-time substitutes for it, as keyed hashes.
--   second_step      sign-ins whose password was right and whose code is still to come. Not sessions: they open nothing.
--
-- A proof, a new password, a new or removed factor make a new session in the place of the old one (ASVS 5.0, 7.2.4), so a cookie
-- copied before is worth nothing after.

-- Sessions from before have proved nothing: they are asked once more.
ALTER TABLE app.session ADD COLUMN proved_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE app.session ALTER COLUMN proved_at DROP DEFAULT;
SELECT app.permit_lookup('app.session', 'SELECT, INSERT, UPDATE (last_seen_at, idle_expires_at, absolute_expires_at, ended_at, proved_at)');

ALTER TABLE app.workspace
    ADD COLUMN idle_minutes     integer NOT NULL DEFAULT 30 CHECK (idle_minutes BETWEEN 5 AND 1440),
    ADD COLUMN absolute_minutes integer NOT NULL DEFAULT 720 CHECK (absolute_minutes BETWEEN 15 AND 43200),
    ADD COLUMN totp_required    boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT workspace_session_limits CHECK (idle_minutes <= absolute_minutes);
SELECT app.permit_lookup('app.workspace', 'SELECT (tenant_id, name, slug, schema_version, idle_minutes, absolute_minutes, totp_required, version), '
    'UPDATE (version, idle_minutes, absolute_minutes, totp_required, updated_at)');

CREATE TABLE app.totp (
    tenant_id    text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    seed         bytea NOT NULL CHECK (length(seed) BETWEEN 32 AND 512),
    created_at   timestamptz NOT NULL,
    confirmed_at timestamptz,
    last_step    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.totp', 'private');
SELECT app.permit_lookup('app.totp', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE app.recovery_code (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    used_at   timestamptz,
    PRIMARY KEY (tenant_id, user_id, code_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.recovery_code', 'private');
SELECT app.permit_lookup('app.recovery_code', 'SELECT, INSERT, UPDATE (used_at), DELETE');

CREATE TABLE app.second_step (
    tenant_id      text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    user_id        text COLLATE "C" NOT NULL,
    member_version bigint NOT NULL,
    token_hash     bytea NOT NULL CONSTRAINT second_step_lookup UNIQUE CHECK (length(token_hash) = 32),
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    wrong          integer NOT NULL DEFAULT 0,
    ended_at       timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX second_step_user_id ON app.second_step (tenant_id, user_id);
SELECT app.protect('app.second_step', 'private');
SELECT app.permit_lookup('app.second_step', 'SELECT, INSERT, UPDATE (wrong, ended_at), DELETE');

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

-- Starts a session for a person who has just proved who they are. The workspace says how long it lasts.
DROP FUNCTION app.start_session(text, text, text, bytea, integer, integer, text, text);
CREATE FUNCTION app.start_session(tenant text, session_id text, person text, hash bytea, agent text, origin text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.session (tenant_id, id, user_id, token_hash, created_at, last_seen_at, idle_expires_at, absolute_expires_at, proved_at, user_agent, address)
        SELECT tenant, session_id, person, hash, transaction_timestamp(), transaction_timestamp(),
            transaction_timestamp() + make_interval(mins => w.idle_minutes),
            transaction_timestamp() + make_interval(mins => w.absolute_minutes), transaction_timestamp(), left(agent, 255), left(origin, 64)
        FROM app.workspace w WHERE w.tenant_id = tenant;
    PERFORM app.add_auth_event(tenant, person, 'session.start', jsonb_build_object('session', session_id, 'address', left(origin, 64)));
END
$$;
SELECT app.serve('app.start_session(text, text, text, bytea, text, text)', 'fieldstone_auth');

-- Moves a session's idle limit; it never passes the absolute one, and a session that has ended stays ended.
DROP FUNCTION app.touch_session(text, text, integer);
CREATE FUNCTION app.touch_session(tenant text, session_id text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.session s SET last_seen_at = transaction_timestamp(),
            idle_expires_at = least(transaction_timestamp() + make_interval(mins => w.idle_minutes), s.absolute_expires_at)
        FROM app.workspace w
        WHERE w.tenant_id = tenant AND s.tenant_id = tenant AND s.id = session_id AND s.ended_at IS NULL
        AND s.idle_expires_at > transaction_timestamp();
END
$$;
SELECT app.serve('app.touch_session(text, text)', 'fieldstone_auth');

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

-- Puts a session with a secret of its own in the place of a living one: same person, same end, proven now. With `alone`, the
-- person's other sessions end. False when the old one has ended.
CREATE FUNCTION app.rotate_session(tenant text, old_id text, new_id text, hash bytea, alone boolean) RETURNS boolean
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
    IF alone THEN
        UPDATE app.session s SET ended_at = transaction_timestamp()
            WHERE s.tenant_id = tenant AND s.user_id = old.user_id AND s.ended_at IS NULL;
    END IF;
    INSERT INTO app.session (tenant_id, id, user_id, token_hash, created_at, last_seen_at, idle_expires_at, absolute_expires_at, proved_at, user_agent, address)
        SELECT tenant, new_id, old.user_id, hash, old.created_at, transaction_timestamp(),
            least(transaction_timestamp() + make_interval(mins => w.idle_minutes), old.absolute_expires_at), old.absolute_expires_at,
            transaction_timestamp(), old.user_agent, old.address
        FROM app.workspace w WHERE w.tenant_id = tenant;
    RETURN true;
END
$$;
SELECT app.serve('app.rotate_session(text, text, text, bytea, boolean)', 'fieldstone_auth');

-- The living sessions of the caller, the last used first.
CREATE FUNCTION app.own_sessions()
RETURNS TABLE (id text, created_at timestamptz, last_seen_at timestamptz, user_agent text, address text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT s.id, s.created_at, s.last_seen_at, s.user_agent, s.address FROM app.session s
        WHERE s.tenant_id = app.tenant_id() AND s.user_id = app.user_id() AND s.ended_at IS NULL
        AND s.idle_expires_at > transaction_timestamp() AND s.absolute_expires_at > transaction_timestamp()
        ORDER BY s.last_seen_at DESC, s.id LIMIT 200;
END
$$;
SELECT app.serve('app.own_sessions()', 'fieldstone_app', 'fieldstone_worker');

CREATE FUNCTION app.end_own_session(session_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.session s SET ended_at = transaction_timestamp()
        WHERE s.tenant_id = app.tenant_id() AND s.user_id = app.user_id() AND s.id = session_id AND s.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.add_auth_event(app.tenant_id(), app.user_id(), 'session.end', jsonb_build_object('session', session_id));
    RETURN true;
END
$$;
SELECT app.serve('app.end_own_session(text)', 'fieldstone_app', 'fieldstone_worker');

-- Ends the caller's sessions but one; answers how many.
CREATE FUNCTION app.end_own_other_sessions(kept text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended bigint;
BEGIN
    UPDATE app.session s SET ended_at = transaction_timestamp()
        WHERE s.tenant_id = app.tenant_id() AND s.user_id = app.user_id() AND s.id <> kept AND s.ended_at IS NULL;
    GET DIAGNOSTICS ended = ROW_COUNT;
    PERFORM app.add_auth_event(app.tenant_id(), app.user_id(), 'sessions.end', jsonb_build_object('number', ended));
    RETURN ended;
END
$$;
SELECT app.serve('app.end_own_other_sessions(text)', 'fieldstone_app', 'fieldstone_worker');

-- Whoever is deactivated or loses rights loses their sessions with them, whoever writes it; whoever gains some proves themselves anew.
CREATE FUNCTION app.user_sessions_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NOT NEW.active OR NEW.deleted_at IS NOT NULL OR app.role_rank(NEW.role) < app.role_rank(OLD.role) THEN
        UPDATE app.session s SET ended_at = transaction_timestamp()
            WHERE s.tenant_id = NEW.tenant_id AND s.user_id = NEW.id AND s.ended_at IS NULL;
        DELETE FROM app.second_step p WHERE p.tenant_id = NEW.tenant_id AND p.user_id = NEW.id;
    ELSIF NEW.role <> OLD.role THEN
        UPDATE app.session s SET proved_at = '-infinity'
            WHERE s.tenant_id = NEW.tenant_id AND s.user_id = NEW.id AND s.ended_at IS NULL;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER sessions_follow AFTER UPDATE OF role, active, deleted_at ON app."user" FOR EACH ROW EXECUTE FUNCTION app.user_sessions_follow();
SELECT app.serve('app.user_sessions_follow()', 'fieldstone_owner');

-- How the workspace's people sign in. What it shortens is shortened for sessions that have begun; whoever lacks the second factor that it
-- asks for is looked up again at their next request.
CREATE FUNCTION app.set_sign_in_policy(idle integer, absolute integer, totp boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    was boolean;
BEGIN
    IF app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins set how people sign in' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF totp AND app.must_enrol(app.tenant_id(), app.user_id(), true) THEN
        RAISE EXCEPTION 'whoever asks for a second factor has one' USING ERRCODE = 'FS005';
    END IF;
    SELECT w.totp_required INTO was FROM app.workspace w WHERE w.tenant_id = app.tenant_id() FOR NO KEY UPDATE;
    UPDATE app.workspace w SET idle_minutes = idle, absolute_minutes = absolute, totp_required = totp,
            updated_at = transaction_timestamp(), version = w.version + 1
        WHERE w.tenant_id = app.tenant_id();
    UPDATE app.session s SET idle_expires_at = least(s.idle_expires_at, s.last_seen_at + make_interval(mins => idle)),
            absolute_expires_at = least(s.absolute_expires_at, s.created_at + make_interval(mins => absolute))
        WHERE s.tenant_id = app.tenant_id() AND s.ended_at IS NULL;
    IF totp IS DISTINCT FROM was THEN
        UPDATE app."user" u SET member_version = u.member_version + 1
            WHERE u.tenant_id = app.tenant_id() AND app.must_enrol(u.tenant_id, u.id, true);
    END IF;
    PERFORM app.add_auth_event(app.tenant_id(), app.user_id(), 'sign_in_policy.update',
        jsonb_build_object('idle_minutes', idle, 'absolute_minutes', absolute, 'totp_required', totp));
END
$$;

-- Whether somebody needs a second factor (because the workspace asks for it, or `always`) and has none. An account without a password,
-- which is a program's, has nothing that it would stand beside.
CREATE FUNCTION app.must_enrol(tenant text, person text, always boolean) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN EXISTS (SELECT FROM app.workspace w WHERE w.tenant_id = tenant AND (w.totp_required OR always))
        AND EXISTS (SELECT FROM app.user_secret s WHERE s.tenant_id = tenant AND s.user_id = person AND s.password_phc IS NOT NULL)
        AND NOT EXISTS (SELECT FROM app.totp t WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NOT NULL);
END
$$;
SELECT app.serve('app.must_enrol(text, text, boolean)', 'fieldstone_auth');
SELECT app.serve('app.set_sign_in_policy(integer, integer, boolean)', 'fieldstone_app');

-- ---------------------------------------------------------------------------------------------------------------------
-- Passwords and proofs.

-- The people an e-mail address may sign in as. `slug` narrows to one workspace. The seed is there when a code is asked for.
DROP FUNCTION app.find_login(text, text);
CREATE FUNCTION app.find_login(wanted_email_key text, wanted_slug text)
RETURNS TABLE (tenant_id text, user_id text, email_key text, member_version bigint, password_phc text, totp_seed bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT w.tenant_id, u.id, s.email_key, u.member_version, s.password_phc, t.seed
        FROM app.user_secret s
        JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        JOIN app.workspace w ON w.tenant_id = s.tenant_id
        LEFT JOIN app.totp t ON t.tenant_id = s.tenant_id AND t.user_id = s.user_id AND t.confirmed_at IS NOT NULL
        WHERE s.email_key = wanted_email_key AND u.active AND u.deleted_at IS NULL
        AND (wanted_slug IS NULL OR w.slug = wanted_slug)
        ORDER BY w.slug LIMIT 2;
END
$$;
SELECT app.serve('app.find_login(text, text)', 'fieldstone_auth');

-- The same of a person whose session lives and whose access is what the caller remembers, and what their password may not consist of.
CREATE FUNCTION app.find_proof(tenant text, person text, session_id text, known_version bigint)
RETURNS TABLE (email_key text, password_phc text, totp_seed bytea, name text, email text, workspace text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT s.email_key, s.password_phc, t.seed, u.name, u.email, w.name
        FROM app.user_secret s
        JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        JOIN app.workspace w ON w.tenant_id = s.tenant_id
        LEFT JOIN app.totp t ON t.tenant_id = s.tenant_id AND t.user_id = s.user_id AND t.confirmed_at IS NOT NULL
        WHERE s.tenant_id = tenant AND s.user_id = person AND u.active AND u.deleted_at IS NULL AND u.member_version = known_version
        AND EXISTS (SELECT FROM app.session o WHERE o.tenant_id = tenant AND o.id = session_id AND o.user_id = person AND o.ended_at IS NULL
            AND o.idle_expires_at > transaction_timestamp() AND o.absolute_expires_at > transaction_timestamp());
END
$$;
SELECT app.serve('app.find_proof(text, text, text, bigint)', 'fieldstone_auth');

-- A person's own new password: every session ends, and one takes the place of the one it was changed in. False when that has ended, or
-- when the password is not the one that was checked any more.
CREATE FUNCTION app.change_password(tenant text, person text, old_phc text, new_phc text, old_session text, new_session text, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM FROM app.user_secret s WHERE s.tenant_id = tenant AND s.user_id = person AND s.password_phc = old_phc FOR UPDATE;
    IF NOT FOUND OR NOT app.rotate_session(tenant, old_session, new_session, hash, true) THEN
        RETURN false;
    END IF;
    UPDATE app.user_secret s SET password_phc = new_phc, changed_at = transaction_timestamp()
        WHERE s.tenant_id = tenant AND s.user_id = person;
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = tenant AND u.id = person;
    PERFORM app.add_auth_event(tenant, person, 'password.set', '{}');
    RETURN true;
END
$$;
SELECT app.serve('app.change_password(text, text, text, text, text, text, bytea)', 'fieldstone_auth');

-- ---------------------------------------------------------------------------------------------------------------------
-- The second factor.

CREATE FUNCTION app.find_totp(tenant text, person text)
RETURNS TABLE (seed bytea, created_at timestamptz, confirmed_at timestamptz, codes_left bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT t.seed, t.created_at, t.confirmed_at,
            (SELECT count(*) FROM app.recovery_code c WHERE c.tenant_id = tenant AND c.user_id = person AND c.used_at IS NULL)
        FROM app.totp t WHERE t.tenant_id = tenant AND t.user_id = person;
END
$$;
SELECT app.serve('app.find_totp(text, text)', 'fieldstone_auth');

-- Keeps a seed that is still to be confirmed; false when there is a confirmed one.
CREATE FUNCTION app.start_totp(tenant text, person text, sealed bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.totp AS t (tenant_id, user_id, seed, created_at) VALUES (tenant, person, sealed, transaction_timestamp())
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET seed = excluded.seed, created_at = excluded.created_at, last_step = 0
        WHERE t.confirmed_at IS NULL;
    RETURN FOUND;
END
$$;
SELECT app.serve('app.start_totp(text, text, bytea)', 'fieldstone_auth');

CREATE FUNCTION app.replace_recovery_codes(tenant text, person text, hashes bytea[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.recovery_code c WHERE c.tenant_id = tenant AND c.user_id = person;
    INSERT INTO app.recovery_code (tenant_id, user_id, code_hash) SELECT tenant, person, h.hash FROM unnest(hashes) AS h (hash);
    PERFORM app.add_auth_event(tenant, person, 'recovery_codes.make', '{}');
END
$$;
SELECT app.serve('app.replace_recovery_codes(text, text, bytea[])', 'fieldstone_auth');

-- Confirms the seed that was kept last, by the step whose code was given; false when that seed is another or confirmed already.
CREATE FUNCTION app.confirm_totp(tenant text, person text, sealed bytea, step bigint, hashes bytea[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.totp t SET confirmed_at = transaction_timestamp(), last_step = step
        WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NULL AND t.seed = sealed;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.replace_recovery_codes(tenant, person, hashes);
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = tenant AND u.id = person;
    PERFORM app.add_auth_event(tenant, person, 'totp.enrol', '{}');
    RETURN true;
END
$$;
SELECT app.serve('app.confirm_totp(text, text, bytea, bigint, bytea[])', 'fieldstone_auth');

CREATE FUNCTION app.remove_totp(tenant text, person text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.totp t WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NOT NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM app.recovery_code c WHERE c.tenant_id = tenant AND c.user_id = person;
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = tenant AND u.id = person;
    PERFORM app.add_auth_event(tenant, person, 'totp.remove', '{}');
    RETURN true;
END
$$;
SELECT app.serve('app.remove_totp(text, text)', 'fieldstone_auth');

-- Takes the lost second factor from somebody else, who is not above the caller: their sessions end. False when they have none.
CREATE FUNCTION app.reset_totp(person text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    theirs text;
BEGIN
    IF app.can_manage() IS NOT TRUE OR person = app.user_id() THEN
        RAISE EXCEPTION 'a second factor is reset by another owner or admin' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT u.role INTO theirs FROM app."user" u WHERE u.tenant_id = app.tenant_id() AND u.id = person AND u.deleted_at IS NULL FOR UPDATE;
    IF theirs IS NULL THEN
        RETURN false;
    END IF;
    IF app.role_rank(theirs) > app.role_rank(app.role()) THEN
        RAISE EXCEPTION 'nobody resets what guards somebody above themselves' USING ERRCODE = 'FS004';
    END IF;
    DELETE FROM app.totp t WHERE t.tenant_id = app.tenant_id() AND t.user_id = person AND t.confirmed_at IS NOT NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM app.recovery_code c WHERE c.tenant_id = app.tenant_id() AND c.user_id = person;
    DELETE FROM app.second_step p WHERE p.tenant_id = app.tenant_id() AND p.user_id = person;
    UPDATE app.session s SET ended_at = transaction_timestamp()
        WHERE s.tenant_id = app.tenant_id() AND s.user_id = person AND s.ended_at IS NULL;
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = app.tenant_id() AND u.id = person;
    PERFORM app.add_auth_event(app.tenant_id(), person, 'totp.reset', '{}');
    RETURN true;
END
$$;
SELECT app.serve('app.reset_totp(text)', 'fieldstone_app');

-- Accepts a step once, and never one that is not after the last (RFC 6238, 5.2).
CREATE FUNCTION app.take_totp_step(tenant text, person text, step bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.totp t SET last_step = step
        WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NOT NULL AND t.last_step < step;
    RETURN FOUND;
END
$$;
SELECT app.serve('app.take_totp_step(text, text, bigint)', 'fieldstone_auth');

CREATE FUNCTION app.take_recovery_code(tenant text, person text, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.recovery_code c SET used_at = transaction_timestamp()
        WHERE c.tenant_id = tenant AND c.user_id = person AND c.code_hash = hash AND c.used_at IS NULL
        AND EXISTS (SELECT FROM app.totp t WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NOT NULL);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.add_auth_event(tenant, person, 'recovery_code.use', '{}');
    RETURN true;
END
$$;
SELECT app.serve('app.take_recovery_code(text, text, bytea)', 'fieldstone_auth');

-- Notes that the password of somebody with a second factor was right when their access had this version (NULL: as it is now); the code is
-- to follow within five minutes.
CREATE FUNCTION app.begin_second_step(tenant text, step_id text, person text, seen bigint, hash bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.second_step p WHERE p.tenant_id = tenant AND p.user_id = person AND p.expires_at < transaction_timestamp();
    INSERT INTO app.second_step (tenant_id, id, user_id, member_version, token_hash, created_at, expires_at)
        SELECT tenant, step_id, person, coalesce(seen, u.member_version), hash, transaction_timestamp(), transaction_timestamp() + interval '5 minutes'
        FROM app."user" u WHERE u.tenant_id = tenant AND u.id = person;
END
$$;
SELECT app.serve('app.begin_second_step(text, text, text, bigint, bytea)', 'fieldstone_auth');

-- Whose code is awaited. Nobody's once it has expired, was used, had five wrong codes, or the person's access has changed.
CREATE FUNCTION app.find_second_step(wanted_hash bytea)
RETURNS TABLE (tenant_id text, id text, user_id text, email_key text, totp_seed bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT p.tenant_id, p.id, p.user_id, s.email_key, t.seed
        FROM app.second_step p
        JOIN app."user" u ON u.tenant_id = p.tenant_id AND u.id = p.user_id
        JOIN app.user_secret s ON s.tenant_id = p.tenant_id AND s.user_id = p.user_id
        JOIN app.totp t ON t.tenant_id = p.tenant_id AND t.user_id = p.user_id AND t.confirmed_at IS NOT NULL
        WHERE p.token_hash = wanted_hash AND p.ended_at IS NULL AND p.wrong < 5 AND p.expires_at > transaction_timestamp()
        AND u.active AND u.deleted_at IS NULL AND u.member_version = p.member_version;
END
$$;
SELECT app.serve('app.find_second_step(bytea)', 'fieldstone_auth');

-- Takes a step or a recovery code for a sign-in that awaits one, and starts the session. NULL when it awaits none any more, false when
-- the code is not good; the fifth such ends it.
CREATE FUNCTION app.finish_second_step(hash bytea, step bigint, code_hash bytea, session_id text, session_hash bytea, agent text, origin text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    mine record;
BEGIN
    PERFORM FROM app.second_step p WHERE p.token_hash = hash FOR UPDATE;
    SELECT * INTO mine FROM app.find_second_step(hash);
    IF mine.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF (step IS NOT NULL AND app.take_totp_step(mine.tenant_id, mine.user_id, step))
        OR (code_hash IS NOT NULL AND app.take_recovery_code(mine.tenant_id, mine.user_id, code_hash))
    THEN
        UPDATE app.second_step p SET ended_at = transaction_timestamp() WHERE p.tenant_id = mine.tenant_id AND p.id = mine.id;
        PERFORM app.start_session(mine.tenant_id, session_id, mine.user_id, session_hash, agent, origin);
        RETURN true;
    END IF;
    UPDATE app.second_step p SET wrong = p.wrong + 1 WHERE p.tenant_id = mine.tenant_id AND p.id = mine.id;
    PERFORM app.add_auth_event(mine.tenant_id, mine.user_id, 'code.refuse', jsonb_build_object('address', left(origin, 64)));
    RETURN false;
END
$$;
SELECT app.serve('app.finish_second_step(bytea, bigint, bytea, text, bytea, text, text)', 'fieldstone_auth');
