-- Files of any size on their way in, and imports that go on where they were interrupted.
--
--   import_part        one part of a file, or of its failed rows: where it lies in the object store, or its bytes where there is none
--   import_checkpoint  how far an import was after some rows: what it goes on from
--
-- A file arrives in parts ('brought'); what is read from then on is 'file', which for a workbook is the text made of it. Numbers are never
-- shared between kinds: a part is sealed for its upload and its number.

CREATE TABLE app.import_part (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    upload_id text COLLATE "C" NOT NULL,
    number    integer NOT NULL CHECK (number >= 0),
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('brought', 'file', 'failed')),
    size      bigint NOT NULL CHECK (size BETWEEN 1 AND 4194304),
    -- Its name in the object store, never used again.
    object    text COLLATE "C" CHECK (object ~ '^[0-9]+-[0-9A-Za-z_-]{16}$'),
    data bytea,
    PRIMARY KEY (tenant_id, user_id, upload_id, number),
    FOREIGN KEY (tenant_id, user_id, upload_id) REFERENCES app.import_upload (tenant_id, user_id, id) ON DELETE CASCADE,
    CHECK ((object IS NULL) <> (data IS NULL))
);
ALTER TABLE app.import_part ALTER COLUMN data SET STORAGE EXTERNAL;
SELECT app.protect('app.import_part', 'personal');

