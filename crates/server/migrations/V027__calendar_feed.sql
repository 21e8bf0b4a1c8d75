-- Calendars outside: an address for each person, with a secret in it, under which programs read what the person has to do.
--
--   calendar_feed  the hash of the secret of each address; look-up functions only

CREATE TABLE app.calendar_feed (
    tenant_id   text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    secret_hash bytea NOT NULL CONSTRAINT calendar_feed_lookup UNIQUE CHECK (length(secret_hash) = 32),
    made_at     timestamptz NOT NULL,
    read_at     timestamptz,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.calendar_feed', 'private');
SELECT app.permit_lookup('app.calendar_feed', 'SELECT, INSERT, UPDATE, DELETE');

-- Gives whoever asks an address of their own, in place of the one before.
CREATE FUNCTION app.set_calendar_feed(hash bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    INSERT INTO app.calendar_feed AS f (tenant_id, user_id, secret_hash, made_at)
        SELECT app.tenant_id(), app.user_id(), hash, transaction_timestamp()
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET secret_hash = excluded.secret_hash, made_at = excluded.made_at, read_at = NULL
$$;
SELECT app.serve('app.set_calendar_feed(bytea)', 'fieldstone_app');

-- Ends it; false when there is none.
CREATE FUNCTION app.end_calendar_feed() RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    WITH ended AS (DELETE FROM app.calendar_feed f WHERE f.tenant_id = app.tenant_id() AND f.user_id = app.user_id() RETURNING f.user_id)
    SELECT EXISTS (SELECT FROM ended)
$$;
SELECT app.serve('app.end_calendar_feed()', 'fieldstone_app');

-- When whoever asks got their address, and when it was last read.
CREATE FUNCTION app.own_calendar_feed() RETURNS TABLE (made_at timestamptz, read_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT f.made_at, f.read_at FROM app.calendar_feed f WHERE f.tenant_id = app.tenant_id() AND f.user_id = app.user_id()
$$;
SELECT app.serve('app.own_calendar_feed()', 'fieldstone_app');

-- Whose address it is, with the rights they have now; nobody's once they are switched off.
CREATE FUNCTION app.find_calendar_feed(wanted_hash bytea)
RETURNS TABLE (tenant_id text, user_id text, role text, member_version bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.calendar_feed f SET read_at = transaction_timestamp()
        WHERE f.secret_hash = wanted_hash AND (f.read_at IS NULL OR f.read_at < transaction_timestamp() - interval '1 minute');
    RETURN QUERY SELECT u.tenant_id, u.id, u.role, u.member_version
        FROM app.calendar_feed f JOIN app."user" u ON u.tenant_id = f.tenant_id AND u.id = f.user_id
        WHERE f.secret_hash = wanted_hash AND u.active AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.find_calendar_feed(bytea)', 'fieldstone_auth');
