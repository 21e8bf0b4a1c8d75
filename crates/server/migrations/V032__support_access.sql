-- Access for whoever helps: given by an owner, for a time, to an operator who is named.
--
--   support_access  one row per access that was given. Its person is a "user" of the kind 'support': they have no password, come in by a
--                   one-time link that an operator makes on the installation, and app.enter() lets them in only while the access lasts,
--                   whatever they come with.

ALTER TABLE app."user" DROP CONSTRAINT user_kind_check;
ALTER TABLE app."user" ADD CONSTRAINT user_kind_check CHECK (kind IN ('person', 'service', 'support'));
GRANT INSERT (kind, visibility) ON app."user" TO fieldstone_lookup;

CREATE TABLE app.support_access (
    tenant_id       text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    id              text COLLATE "C" NOT NULL CHECK (id ~ '^0SA[0-9A-Za-z]{12}$'),
    user_id         text COLLATE "C" NOT NULL,
    operator        text NOT NULL CHECK (length(operator) BETWEEN 1 AND 100),
    email           text COLLATE "C" NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    reason          text NOT NULL CHECK (length(reason) <= 500),
    may_write       boolean NOT NULL,
    given_by        text COLLATE "C" NOT NULL,
    given_at        timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    ended_at        timestamptz,
    -- The owner who ended it; nobody when its time was over.
    ended_by        text COLLATE "C",
    entered         bigint NOT NULL DEFAULT 0,
    last_entered_at timestamptz,
    link_hash       bytea,
    link_ends_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.support_access', 'private');
SELECT app.permit_lookup('app.support_access', 'SELECT, INSERT, UPDATE (ended_at, ended_by, entered, last_entered_at, link_hash, link_ends_at)');

-- Whether the access of this person lasts.
CREATE FUNCTION app.support_lasts(tenant text, person text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (SELECT FROM app.support_access a WHERE a.tenant_id = tenant AND a.user_id = person
        AND a.ended_at IS NULL AND a.ends_at > transaction_timestamp())
$$;
SELECT app.serve('app.support_lasts(text, text)', 'fieldstone_owner');

DO $migration$
DECLARE
    body text := pg_get_functiondef('app.enter(text, text, bigint, bigint)'::regprocedure);
    old constant text := 'u.active AND u.deleted_at IS NULL AS active';
    new constant text := 'u.active AND u.deleted_at IS NULL AND CASE WHEN u.kind = ''support'' THEN app.support_lasts(u.tenant_id, u.id) ELSE true END AS active';
BEGIN
    IF length(replace(body, old, '')) <> length(body) - length(old) THEN
        RAISE EXCEPTION 'app.enter() is not what this migration knows';
    END IF;
    EXECUTE replace(body, old, new);
END
$migration$;

-- Nobody gives such a person a password, whatever way there may be.
CREATE FUNCTION app.refuse_support_password() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT FROM app."user" u WHERE u.tenant_id = NEW.tenant_id AND u.id = NEW.user_id AND u.kind = 'support') THEN
        RAISE EXCEPTION 'access for support has no password' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
SELECT app.serve('app.refuse_support_password()', 'fieldstone_owner');
CREATE TRIGGER no_support BEFORE UPDATE OF password_phc ON app.user_secret FOR EACH ROW
    WHEN (NEW.password_phc IS NOT NULL) EXECUTE FUNCTION app.refuse_support_password();
CREATE TRIGGER no_support BEFORE INSERT ON app.setup_link FOR EACH ROW EXECUTE FUNCTION app.refuse_support_password();

-- An owner gives access for some hours; answers when it ends.
CREATE FUNCTION app.give_support_access(access_id text, person_id text, who text, who_key text, address text, why text, hours integer, write boolean)
RETURNS timestamptz LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    until constant timestamptz := transaction_timestamp() + make_interval(hours => hours);
BEGIN
    IF app.role() IS DISTINCT FROM 'owner' OR hours NOT BETWEEN 1 AND 72 THEN
        RAISE EXCEPTION 'only an owner gives access, and for three days at most' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app."user" (tenant_id, id, email, email_key, name, name_key, role, kind, visibility, locale, time_zone, created_at, updated_at)
        SELECT app.tenant_id(), person_id, lower(access_id) || '@support.invalid', lower(access_id) || '@support.invalid', who, who_key,
            CASE WHEN write THEN 'member' ELSE 'viewer' END, 'support', 'all', u.locale, u.time_zone, transaction_timestamp(), transaction_timestamp()
        FROM app."user" u WHERE u.tenant_id = app.tenant_id() AND u.id = app.user_id();
    INSERT INTO app.support_access (tenant_id, id, user_id, operator, email, reason, may_write, given_by, given_at, ends_at)
        VALUES (app.tenant_id(), access_id, person_id, who, address, why, write, app.user_id(), transaction_timestamp(), until);
    RETURN until;
END
$$;
SELECT app.serve('app.give_support_access(text, text, text, text, text, text, integer, boolean)', 'fieldstone_app');

-- The last accesses, for owners.
CREATE FUNCTION app.support_accesses() RETURNS TABLE (id text, operator text, email text, reason text, may_write boolean, given_by text, given_at timestamptz,
    ends_at timestamptz, ended_at timestamptz, ended_by text, entered bigint, last_entered_at timestamptz, lasts boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT a.id, a.operator, a.email, a.reason, a.may_write, g.name, a.given_at, a.ends_at, a.ended_at, e.name, a.entered, a.last_entered_at,
            a.ended_at IS NULL AND a.ends_at > transaction_timestamp()
        FROM app.support_access a
        LEFT JOIN app."user" g ON g.tenant_id = a.tenant_id AND g.id = a.given_by
        LEFT JOIN app."user" e ON e.tenant_id = a.tenant_id AND e.id = a.ended_by
        WHERE a.tenant_id = app.tenant_id() AND app.role() = 'owner' ORDER BY a.given_at DESC LIMIT 50
$$;
SELECT app.serve('app.support_accesses()', 'fieldstone_app');

-- An owner ends one at once; its id, or no row when none lasted.
CREATE FUNCTION app.end_support_access(access_id text) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    person text;
BEGIN
    IF app.role() IS DISTINCT FROM 'owner' THEN
        RAISE EXCEPTION 'only an owner ends access' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE app.support_access a SET ended_at = transaction_timestamp(), ended_by = app.user_id(), link_hash = NULL
        WHERE a.tenant_id = app.tenant_id() AND a.id = access_id AND a.ended_at IS NULL RETURNING a.user_id INTO person;
    IF person IS NULL THEN
        RETURN;
    END IF;
    UPDATE app."user" u SET active = false, updated_at = transaction_timestamp(), version = u.version + 1
        WHERE u.tenant_id = app.tenant_id() AND u.id = person;
    RETURN NEXT access_id;
END
$$;
SELECT app.serve('app.end_support_access(text)', 'fieldstone_app');

-- Notes the end of those whose time is over; they have let nobody in since then.
CREATE FUNCTION app.expire_support_accesses() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    access app.support_access;
    ended bigint := 0;
BEGIN
    FOR access IN SELECT * FROM app.support_access a WHERE a.ended_at IS NULL AND a.ends_at <= transaction_timestamp()
        FOR UPDATE SKIP LOCKED LOOP
        UPDATE app.support_access a SET ended_at = a.ends_at, link_hash = NULL WHERE a.tenant_id = access.tenant_id AND a.id = access.id;
        UPDATE app."user" u SET active = false, updated_at = transaction_timestamp(), version = u.version + 1
            WHERE u.tenant_id = access.tenant_id AND u.id = access.user_id;
        PERFORM app.add_event(access.tenant_id, 'support_access.end', '', access.id, jsonb_build_object('by', 'time', 'ended_at', access.ends_at));
        ended := ended + 1;
    END LOOP;
    RETURN ended;
END
$$;
SELECT app.serve('app.expire_support_accesses()', 'fieldstone_worker');

-- Whom a one-time link lets in; nobody when it is spent, too old, or the access has ended.
CREATE FUNCTION app.find_support_link(hash bytea) RETURNS TABLE (workspace text, operator text, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT w.name, a.operator, a.ends_at FROM app.support_access a JOIN app.workspace w ON w.tenant_id = a.tenant_id
        WHERE a.link_hash = hash AND a.link_ends_at > transaction_timestamp() AND app.support_lasts(a.tenant_id, a.user_id)
$$;
SELECT app.serve('app.find_support_link(bytea)', 'fieldstone_auth');

CREATE FUNCTION app.redeem_support_link(hash bytea) RETURNS TABLE (tenant_id text, user_id text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    access app.support_access;
BEGIN
    UPDATE app.support_access a SET link_hash = NULL, entered = a.entered + 1, last_entered_at = transaction_timestamp()
        WHERE a.link_hash = hash AND a.link_ends_at > transaction_timestamp() AND a.ended_at IS NULL AND a.ends_at > transaction_timestamp()
        RETURNING a.* INTO access;
    IF access.id IS NULL THEN
        RETURN;
    END IF;
    PERFORM app.add_event(access.tenant_id, 'support_access.use', access.user_id, access.id,
        jsonb_build_object('operator', access.operator, 'email', access.email));
    RETURN QUERY SELECT access.tenant_id, access.user_id;
END
$$;
SELECT app.serve('app.redeem_support_link(bytea)', 'fieldstone_auth');
