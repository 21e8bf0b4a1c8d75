-- Erasing what is known of somebody, at once and for good; and files that a restore can still find.

-- Removes deleted records with their history, search words and what devices know of them, as purging does, without waiting. Answers how many.
CREATE FUNCTION app.erase_records(ids text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    tenant constant text := app.tenant_id();
    target text;
    gone   text[];
    mark   xid8;
    erased bigint := 0;
BEGIN
    IF app.role_rank(app.role()) IS NULL OR app.role_rank(app.role()) < 3 THEN
        RAISE EXCEPTION 'only who manages people erases what is known of them' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOREACH target IN ARRAY ARRAY['attachment', 'deal_line', 'task', 'event', 'call', 'note', 'case', 'deal', 'lead', 'contact', 'account', 'custom_record'] LOOP
        EXECUTE format('WITH gone AS (DELETE FROM app.%1$I t WHERE t.tenant_id = $1 AND t.id = ANY ($2) AND t.deleted_at IS NOT NULL RETURNING t.id, t.changed_xid)
            SELECT array_agg(g.id), max(g.changed_xid) FROM gone g', target) INTO gone, mark USING tenant, ids;
        CONTINUE WHEN gone IS NULL;
        INSERT INTO app.sync_purge AS p (tenant_id, purged_xid) VALUES (tenant, mark)
            ON CONFLICT (tenant_id) DO UPDATE SET purged_xid = greatest(p.purged_xid, excluded.purged_xid);
        DELETE FROM app.search_token s WHERE s.tenant_id = tenant AND s.record_id = ANY (gone);
        DELETE FROM app.field_value v WHERE v.tenant_id = tenant AND v.record_id = ANY (gone);
        DELETE FROM app.history h WHERE h.tenant_id = tenant AND h.record_id = ANY (gone);
        UPDATE app.sync_conflict c SET deleted_at = transaction_timestamp(), resolution = 'theirs', fields = '[]', version = c.version + 1
            WHERE c.tenant_id = tenant AND c.record_id = ANY (gone) AND c.deleted_at IS NULL;
        UPDATE app.sync_conflict c SET fields = '[]' WHERE c.tenant_id = tenant AND c.record_id = ANY (gone) AND c.fields <> '[]';
        erased := erased + cardinality(gone);
    END LOOP;
    RETURN erased;
END
$$;
SELECT app.serve('app.erase_records(text[])', 'fieldstone_app');
GRANT SELECT (deleted_at, changed_xid), DELETE ON app.attachment TO fieldstone_lookup;
