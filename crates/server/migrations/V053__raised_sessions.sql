-- Who may do more goes on under another secret: the one they had was made when less hung on it.

-- Puts a session with a secret of its own in the place of one whose person has been given more rights. It counts as proven long ago, so
-- that what weighs much asks for a proof. False when the old one has ended, or has been renewed already.
CREATE FUNCTION app.renew_raised_session(tenant text, old_id text, new_id text, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM FROM app.session s WHERE s.tenant_id = tenant AND s.id = old_id AND s.proved_at = '-infinity';
    IF NOT FOUND OR NOT app.rotate_session(tenant, old_id, new_id, hash, false) THEN
        RETURN false;
    END IF;
    UPDATE app.session s SET proved_at = 'epoch' WHERE s.tenant_id = tenant AND s.id = new_id;
    RETURN true;
END
$$;
SELECT app.serve('app.renew_raised_session(text, text, text, bytea)', 'fieldstone_auth');
