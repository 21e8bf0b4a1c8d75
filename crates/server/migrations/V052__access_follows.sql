-- What has to end when what it rests on changes: calendar addresses with the password and the second factor, the session that a browser had
-- before, what people have allowed an application with its addresses, and an application's grants with its scopes.

-- ---------------------------------------------------------------------------------------------------------------------
-- Calendar addresses. They are secrets like tokens: gone with a new password, with the second factor, and with access, for good.

CREATE FUNCTION app.calendar_feed_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    changed constant jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
BEGIN
    DELETE FROM app.calendar_feed f WHERE f.tenant_id = changed ->> 'tenant_id'
        AND f.user_id = CASE TG_TABLE_NAME WHEN 'user' THEN changed ->> 'id' ELSE changed ->> 'user_id' END;
    RETURN NULL;
END
$$;
SELECT app.serve('app.calendar_feed_follow()', 'fieldstone_owner');
CREATE TRIGGER calendar_feed_follow AFTER UPDATE OF changed_at ON app.user_secret FOR EACH ROW
    WHEN (NEW.changed_at IS DISTINCT FROM OLD.changed_at) EXECUTE FUNCTION app.calendar_feed_follow();
CREATE TRIGGER calendar_feed_follow AFTER DELETE ON app.totp FOR EACH ROW
    WHEN (OLD.confirmed_at IS NOT NULL) EXECUTE FUNCTION app.calendar_feed_follow();
CREATE TRIGGER calendar_feed_follow AFTER UPDATE OF active, deleted_at ON app."user" FOR EACH ROW
    WHEN (NOT NEW.active OR NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION app.calendar_feed_follow();

-- As in V027. Nobody's, too, while a second factor is asked for that isn't there, and when nothing has read it for ninety days.
CREATE OR REPLACE FUNCTION app.find_calendar_feed(wanted_hash bytea)
RETURNS TABLE (tenant_id text, user_id text, role text, member_version bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.calendar_feed f
        WHERE f.secret_hash = wanted_hash AND coalesce(f.read_at, f.made_at) < transaction_timestamp() - interval '90 days';
    UPDATE app.calendar_feed f SET read_at = transaction_timestamp()
        WHERE f.secret_hash = wanted_hash AND (f.read_at IS NULL OR f.read_at < transaction_timestamp() - interval '1 minute');
    RETURN QUERY SELECT u.tenant_id, u.id, u.role, u.member_version
        FROM app.calendar_feed f JOIN app."user" u ON u.tenant_id = f.tenant_id AND u.id = f.user_id
        WHERE f.secret_hash = wanted_hash AND u.active AND u.deleted_at IS NULL AND NOT app.must_enrol(u.tenant_id, u.id, false);
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Sessions.

-- Ends the session that a browser had before it signed in anew.
CREATE FUNCTION app.end_replaced_session(hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    found record;
BEGIN
    SELECT s.tenant_id, s.id INTO found FROM app.session s WHERE s.token_hash = hash AND s.ended_at IS NULL;
    RETURN found.id IS NOT NULL AND app.end_session(found.tenant_id, found.id);
END
$$;
SELECT app.serve('app.end_replaced_session(bytea)', 'fieldstone_auth');

-- ---------------------------------------------------------------------------------------------------------------------
-- Recovery codes. Their owner hears of new ones, and the session that asked for them still has to be one.

CREATE FUNCTION app.renew_recovery_codes(tenant text, person text, session_id text, hashes bytea[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM FROM app."user" u WHERE u.tenant_id = tenant AND u.id = person AND u.active AND u.deleted_at IS NULL FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM app.totp t WHERE t.tenant_id = tenant AND t.user_id = person AND t.confirmed_at IS NOT NULL)
        OR NOT EXISTS (SELECT FROM app.session s WHERE s.tenant_id = tenant AND s.id = session_id AND s.user_id = person AND s.ended_at IS NULL)
    THEN
        RETURN false;
    END IF;
    PERFORM app.replace_recovery_codes(tenant, person, hashes);
    PERFORM app.queue_letter(tenant, person, '{"kind": "recovery_codes_made"}');
    RETURN true;
END
$$;
SELECT app.serve('app.renew_recovery_codes(text, text, text, bytea[])', 'fieldstone_auth');

-- ---------------------------------------------------------------------------------------------------------------------
-- Applications.

-- Other addresses are another place that codes go to: everybody is asked anew. Fewer scopes end the grants that have more.
CREATE FUNCTION app.oauth_client_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NEW.redirect_uris IS DISTINCT FROM OLD.redirect_uris OR NOT OLD.scopes <@ NEW.scopes THEN
        DELETE FROM app.oauth_consent c WHERE c.tenant_id = NEW.tenant_id AND c.client = NEW.id;
        DELETE FROM app.oauth_code c WHERE c.tenant_id = NEW.tenant_id AND c.client = NEW.id AND c.used_at IS NULL;
    END IF;
    IF NOT OLD.scopes <@ NEW.scopes THEN
        PERFORM app.stop_grant(g.tenant_id, g.id, app.user_id(), 'grant.end', '{"by": "scopes"}')
            FROM (SELECT o.tenant_id, o.id FROM app.oauth_grant o
                WHERE o.tenant_id = NEW.tenant_id AND o.client = NEW.id AND o.ended_at IS NULL AND NOT o.scopes <@ NEW.scopes ORDER BY o.id) g;
    END IF;
    RETURN NULL;
END
$$;
SELECT app.serve('app.oauth_client_changed()', 'fieldstone_owner');
CREATE TRIGGER changed AFTER UPDATE OF redirect_uris, scopes ON app.oauth_client FOR EACH ROW EXECUTE FUNCTION app.oauth_client_changed();
