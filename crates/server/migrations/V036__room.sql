-- A full workspace goes on with what it has: finishing a task that repeats makes the next one even there. It counts like any other record.
--
-- That a workspace is full is FS013 from here on; FS010 says that an address belongs to a member.

CREATE FUNCTION app.note_use(of_tenant text, more_records bigint, more_bytes bigint, may_pass boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    most app.workspace_quota;
    has_records bigint;
    has_bytes bigint;
BEGIN
    -- A workspace that is being removed is gone by now, and takes its rows here along.
    INSERT INTO app.workspace_use AS u (tenant_id, part, records, bytes)
        SELECT w.tenant_id, pg_backend_pid() % 16, more_records, more_bytes FROM app.workspace w WHERE w.tenant_id = of_tenant
        ON CONFLICT (tenant_id, part) DO UPDATE SET records = u.records + excluded.records, bytes = u.bytes + excluded.bytes;
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
SELECT app.serve('app.note_use(text, bigint, bigint, boolean)', 'fieldstone_owner');

CREATE OR REPLACE FUNCTION app.note_use(of_tenant text, more_records bigint, more_bytes bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.note_use(of_tenant, more_records, more_bytes, false);
END
$$;

-- Tasks that follow a finished one begin at a date that isn't their own; nobody can write that date.
CREATE FUNCTION app.count_tasks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.note_use(m.tenant_id, count(*), 0, bool_and(m.repeat_from IS NOT NULL AND m.repeat_from IS DISTINCT FROM m.due_date))
        FROM made m GROUP BY m.tenant_id;
    RETURN NULL;
END
$$;
SELECT app.serve('app.count_tasks()', 'fieldstone_owner');
DROP TRIGGER count_made ON app.task;
CREATE TRIGGER count_made AFTER INSERT ON app.task REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION app.count_tasks();
