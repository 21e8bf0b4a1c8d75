-- Those who write at the same time count apart, and nobody makes keys beside what is sealed already.
--
-- A workspace's use was counted in sixteen parts, chosen by the backend: two backends of one part waited for each other's whole
-- transaction, and could wait in a circle with other rows. From here on whoever writes takes any part that nobody holds, and makes another
-- one when all are held: nobody ever waits for a part. There are as many parts as there were writers of one workspace at once.

ALTER TABLE app.workspace_use DROP CONSTRAINT workspace_use_part_check;
ALTER TABLE app.workspace_use ALTER COLUMN part TYPE integer;

CREATE OR REPLACE FUNCTION app.note_use(of_tenant text, more_records bigint, more_bytes bigint, may_pass boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    free integer;
    most app.workspace_quota;
    has_records bigint;
    has_bytes bigint;
BEGIN
    -- One's own part of an earlier statement isn't locked for oneself.
    SELECT u.part INTO free FROM app.workspace_use u WHERE u.tenant_id = of_tenant ORDER BY u.part LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF free IS NOT NULL THEN
        UPDATE app.workspace_use u SET records = u.records + more_records, bytes = u.bytes + more_bytes WHERE u.tenant_id = of_tenant AND u.part = free;
    ELSE
        -- By chance, so that two who find none don't meet. A workspace that is being removed is gone by now, and took its rows here along.
        INSERT INTO app.workspace_use AS u (tenant_id, part, records, bytes)
            SELECT w.tenant_id, floor(random() * 2147483647)::integer, more_records, more_bytes FROM app.workspace w WHERE w.tenant_id = of_tenant
            ON CONFLICT (tenant_id, part) DO UPDATE SET records = u.records + excluded.records, bytes = u.bytes + excluded.bytes;
    END IF;
    IF may_pass OR (more_records <= 0 AND more_bytes <= 0) THEN
        RETURN;
    END IF;
    SELECT * INTO most FROM app.workspace_quota q WHERE q.tenant_id = of_tenant;
    IF most.tenant_id IS NULL THEN
        RETURN;
    END IF;
    SELECT sum(u.records), sum(u.bytes) INTO has_records, has_bytes FROM app.workspace_use u WHERE u.tenant_id = of_tenant;
    IF (more_records > 0 AND has_records > most.records) OR (more_bytes > 0 AND has_bytes > most.bytes) THEN
        RAISE EXCEPTION 'the workspace is full' USING ERRCODE = 'FS013';
    END IF;
END
$$;

-- Whether anything of a workspace is sealed: then it has keys somewhere, and others are never made for it.
SELECT app.permit_lookup('app.content_part', 'SELECT (tenant_id)');
CREATE FUNCTION app.has_sealed(of_tenant text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (SELECT FROM app.totp s WHERE s.tenant_id = of_tenant AND s.seed IS NOT NULL)
        OR EXISTS (SELECT FROM app.workspace_key s WHERE s.tenant_id = of_tenant AND s.private_key IS NOT NULL)
        OR EXISTS (SELECT FROM app.sync_sealed s WHERE s.tenant_id = of_tenant AND s.content IS NOT NULL)
        OR EXISTS (SELECT FROM app.sync_standing s WHERE s.tenant_id = of_tenant AND s.wipe_receipt IS NOT NULL)
        OR EXISTS (SELECT FROM app.webhook s WHERE s.tenant_id = of_tenant AND s.sealed IS NOT NULL)
        OR EXISTS (SELECT FROM app.content_part s WHERE s.tenant_id = of_tenant)
$$;
SELECT app.serve('app.has_sealed(text)', 'fieldstone_auth');
