-- Whoever abandons an import says under which claim: another server may have gone on with it meanwhile. And what is left in the object store of
-- something that is gone waits an hour before it is removed: a server that is slow may still be putting a part there.

-- Ends what its person may not do any more, and closes the journal of it: it can't be done in their name, and in nobody else's. Nothing
-- happens when it isn't this claim's any more.
CREATE FUNCTION app.abandon_import(kind text, tenant text, what text, reason text, claim integer) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended record;
BEGIN
    IF kind = 'import' THEN
        UPDATE app.import_upload u SET state = 'ended', outcome = 'stopped', problem = left(reason, 2000), ended_at = transaction_timestamp()
            WHERE u.tenant_id = tenant AND u.id = what AND u.state = 'running' AND u.claims = claim RETURNING u.run_id, u.progress INTO ended;
        UPDATE app.import_run r SET ended_at = transaction_timestamp(), outcome = 'stopped',
                created = coalesce((ended.progress ->> 'created')::bigint, 0), updated = coalesce((ended.progress ->> 'updated')::bigint, 0),
                skipped = coalesce((ended.progress ->> 'skipped')::bigint, 0), failed = coalesce((ended.progress ->> 'failed')::bigint, 0)
            WHERE r.tenant_id = tenant AND r.id = ended.run_id AND r.ended_at IS NULL;
    ELSE
        UPDATE app.import_undo u SET state = 'ended', problem = left(reason, 2000), ended_at = transaction_timestamp()
            WHERE u.tenant_id = tenant AND u.run_id = what AND u.state = 'running' AND u.claims = claim;
    END IF;
END
$$;
SELECT app.serve('app.abandon_import(text, text, text, text, integer)', 'fieldstone_worker');

CREATE OR REPLACE FUNCTION app.orphaned_contents(days integer, most integer) RETURNS TABLE (tenant_id text, id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.content c WHERE c.ready_at IS NULL AND c.created_at < now() - make_interval(days => days);
    RETURN QUERY SELECT o.tenant_id, o.id FROM app.content_orphan o WHERE o.since < now() - interval '1 hour' ORDER BY o.since LIMIT most;
END
$$;
