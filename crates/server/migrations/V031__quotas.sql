-- What a workspace may use, and what it uses.
--
--   workspace_quota  one row per workspace that has a limit; an operator sets it
--   workspace_use    how many records and bytes of files there are, in sixteen parts, so that those who write at once don't wait for one row
--
-- Counting is done by triggers of the tables themselves, so that pages, the API, devices, imports and jobs are counted in one place. Whoever
-- would pass a limit is refused with FS010, and their transaction with it. Those who write at the same moment may pass it together by what
-- they write.

CREATE TABLE app.workspace_quota (
    tenant_id           text COLLATE "C" PRIMARY KEY REFERENCES app.workspace ON DELETE CASCADE,
    records             bigint CHECK (records >= 0),
    bytes               bigint CHECK (bytes >= 0),
    requests_per_minute integer CHECK (requests_per_minute > 0),
    changed_at          timestamptz NOT NULL
);
SELECT app.protect('app.workspace_quota', 'private');
SELECT app.permit_lookup('app.workspace_quota', 'SELECT');

CREATE TABLE app.workspace_use (
    tenant_id text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    part      smallint NOT NULL CHECK (part BETWEEN 0 AND 15),
    records   bigint NOT NULL,
    bytes     bigint NOT NULL,
    PRIMARY KEY (tenant_id, part)
);
SELECT app.protect('app.workspace_use', 'private');
SELECT app.permit_lookup('app.workspace_use', 'SELECT, INSERT, UPDATE');

-- Notes what came or went, and refuses what passes a limit.
CREATE FUNCTION app.note_use(of_tenant text, more_records bigint, more_bytes bigint) RETURNS void
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
    IF more_records <= 0 AND more_bytes <= 0 THEN
        RETURN;
    END IF;
    SELECT * INTO most FROM app.workspace_quota q WHERE q.tenant_id = of_tenant;
    IF most.tenant_id IS NULL THEN
        RETURN;
    END IF;
    SELECT sum(u.records), sum(u.bytes) INTO has_records, has_bytes FROM app.workspace_use u WHERE u.tenant_id = of_tenant;
    IF (more_records > 0 AND has_records > most.records) OR (more_bytes > 0 AND has_bytes > most.bytes) THEN
        RAISE EXCEPTION 'the workspace is full' USING ERRCODE = 'FS010';
    END IF;
END
$$;
SELECT app.serve('app.note_use(text, bigint, bigint)', 'fieldstone_owner');

CREATE FUNCTION app.count_records() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM app.note_use(m.tenant_id, count(*), 0) FROM made m GROUP BY m.tenant_id;
    ELSE
        PERFORM app.note_use(g.tenant_id, -count(*), 0) FROM gone g GROUP BY g.tenant_id;
    END IF;
    RETURN NULL;
END
$$;
SELECT app.serve('app.count_records()', 'fieldstone_owner');

CREATE FUNCTION app.count_bytes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM app.note_use(m.tenant_id, 0, sum(m.size)::bigint) FROM made m GROUP BY m.tenant_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM app.note_use(g.tenant_id, 0, -sum(g.size)::bigint) FROM gone g GROUP BY g.tenant_id;
    ELSE
        PERFORM app.note_use(c.tenant_id, 0, sum(c.size)::bigint)
            FROM (SELECT m.tenant_id, m.size FROM made m UNION ALL SELECT g.tenant_id, -g.size FROM gone g) c
            GROUP BY c.tenant_id HAVING sum(c.size) <> 0;
    END IF;
    RETURN NULL;
END
$$;
SELECT app.serve('app.count_bytes()', 'fieldstone_owner');

CREATE TRIGGER count_made AFTER INSERT ON app.content REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION app.count_bytes();
CREATE TRIGGER count_gone AFTER DELETE ON app.content REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION app.count_bytes();
CREATE TRIGGER count_resized AFTER UPDATE ON app.content REFERENCING NEW TABLE AS made OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION app.count_bytes();

-- Lets the records of one table be counted.
CREATE FUNCTION app.count_in(target regclass) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER count_made AFTER INSERT ON %s REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION app.count_records()', target);
    EXECUTE format('CREATE TRIGGER count_gone AFTER DELETE ON %s REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION app.count_records()', target);
END
$$;

-- As before, and counted: every table of records from here on.
CREATE OR REPLACE FUNCTION app.protect_records(target regclass, class text) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM app.protect(target, class);
    EXECUTE format('CREATE TRIGGER stamp_change BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION app.stamp_change()', target);
    -- Records are deleted by marking them; only a purge removes rows.
    EXECUTE format('REVOKE DELETE ON %s FROM fieldstone_app, fieldstone_worker', target);
    IF class = 'record' THEN
        PERFORM app.count_in(target);
    END IF;
END
$$;

-- The tables there are, and what is in them.
DO $migration$
DECLARE
    target regclass;
BEGIN
    FOR target IN SELECT t.tgrelid::regclass FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        JOIN app.table_class k ON k.table_name = c.relname
        WHERE t.tgname = 'stamp_change' AND c.relnamespace = 'app'::regnamespace AND k.class = 'record'
    LOOP
        PERFORM app.count_in(target);
        EXECUTE format('INSERT INTO app.workspace_use AS u (tenant_id, part, records, bytes)
            SELECT r.tenant_id, 0, count(*), 0 FROM %s r GROUP BY r.tenant_id
            ON CONFLICT (tenant_id, part) DO UPDATE SET records = u.records + excluded.records', target);
    END LOOP;
END
$migration$;
INSERT INTO app.workspace_use AS u (tenant_id, part, records, bytes)
    SELECT c.tenant_id, 0, 0, sum(c.size)::bigint FROM app.content c GROUP BY c.tenant_id
    ON CONFLICT (tenant_id, part) DO UPDATE SET bytes = u.bytes + excluded.bytes;

-- What the caller's workspace uses and may use; a limit that isn't there is NULL.
CREATE FUNCTION app.workspace_usage(OUT records bigint, OUT bytes bigint, OUT most_records bigint, OUT most_bytes bigint, OUT requests_per_minute integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT coalesce(sum(u.records), 0)::bigint, coalesce(sum(u.bytes), 0)::bigint, max(q.records), max(q.bytes), max(q.requests_per_minute)
        FROM (SELECT app.tenant_id() AS tenant_id) t
        LEFT JOIN app.workspace_use u ON u.tenant_id = t.tenant_id
        LEFT JOIN app.workspace_quota q ON q.tenant_id = t.tenant_id
$$;
SELECT app.serve('app.workspace_usage()', 'fieldstone_app', 'fieldstone_worker');

-- How many requests a minute the caller's workspace may make; NULL for any number.
CREATE FUNCTION app.request_quota() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT q.requests_per_minute FROM app.workspace_quota q WHERE q.tenant_id = app.tenant_id()
$$;
SELECT app.serve('app.request_quota()', 'fieldstone_app', 'fieldstone_worker');