CREATE TABLE app.import_checkpoint (
    tenant_id    text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    upload_id    text COLLATE "C" NOT NULL,
    number       integer NOT NULL,
    -- Every row up to this one is settled, or waits for a row further down.
    up_to_row    bigint NOT NULL,
    -- Rows that wait since this checkpoint, and rows that don't any more.
    waits        bigint[] NOT NULL,
    settled      bigint[] NOT NULL,
    progress     jsonb NOT NULL,
    -- How many batches the journal had, and how many parts the file of failed rows.
    batches      integer NOT NULL,
    failed_parts integer NOT NULL,
    PRIMARY KEY (tenant_id, user_id, upload_id, number),
    FOREIGN KEY (tenant_id, user_id, upload_id) REFERENCES app.import_upload (tenant_id, user_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.import_checkpoint', 'personal');

ALTER TABLE app.import_upload DROP CONSTRAINT import_upload_state_check;
ALTER TABLE app.import_upload ADD CONSTRAINT import_upload_state_check
    CHECK (state IN ('arriving', 'draft', 'queued', 'running', 'ended'));
-- Found out once, when all of it had arrived.
ALTER TABLE app.import_upload ADD COLUMN encoding text COLLATE "C" CHECK (length(encoding) <= 40);
-- What the choices came to when the import began: it goes on with the same.
ALTER TABLE app.import_upload ADD COLUMN mapping jsonb;
-- How often it was interrupted, when it went on last and from which row.
ALTER TABLE app.import_upload ADD COLUMN interruptions integer NOT NULL DEFAULT 0;
ALTER TABLE app.import_upload ADD COLUMN resumed_at timestamptz;
ALTER TABLE app.import_upload ADD COLUMN resumed_row bigint;
-- The claim under which it last got anywhere.
ALTER TABLE app.import_upload ADD COLUMN useful_claim integer NOT NULL DEFAULT 0;
-- Whether its content is in import_part alone: what doesn't know that table must not claim it.
ALTER TABLE app.import_upload ADD COLUMN in_parts boolean NOT NULL DEFAULT false;
SELECT app.permit_lookup('app.import_upload', 'SELECT (tenant_id, user_id, id, state, created_at, ended_at, claimed_until, claims, run_id, progress, in_parts), '
    'UPDATE (state, outcome, problem, ended_at, claimed_until, claims), DELETE');
SELECT app.permit_lookup('app.import_run', 'SELECT (tenant_id, id, ended_at), UPDATE (ended_at, outcome, created, updated, skipped, failed)');

-- The rows of the file that made and changed records, as they are listed; 0 for related records.
ALTER TABLE app.import_batch ADD COLUMN created_rows bigint[];
ALTER TABLE app.import_batch ADD COLUMN updated_rows bigint[];

-- What was brought before, and by servers of the version before while both serve.
INSERT INTO app.import_part (tenant_id, user_id, upload_id, number, kind, size, data)
    SELECT p.tenant_id, p.user_id, p.upload_id, p.number + CASE p.kind WHEN 'failed' THEN 1073741824 ELSE 0 END, p.kind, length(p.data), p.data
    FROM app.import_piece p WHERE length(p.data) > 0;
INSERT INTO app.workspace_use AS u (tenant_id, part, records, bytes)
    SELECT p.tenant_id, 0, 0, sum(p.size)::bigint FROM app.import_part p GROUP BY p.tenant_id
    ON CONFLICT (tenant_id, part) DO UPDATE SET bytes = u.bytes + excluded.bytes;

CREATE FUNCTION app.keep_piece_as_part() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF length(NEW.data) > 0 THEN
        INSERT INTO app.import_part (tenant_id, user_id, upload_id, number, kind, size, data)
            VALUES (NEW.tenant_id, NEW.user_id, NEW.upload_id, NEW.number + CASE NEW.kind WHEN 'failed' THEN 1073741824 ELSE 0 END,
                NEW.kind, length(NEW.data), NEW.data);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_piece_as_part AFTER INSERT ON app.import_piece FOR EACH ROW EXECUTE FUNCTION app.keep_piece_as_part();

-- Files on their way in count like other files. What an import makes of them is not refused in the middle of it.
CREATE FUNCTION app.count_import_bytes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM app.note_use(m.tenant_id, 0, sum(m.size)::bigint, bool_and(m.kind <> 'brought')) FROM made m GROUP BY m.tenant_id;
    ELSE
        PERFORM app.note_use(g.tenant_id, 0, -sum(g.size)::bigint) FROM gone g GROUP BY g.tenant_id;
    END IF;
    RETURN NULL;
END
$$;
SELECT app.serve('app.count_import_bytes()', 'fieldstone_owner');
CREATE TRIGGER count_made AFTER INSERT ON app.import_part REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION app.count_import_bytes();
CREATE TRIGGER count_gone AFTER DELETE ON app.import_part REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION app.count_import_bytes();

-- What lies in the object store of an upload that is gone is swept up with the content of attachments.
CREATE TRIGGER orphan_content AFTER DELETE ON app.import_upload FOR EACH ROW EXECUTE FUNCTION app.orphan_content();

-- As before, for servers of the version before: only what they can read.
DO $migration$
DECLARE
    body constant text := pg_get_functiondef('app.claim_import(integer)'::regprocedure);
    old  constant text := 'FROM app.import_upload w
            WHERE w.state';
BEGIN
    IF strpos(body, old) = 0 THEN
        RAISE EXCEPTION 'app.claim_import() is not what this migration knows';
    END IF;
    EXECUTE replace(body, 'app.claim_import(', 'app.claim_import_job(');
    EXECUTE replace(body, old, replace(old, 'WHERE', 'WHERE NOT w.in_parts AND'));
END
$migration$;
SELECT app.serve('app.claim_import_job(integer)', 'fieldstone_worker');

-- Ends what its person may not do any more, and closes the journal of it: it can't be done in their name, and in nobody else's.
CREATE OR REPLACE FUNCTION app.abandon_import(kind text, tenant text, what text, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended record;
BEGIN
    IF kind = 'import' THEN
        UPDATE app.import_upload u SET state = 'ended', outcome = 'stopped', problem = left(reason, 2000), ended_at = transaction_timestamp()
            WHERE u.tenant_id = tenant AND u.id = what AND u.state = 'running' RETURNING u.run_id, u.progress INTO ended;
        UPDATE app.import_run r SET ended_at = transaction_timestamp(), outcome = 'stopped',
                created = coalesce((ended.progress ->> 'created')::bigint, 0), updated = coalesce((ended.progress ->> 'updated')::bigint, 0),
                skipped = coalesce((ended.progress ->> 'skipped')::bigint, 0), failed = coalesce((ended.progress ->> 'failed')::bigint, 0)
            WHERE r.tenant_id = tenant AND r.id = ended.run_id AND r.ended_at IS NULL;
    ELSE
        UPDATE app.import_undo u SET state = 'ended', problem = left(reason, 2000), ended_at = transaction_timestamp()
            WHERE u.tenant_id = tenant AND u.run_id = what AND u.state = 'running';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION app.purge_uploads() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM app.import_upload u WHERE u.state IN ('arriving', 'draft') AND u.created_at < transaction_timestamp() - interval '1 day'
        OR u.state = 'ended' AND u.ended_at < transaction_timestamp() - interval '7 days';
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
