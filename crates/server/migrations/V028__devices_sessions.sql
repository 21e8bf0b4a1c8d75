-- What ends with a device, and whose turn it is to import.

-- The session that takes another's place takes it for the device too, so that it ends with the device.
DO $migration$
DECLARE
    body text := pg_get_functiondef('app.rotate_session(text, text, text, bytea, boolean)'::regprocedure);
    old constant text := E'    RETURN true;\nEND';
    new constant text := E'    UPDATE app.sync_device d SET credential = new_id\n        WHERE d.tenant_id = tenant AND d.user_id = old.user_id AND d.credential = old_id;\n    RETURN true;\nEND';
BEGIN
    IF length(replace(body, old, '')) <> length(body) - length(old) THEN
        RAISE EXCEPTION 'app.rotate_session() is not what this migration knows';
    END IF;
    EXECUTE replace(body, old, new);
END
$migration$;
CREATE INDEX sync_device_credential ON app.sync_device (tenant_id, credential);
SELECT app.permit_lookup('app.sync_device', 'SELECT, UPDATE (revoked_at, credential)');

-- One import of a workspace at a time, so that one with many large files doesn't keep the others waiting; and taking an import back, which
-- somebody regrets by now, comes before the next one.
CREATE OR REPLACE FUNCTION app.claim_import(lease integer)
RETURNS TABLE (kind text, tenant_id text, id text, user_id text, role text, member_version bigint, claims integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    found record;
BEGIN
    UPDATE app.import_undo u SET state = 'running', claims = u.claims + 1, claimed_until = transaction_timestamp() + make_interval(secs => lease)
        WHERE (u.tenant_id, u.run_id) = (
            SELECT w.tenant_id, w.run_id FROM app.import_undo w
            WHERE w.state IN ('queued', 'running') AND (w.claimed_until IS NULL OR w.claimed_until <= transaction_timestamp())
            AND NOT EXISTS (SELECT FROM app.import_undo r WHERE r.tenant_id = w.tenant_id AND r.state = 'running' AND r.claimed_until > transaction_timestamp())
            ORDER BY w.began_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING u.tenant_id, u.run_id, u.by_id, u.claims INTO found;
    IF found.run_id IS NOT NULL THEN
        RETURN QUERY SELECT 'undo', found.tenant_id, found.run_id, p.id, p.role, p.member_version, found.claims
            FROM app."user" p WHERE p.tenant_id = found.tenant_id AND p.id = found.by_id;
        RETURN;
    END IF;
    UPDATE app.import_upload u SET state = 'running', claims = u.claims + 1, claimed_until = transaction_timestamp() + make_interval(secs => lease)
        WHERE (u.tenant_id, u.user_id, u.id) = (
            SELECT w.tenant_id, w.user_id, w.id FROM app.import_upload w
            WHERE w.state IN ('queued', 'running') AND (w.claimed_until IS NULL OR w.claimed_until <= transaction_timestamp())
            AND NOT EXISTS (SELECT FROM app.import_upload r WHERE r.tenant_id = w.tenant_id AND r.state = 'running' AND r.claimed_until > transaction_timestamp())
            ORDER BY w.created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING u.tenant_id, u.id, u.user_id, u.claims INTO found;
    IF found.id IS NOT NULL THEN
        RETURN QUERY SELECT 'import', found.tenant_id, found.id, p.id, p.role, p.member_version, found.claims
            FROM app."user" p WHERE p.tenant_id = found.tenant_id AND p.id = found.user_id;
    END IF;
END
$$;
