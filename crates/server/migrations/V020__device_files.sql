-- Files like other records: one that is given to somebody out of sight leaves devices at once, and one that was deleted long ago goes for
-- good. Removing its row leaves its content to be swept out of the object store.

DROP TRIGGER note_unlinked ON app.attachment;
CREATE TRIGGER note_unlinked AFTER UPDATE ON app.attachment FOR EACH ROW
    WHEN (OLD.about_id IS DISTINCT FROM NEW.about_id OR OLD.owner_id IS DISTINCT FROM NEW.owner_id OR OLD.custom IS DISTINCT FROM NEW.custom)
    EXECUTE FUNCTION app.note_unlinked('about_id');

GRANT SELECT (deleted_at, changed_xid), DELETE ON app.attachment TO fieldstone_lookup;
CREATE INDEX attachment_deleted_at ON app.attachment (tenant_id, deleted_at) WHERE deleted_at IS NOT NULL;

DO $migration$
DECLARE
    body constant text := pg_get_functiondef('app.purge_deleted(integer, integer, integer, integer)'::regprocedure);
    old  constant text := 'ARRAY[''deal_line'', ''task'',';
BEGIN
    IF strpos(body, old) = 0 THEN
        RAISE EXCEPTION 'app.purge_deleted() is not what this migration knows';
    END IF;
    EXECUTE replace(body, old, 'ARRAY[''attachment'', ''deal_line'', ''task'',');
END
$migration$;
