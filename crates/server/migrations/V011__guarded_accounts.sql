-- What guards accounts holds whoever writes, at the same moment as whoever else, and on all servers together.
--
--   "user", workspace   the serving roles change named columns only: an injected admin rewrites no address, and nobody's name but a
--                       program's; people come by invitation alone
--   attempt             how often somebody may try, counted for all servers; not logged, since it is worth nothing after a crash
--
-- A session begins and is replaced under a lock on its person, who must still be as they were when they proved themselves. So no sign-in
-- that waited for its turn outlives a change of the password that it was made with. Whoever locks several rows locks the person first.
--
-- A new password ends the sign-ins of applications and devices; docs/adr/0013 says why, and why API tokens are left to the person.

-- ---------------------------------------------------------------------------------------------------------------------
-- Columns that the serving roles write. Whoever gives these tables another class has to do this again; the lint says so.

REVOKE INSERT, UPDATE ON app."user" FROM fieldstone_app, fieldstone_worker;
GRANT INSERT (tenant_id, id, email, email_key, name, name_key, role, kind, created_at, updated_at),
    UPDATE (name, name_key, role, active, visibility, updated_at, updated_by_id, version)
    ON app."user" TO fieldstone_app, fieldstone_worker;

REVOKE UPDATE ON app.workspace FROM fieldstone_app, fieldstone_worker;
GRANT UPDATE (name, schema_version, settings, updated_at, version) ON app.workspace TO fieldstone_app, fieldstone_worker;

-- What those rights leave open.
CREATE FUNCTION app.user_keep() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    -- Operators and the functions of this schema answer to rules of their own.
    IF current_user NOT IN ('fieldstone_app', 'fieldstone_worker') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.kind <> 'service' OR (NEW.email, NEW.email_key) IS DISTINCT FROM (NEW.id || '@service.invalid', lower(NEW.id) || '@service.invalid') THEN
            RAISE EXCEPTION 'people come by invitation' USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF OLD.kind = 'person' AND (NEW.name, NEW.name_key) IS DISTINCT FROM (OLD.name, OLD.name_key) THEN
        RAISE EXCEPTION 'what somebody is called is theirs to say' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON app."user" FOR EACH ROW EXECUTE FUNCTION app.user_keep();

-- ---------------------------------------------------------------------------------------------------------------------
-- Attempts, for all servers.

-- One row for each account and network that has tried lately: until when it has used up its share (GCRA: the theoretical time of arrival).
CREATE UNLOGGED TABLE app.attempt (
    key_hash   bytea PRIMARY KEY CHECK (length(key_hash) = 32),
    used_until timestamptz NOT NULL
) WITH (fillfactor = 70);
SELECT app.protect('app.attempt', 'system');
SELECT app.permit_lookup('app.attempt', 'SELECT, INSERT, UPDATE (used_until), DELETE');

-- Takes one attempt from each of these, or answers how many seconds to wait (0: none). `bursts` are how many may come at once, `paces` after
-- how many seconds another may. Whether there is such an account is not asked.
CREATE FUNCTION app.take_attempts(keys bytea[], bursts float8[], paces float8[], at timestamptz) RETURNS float8
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one  record;
    wait float8 := 0;
BEGIN
    -- In one order, so that two of these never wait for each other.
    FOR one IN SELECT k.key, make_interval(secs => k.burst * k.pace) AS share, make_interval(secs => k.pace) AS pace
        FROM unnest(keys, bursts, paces) AS k (key, burst, pace) ORDER BY k.key
    LOOP
        INSERT INTO app.attempt AS a (key_hash, used_until) VALUES (one.key, at + one.pace)
            ON CONFLICT (key_hash) DO UPDATE SET used_until = greatest(a.used_until, at) + one.pace
            WHERE greatest(a.used_until, at) + one.pace <= at + one.share;
        IF NOT FOUND THEN
            wait := greatest(wait, (SELECT extract(epoch FROM a.used_until + one.pace - one.share - at) FROM app.attempt a WHERE a.key_hash = one.key));
        END IF;
    END LOOP;
    RETURN wait;
END
$$;
SELECT app.serve('app.take_attempts(bytea[], float8[], float8[], timestamptz)', 'fieldstone_auth');

-- Gives one attempt back to each of these.
CREATE FUNCTION app.return_attempts(keys bytea[], paces float8[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT k.key, make_interval(secs => k.pace) AS pace FROM unnest(keys, paces) AS k (key, pace) ORDER BY k.key LOOP
        UPDATE app.attempt a SET used_until = a.used_until - one.pace WHERE a.key_hash = one.key;
    END LOOP;
END
$$;
SELECT app.serve('app.return_attempts(bytea[], float8[])', 'fieldstone_auth');

-- Forgets whoever has their whole share again.
CREATE FUNCTION app.forget_attempts() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.attempt a WHERE a.used_until <= transaction_timestamp();
END
$$;
SELECT app.serve('app.forget_attempts()', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- Sessions begin and are replaced under a lock on their person.

-- Whether somebody is let in as they were seen: `seen` is their member_version then, NULL for as they are. Holds them so until the
-- transaction ends. For functions of this schema only.
CREATE FUNCTION app.hold_person(tenant text, person text, seen bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM FROM app."user" u WHERE u.tenant_id = tenant AND u.id = person AND u.active AND u.deleted_at IS NULL
        AND (seen IS NULL OR u.member_version = seen) FOR SHARE;
    RETURN FOUND;
END
$$;
SELECT app.serve('app.hold_person(text, text, bigint)', 'fieldstone_owner');

-- Starts a session for a person who has proved who they are, when their access had the version `seen`; false when it has changed meanwhile.
CREATE FUNCTION app.start_session(tenant text, session_id text, person text, seen bigint, hash bytea, agent text, origin text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NOT app.hold_person(tenant, person, seen) THEN
        RETURN false;
    END IF;
    INSERT INTO app.session (tenant_id, id, user_id, token_hash, created_at, last_seen_at, idle_expires_at, absolute_expires_at, proved_at, user_agent, address)
        SELECT tenant, session_id, person, hash, transaction_timestamp(), transaction_timestamp(),
            transaction_timestamp() + make_interval(mins => w.idle_minutes),
            transaction_timestamp() + make_interval(mins => w.absolute_minutes), transaction_timestamp(), left(agent, 255), left(origin, 64)
        FROM app.workspace w WHERE w.tenant_id = tenant;
    PERFORM app.add_auth_event(tenant, person, 'session.start', jsonb_build_object('session', session_id, 'address', left(origin, 64)));
    RETURN true;
END
$$;
SELECT app.serve('app.start_session(text, text, text, bigint, bytea, text, text)', 'fieldstone_auth');

-- As before, for servers of the version before.
CREATE OR REPLACE FUNCTION app.start_session(tenant text, session_id text, person text, hash bytea, agent text, origin text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NOT app.start_session(tenant, session_id, person, NULL, hash, agent, origin) THEN
        RAISE EXCEPTION 'access has ended or changed' USING ERRCODE = 'FS001';
    END IF;
END
$$;

-- Puts a session with a secret of its own in the place of a living one: same person, same end, proven now. With `alone`, the
-- person's other sessions end. False when the old one has ended.
CREATE OR REPLACE FUNCTION app.rotate_session(tenant text, old_id text, new_id text, hash bytea, alone boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    old app.session;
BEGIN
    IF NOT coalesce(app.hold_person(tenant, (SELECT s.user_id FROM app.session s WHERE s.tenant_id = tenant AND s.id = old_id), NULL), false) THEN
        RETURN false;
    END IF;
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

-- Takes a step or a recovery code for a sign-in that awaits one, and starts the session. NULL when it awaits none any more, false when
-- the code is not good; the fifth such ends it.
CREATE OR REPLACE FUNCTION app.finish_second_step(hash bytea, step bigint, code_hash bytea, session_id text, session_hash bytea, agent text, origin text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    mine record;
BEGIN
    PERFORM app.hold_person(p.tenant_id, p.user_id, p.member_version) FROM app.second_step p WHERE p.token_hash = hash;
    PERFORM FROM app.second_step p WHERE p.token_hash = hash FOR UPDATE;
    SELECT * INTO mine FROM app.find_second_step(hash);
    IF mine.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF (step IS NOT NULL AND app.take_totp_step(mine.tenant_id, mine.user_id, step))
        OR (code_hash IS NOT NULL AND app.take_recovery_code(mine.tenant_id, mine.user_id, code_hash))
    THEN
        UPDATE app.second_step p SET ended_at = transaction_timestamp() WHERE p.tenant_id = mine.tenant_id AND p.id = mine.id;
        RETURN app.start_session(mine.tenant_id, session_id, mine.user_id, NULL, session_hash, agent, origin);
    END IF;
    UPDATE app.second_step p SET wrong = p.wrong + 1 WHERE p.tenant_id = mine.tenant_id AND p.id = mine.id;
    PERFORM app.add_auth_event(mine.tenant_id, mine.user_id, 'code.refuse', jsonb_build_object('address', left(origin, 64)));
    RETURN false;
END
$$;

-- As in V006, but people first, then their sessions, then the workspace.
CREATE OR REPLACE FUNCTION app.set_sign_in_policy(idle integer, absolute integer, totp boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins set how people sign in' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF totp AND app.must_enrol(app.tenant_id(), app.user_id(), true) THEN
        RAISE EXCEPTION 'whoever asks for a second factor has one' USING ERRCODE = 'FS005';
    END IF;
    IF totp IS DISTINCT FROM (SELECT w.totp_required FROM app.workspace w WHERE w.tenant_id = app.tenant_id()) THEN
        UPDATE app."user" u SET member_version = u.member_version + 1
            WHERE u.tenant_id = app.tenant_id() AND app.must_enrol(u.tenant_id, u.id, true);
    END IF;
    UPDATE app.session s SET idle_expires_at = least(s.idle_expires_at, s.last_seen_at + make_interval(mins => idle)),
            absolute_expires_at = least(s.absolute_expires_at, s.created_at + make_interval(mins => absolute))
        WHERE s.tenant_id = app.tenant_id() AND s.ended_at IS NULL;
    UPDATE app.workspace w SET idle_minutes = idle, absolute_minutes = absolute, totp_required = totp,
            updated_at = transaction_timestamp(), version = w.version + 1
        WHERE w.tenant_id = app.tenant_id();
    PERFORM app.add_auth_event(app.tenant_id(), app.user_id(), 'sign_in_policy.update',
        jsonb_build_object('idle_minutes', idle, 'absolute_minutes', absolute, 'totp_required', totp));
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- A new password, and what ends with the old one.

-- Ends every living sign-in of applications for somebody. For functions of this schema only.
CREATE FUNCTION app.stop_grants_of(tenant text, person text, why text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.stop_grant(g.tenant_id, g.id, person, 'grant.end', jsonb_build_object('by', why))
        FROM (SELECT o.tenant_id, o.id FROM app.oauth_grant o
            WHERE o.tenant_id = tenant AND o.user_id = person AND o.ended_at IS NULL ORDER BY o.id) g;
END
$$;
SELECT app.serve('app.stop_grants_of(text, text, text)', 'fieldstone_owner');

-- Ends every living API token of somebody. For functions of this schema only.
CREATE FUNCTION app.end_api_tokens_of(tenant text, person text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended record;
BEGIN
    FOR ended IN UPDATE app.api_token t SET ended_at = transaction_timestamp()
        WHERE t.tenant_id = tenant AND t.user_id = person AND t.ended_at IS NULL RETURNING t.id, t.name LOOP
        PERFORM app.add_event(tenant, 'api_token.end', person, person, jsonb_build_object('token', ended.id, 'name', ended.name));
    END LOOP;
END
$$;
SELECT app.serve('app.end_api_tokens_of(text, text)', 'fieldstone_owner');

-- As in V007, and the sign-ins of applications and devices end.
CREATE OR REPLACE FUNCTION app.user_secret_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.end_mail_links(NEW.tenant_id, 'password_reset', NEW.user_id);
    PERFORM app.end_email_changes(NEW.tenant_id, NEW.user_id);
    PERFORM app.stop_grants_of(NEW.tenant_id, NEW.user_id, 'password');
    UPDATE app.setup_link l SET used_at = transaction_timestamp()
        WHERE l.tenant_id = NEW.tenant_id AND l.user_id = NEW.user_id AND l.used_at IS NULL;
    IF OLD.password_phc IS NOT NULL THEN
        PERFORM app.queue_letter(NEW.tenant_id, NEW.user_id, '{"kind": "password_changed"}');
    END IF;
    RETURN NULL;
END
$$;

-- As in V002, but the person first.
CREATE OR REPLACE FUNCTION app.set_password(tenant text, person text, phc text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = tenant AND u.id = person;
    UPDATE app.session s SET ended_at = transaction_timestamp()
        WHERE s.tenant_id = tenant AND s.user_id = person AND s.ended_at IS NULL;
    UPDATE app.user_secret s SET password_phc = phc, changed_at = transaction_timestamp()
        WHERE s.tenant_id = tenant AND s.user_id = person;
    PERFORM app.add_auth_event(tenant, person, 'password.set', '{}');
END
$$;

-- A person's own new password: every session ends, and one takes the place of the one it was changed in; with `tokens`, their API tokens
-- end too. False when that session has ended, or when the password is not the one that was checked any more.
CREATE FUNCTION app.change_password(tenant text, person text, old_phc text, new_phc text, old_session text, new_session text, hash bytea, tokens boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM FROM app."user" u WHERE u.tenant_id = tenant AND u.id = person FOR NO KEY UPDATE;
    PERFORM FROM app.user_secret s WHERE s.tenant_id = tenant AND s.user_id = person AND s.password_phc = old_phc FOR UPDATE;
    IF NOT FOUND OR NOT app.rotate_session(tenant, old_session, new_session, hash, true) THEN
        RETURN false;
    END IF;
    UPDATE app.user_secret s SET password_phc = new_phc, changed_at = transaction_timestamp()
        WHERE s.tenant_id = tenant AND s.user_id = person;
    IF tokens THEN
        PERFORM app.end_api_tokens_of(tenant, person);
    END IF;
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = tenant AND u.id = person;
    PERFORM app.add_auth_event(tenant, person, 'password.set', '{}');
    RETURN true;
END
$$;
SELECT app.serve('app.change_password(text, text, text, text, text, text, bytea, boolean)', 'fieldstone_auth');

-- As before, for servers of the version before.
CREATE OR REPLACE FUNCTION app.change_password(tenant text, person text, old_phc text, new_phc text, old_session text, new_session text, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN app.change_password(tenant, person, old_phc, new_phc, old_session, new_session, hash, false);
END
$$;

-- Sets the password of whoever a letter was written to, once; with `tokens`, their API tokens end too. Nobody is signed in by it: that
-- takes the second factor of those who have one.
CREATE FUNCTION app.redeem_password_reset(hash bytea, phc text, tokens boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    person record;
BEGIN
    SELECT f.tenant_id, f.user_id INTO person FROM app.find_password_reset(hash) f;
    IF person.user_id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM FROM app."user" u WHERE u.tenant_id = person.tenant_id AND u.id = person.user_id FOR NO KEY UPDATE;
    -- The one who ends the link is the one who uses it.
    UPDATE app.mail_link m SET ended_at = transaction_timestamp() WHERE m.token_hash = hash AND m.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.add_event(person.tenant_id, 'password.reset', person.user_id, person.user_id, '{}');
    PERFORM app.set_password(person.tenant_id, person.user_id, phc);
    IF tokens THEN
        PERFORM app.end_api_tokens_of(person.tenant_id, person.user_id);
    END IF;
    RETURN true;
END
$$;
SELECT app.serve('app.redeem_password_reset(bytea, text, boolean)', 'fieldstone_auth');

-- As before, for servers of the version before.
CREATE OR REPLACE FUNCTION app.redeem_password_reset(hash bytea, phc text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN app.redeem_password_reset(hash, phc, false);
END
$$;

-- As in V008, but the session that agreed is held until the sign-in has begun: whatever ends the one then finds the other.
DO $migration$
DECLARE
    signature constant regprocedure := 'app.redeem_code(bytea, text, text, text, text, text, text, text, bytea, text, bytea)'::regprocedure;
    body text := pg_get_functiondef(signature);
    old constant text := 'AND u.active AND u.deleted_at IS NULL)';
    new constant text := 'AND u.active AND u.deleted_at IS NULL FOR SHARE OF s)';
BEGIN
    IF length(replace(body, old, '')) <> length(body) - length(old) THEN
        RAISE EXCEPTION 'app.redeem_code() is not what this migration knows';
    END IF;
    EXECUTE replace(body, old, new);
END
$migration$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Whoever's second factor changes is told.

CREATE OR REPLACE FUNCTION app.confirm_totp(tenant text, person text, sealed bytea, step bigint, hashes bytea[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM FROM app."user" u WHERE u.tenant_id = tenant AND u.id = person FOR NO KEY UPDATE;
    UPDATE app.totp t SET confirmed_at = transaction_timestamp(), last_step = step
        WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NULL AND t.seed = sealed;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.replace_recovery_codes(tenant, person, hashes);
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = tenant AND u.id = person;
    PERFORM app.queue_letter(tenant, person, '{"kind": "second_factor_added"}');
    PERFORM app.add_auth_event(tenant, person, 'totp.enrol', '{}');
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION app.remove_totp(tenant text, person text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM FROM app."user" u WHERE u.tenant_id = tenant AND u.id = person FOR NO KEY UPDATE;
    DELETE FROM app.totp t WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NOT NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM app.recovery_code c WHERE c.tenant_id = tenant AND c.user_id = person;
    UPDATE app."user" u SET member_version = u.member_version + 1 WHERE u.tenant_id = tenant AND u.id = person;
    PERFORM app.queue_letter(tenant, person, '{"kind": "second_factor_removed"}');
    PERFORM app.add_auth_event(tenant, person, 'totp.remove', '{}');
    RETURN true;
END
$$;

-- Takes the lost second factor from somebody else, who is not above the caller: their sessions end. False when they have none.
CREATE OR REPLACE FUNCTION app.reset_totp(person text) RETURNS boolean
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
    PERFORM app.queue_letter(app.tenant_id(), person, jsonb_build_object('kind', 'second_factor_reset', 'by',
        coalesce((SELECT u.name FROM app."user" u WHERE u.tenant_id = app.tenant_id() AND u.id = app.user_id()), '')));
    PERFORM app.add_auth_event(app.tenant_id(), person, 'totp.reset', '{}');
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION app.take_recovery_code(tenant text, person text, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.recovery_code c SET used_at = transaction_timestamp()
        WHERE c.tenant_id = tenant AND c.user_id = person AND c.code_hash = hash AND c.used_at IS NULL
        AND EXISTS (SELECT FROM app.totp t WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NOT NULL);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.queue_letter(tenant, person, jsonb_build_object('kind', 'recovery_code_used', 'left',
        (SELECT count(*) FROM app.recovery_code c WHERE c.tenant_id = tenant AND c.user_id = person AND c.used_at IS NULL)));
    PERFORM app.add_auth_event(tenant, person, 'recovery_code.use', '{}');
    RETURN true;
END
$$;

-- What those who manage people see of each beside the person's row: when they were last seen, and whether they have a second factor.
CREATE FUNCTION app.members_guarded() RETURNS TABLE (user_id text, last_seen_at timestamptz, two_step boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.check_manager('viewer');
    RETURN QUERY SELECT u.id, s.seen, t.user_id IS NOT NULL
        FROM app."user" u
        LEFT JOIN (SELECT o.user_id AS person, max(o.last_seen_at) AS seen FROM app.session o WHERE o.tenant_id = app.tenant_id() GROUP BY o.user_id) s ON s.person = u.id
        LEFT JOIN app.totp t ON t.tenant_id = u.tenant_id AND t.user_id = u.id AND t.confirmed_at IS NOT NULL
        WHERE u.tenant_id = app.tenant_id();
END
$$;
SELECT app.serve('app.members_guarded()', 'fieldstone_app', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- What is taken, as in V009, but one look-up for each key. The planner takes every tenant for one of average size, and would rather read all
-- of a large one than look some hundred keys up; OFFSET 0 leaves it no choice. The tenant is asked once. The line of notes stays as it was:
-- later migrations know it.

CREATE OR REPLACE FUNCTION app.taken_ids(wanted text[]) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    WITH me AS MATERIALIZED (SELECT app.tenant_id() AS tenant_id)
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.account r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, '001') UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.contact r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, '003') UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.deal r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, '006') UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.lead r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, '00Q') UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.task r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, '00T') UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.event r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, '00U') UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.call r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, 'fC0') UNION ALL
    SELECT t.id FROM app.note t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app."case" r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, '500') UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.deal_line r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, '00k') UNION ALL
    SELECT t.id FROM me, unnest(wanted) AS u (id), LATERAL (SELECT r.id FROM app.custom_record r WHERE r.tenant_id = me.tenant_id AND r.id = u.id OFFSET 0) t WHERE starts_with(u.id, 'a')
$$;

CREATE OR REPLACE FUNCTION app.taken_external_ids(of_object text, wanted text[]) RETURNS TABLE (id text, key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    WITH me AS MATERIALIZED (SELECT app.tenant_id() AS tenant_id)
    SELECT t.id, t.external_id_key FROM me, unnest(wanted) AS u (key), LATERAL (SELECT r.id, r.external_id_key FROM app.account r WHERE r.tenant_id = me.tenant_id AND r.external_id_key = u.key AND r.deleted_at IS NULL OFFSET 0) t WHERE of_object = 'account' UNION ALL
    SELECT t.id, t.external_id_key FROM me, unnest(wanted) AS u (key), LATERAL (SELECT r.id, r.external_id_key FROM app.contact r WHERE r.tenant_id = me.tenant_id AND r.external_id_key = u.key AND r.deleted_at IS NULL OFFSET 0) t WHERE of_object = 'contact' UNION ALL
    SELECT t.id, t.external_id_key FROM me, unnest(wanted) AS u (key), LATERAL (SELECT r.id, r.external_id_key FROM app.deal r WHERE r.tenant_id = me.tenant_id AND r.external_id_key = u.key AND r.deleted_at IS NULL OFFSET 0) t WHERE of_object = 'deal' UNION ALL
    SELECT t.id, t.external_id_key FROM me, unnest(wanted) AS u (key), LATERAL (SELECT r.id, r.external_id_key FROM app.lead r WHERE r.tenant_id = me.tenant_id AND r.external_id_key = u.key AND r.deleted_at IS NULL OFFSET 0) t WHERE of_object = 'lead' UNION ALL
    SELECT t.id, t.external_id_key FROM me, unnest(wanted) AS u (key), LATERAL (SELECT r.id, r.external_id_key FROM app."case" r WHERE r.tenant_id = me.tenant_id AND r.external_id_key = u.key AND r.deleted_at IS NULL OFFSET 0) t WHERE of_object = 'case' UNION ALL
    SELECT t.id, t.external_id_key FROM me, unnest(wanted) AS u (key), LATERAL (SELECT r.id, r.external_id_key FROM app.deal_line r WHERE r.tenant_id = me.tenant_id AND r.external_id_key = u.key AND r.deleted_at IS NULL OFFSET 0) t WHERE of_object = 'deal_line' UNION ALL
    SELECT t.id, t.external_id_key FROM me, unnest(wanted) AS u (key), LATERAL (SELECT r.id, r.external_id_key FROM app.custom_record r WHERE r.tenant_id = me.tenant_id AND r.object = of_object AND r.external_id_key = u.key AND r.deleted_at IS NULL OFFSET 0) t
$$;
