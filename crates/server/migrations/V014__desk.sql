-- What people work with besides records: files on their way in, imports taken back, views of lists, what they looked at last.
--
--   import_upload   a file that somebody has brought, what they want done with it, and how far that has got
--   import_piece    the file's bytes, and those of the file of failed rows
--   import_undo     an import that is being taken back, or has been
--   import_kept     what taking it back has left as it was, and why
--   own_view        a filtered and sorted list under a name, for oneself
--   shared_view     the same for everybody
--   pinned_view     which of both stand in whose navigation
--   recent_record   what somebody has looked at, for finding it again
--
-- Uploads are their person's alone: a file may hold what others must not see. What was imported stands in import_run for all.

CREATE TABLE app.import_upload (
    tenant_id     text COLLATE "C" NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    id            text COLLATE "C" NOT NULL CHECK (id ~ '^0IU[0-9A-Za-z]{12}$'),
    object        text COLLATE "C" NOT NULL CHECK (length(object) <= 60),
    file          text NOT NULL CHECK (length(file) BETWEEN 1 AND 255),
    bytes         bigint NOT NULL,
    -- What the form says: which column is which field, and so on.
    choices       jsonb NOT NULL DEFAULT '{}',
    state         text COLLATE "C" NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'queued', 'running', 'ended')),
    run_id        text COLLATE "C",
    -- {"settled": 1000, …}
    progress      jsonb NOT NULL DEFAULT '{}',
    cancelled     boolean NOT NULL DEFAULT false,
    outcome       text COLLATE "C" CHECK (outcome IN ('complete', 'cancelled', 'stopped')),
    problem       text CHECK (length(problem) <= 2000),
    created_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    claimed_until timestamptz,
    claims        integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, user_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state = 'ended') = (outcome IS NOT NULL))
);
SELECT app.protect('app.import_upload', 'personal');
SELECT app.permit_lookup('app.import_upload', 'SELECT (tenant_id, user_id, id, state, created_at, ended_at, claimed_until, claims), '
    'UPDATE (state, outcome, problem, ended_at, claimed_until, claims), DELETE');

CREATE TABLE app.import_piece (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    upload_id text COLLATE "C" NOT NULL,
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('file', 'failed')),
    number    integer NOT NULL,
    data      bytea NOT NULL CHECK (length(data) <= 1048576),
    PRIMARY KEY (tenant_id, user_id, upload_id, kind, number),
    FOREIGN KEY (tenant_id, user_id, upload_id) REFERENCES app.import_upload (tenant_id, user_id, id) ON DELETE CASCADE
);
-- Compressed by nobody: files come in any size, and the pieces are read whole.
ALTER TABLE app.import_piece ALTER COLUMN data SET STORAGE EXTERNAL;
SELECT app.protect('app.import_piece', 'personal');

CREATE TABLE app.import_undo (
    tenant_id     text COLLATE "C" NOT NULL,
    run_id        text COLLATE "C" NOT NULL,
    by_id         text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'ended')),
    -- How far it is: {"deleted": 10, "reverted": 2, "kept": 1, "batch": 7}
    progress      jsonb NOT NULL DEFAULT '{}',
    problem       text CHECK (length(problem) <= 2000),
    began_at      timestamptz NOT NULL,
    ended_at      timestamptz,
    claimed_until timestamptz,
    claims        integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, run_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES app.import_run (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.import_undo', 'record');
SELECT app.permit_lookup('app.import_undo', 'SELECT (tenant_id, run_id, by_id, state, began_at, claimed_until, claims), '
    'UPDATE (state, problem, ended_at, claimed_until, claims)');

CREATE TABLE app.import_kept (
    tenant_id text COLLATE "C" NOT NULL,
    run_id    text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    -- A field's name, or nothing for the record itself.
    field     text COLLATE "C" NOT NULL DEFAULT '',
    reason    text COLLATE "C" NOT NULL CHECK (reason IN ('changed', 'referred', 'gone', 'refused')),
    PRIMARY KEY (tenant_id, run_id, record_id, field),
    FOREIGN KEY (tenant_id, run_id) REFERENCES app.import_run (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.import_kept', 'record');

-- Claims what has waited longest, for `lease` seconds, with the rights that its person has now; what was claimed and not
-- finished comes back when the lease has ended. Rights are checked once more by whatever is done with it.
CREATE FUNCTION app.claim_import(lease integer)
RETURNS TABLE (kind text, tenant_id text, id text, user_id text, role text, member_version bigint, claims integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    found record;
BEGIN
    UPDATE app.import_upload u SET state = 'running', claims = u.claims + 1, claimed_until = transaction_timestamp() + make_interval(secs => lease)
        WHERE (u.tenant_id, u.user_id, u.id) = (
            SELECT w.tenant_id, w.user_id, w.id FROM app.import_upload w
            WHERE w.state IN ('queued', 'running') AND (w.claimed_until IS NULL OR w.claimed_until <= transaction_timestamp())
            ORDER BY w.created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING u.tenant_id, u.id, u.user_id, u.claims INTO found;
    IF found.id IS NOT NULL THEN
        RETURN QUERY SELECT 'import', found.tenant_id, found.id, p.id, p.role, p.member_version, found.claims
            FROM app."user" p WHERE p.tenant_id = found.tenant_id AND p.id = found.user_id;
        RETURN;
    END IF;
    UPDATE app.import_undo u SET state = 'running', claims = u.claims + 1, claimed_until = transaction_timestamp() + make_interval(secs => lease)
        WHERE (u.tenant_id, u.run_id) = (
            SELECT w.tenant_id, w.run_id FROM app.import_undo w
            WHERE w.state IN ('queued', 'running') AND (w.claimed_until IS NULL OR w.claimed_until <= transaction_timestamp())
            ORDER BY w.began_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING u.tenant_id, u.run_id, u.by_id, u.claims INTO found;
    IF found.run_id IS NOT NULL THEN
        RETURN QUERY SELECT 'undo', found.tenant_id, found.run_id, p.id, p.role, p.member_version, found.claims
            FROM app."user" p WHERE p.tenant_id = found.tenant_id AND p.id = found.by_id;
    END IF;
END
$$;
SELECT app.serve('app.claim_import(integer)', 'fieldstone_worker');

-- Ends what its person may not do any more: it can't be done in their name, and in nobody else's.
CREATE FUNCTION app.abandon_import(kind text, tenant text, what text, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF kind = 'import' THEN
        UPDATE app.import_upload u SET state = 'ended', outcome = 'stopped', problem = left(reason, 2000), ended_at = transaction_timestamp()
            WHERE u.tenant_id = tenant AND u.id = what AND u.state = 'running';
    ELSE
        UPDATE app.import_undo u SET state = 'ended', problem = left(reason, 2000), ended_at = transaction_timestamp()
            WHERE u.tenant_id = tenant AND u.run_id = what AND u.state = 'running';
    END IF;
END
$$;
SELECT app.serve('app.abandon_import(text, text, text, text)', 'fieldstone_worker');

-- Forgets files that nobody did anything with for a day, and what was imported from a week ago.
CREATE FUNCTION app.purge_uploads() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM app.import_upload u WHERE u.state = 'draft' AND u.created_at < transaction_timestamp() - interval '1 day'
        OR u.state = 'ended' AND u.ended_at < transaction_timestamp() - interval '7 days';
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
SELECT app.serve('app.purge_uploads()', 'fieldstone_worker');

CREATE TABLE app.own_view (
    tenant_id  text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL CHECK (id ~ '^0VW[0-9A-Za-z]{12}$'),
    object     text COLLATE "C" NOT NULL CHECK (length(object) <= 60),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    -- The list's address after the question mark.
    query      text NOT NULL CHECK (length(query) <= 4000),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX own_view_object ON app.own_view (tenant_id, user_id, object);
SELECT app.protect('app.own_view', 'personal');

CREATE TABLE app.shared_view (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    id         text COLLATE "C" NOT NULL CHECK (id ~ '^0VW[0-9A-Za-z]{12}$'),
    object     text COLLATE "C" NOT NULL CHECK (length(object) <= 60),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    query      text NOT NULL CHECK (length(query) <= 4000),
    by_id      text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX shared_view_object ON app.shared_view (tenant_id, object);
SELECT app.protect('app.shared_view', 'record');

CREATE TABLE app.pinned_view (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    view_id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, user_id, view_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.pinned_view', 'personal');

CREATE TABLE app.recent_record (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, record_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX recent_record_at ON app.recent_record (tenant_id, user_id, at);
SELECT app.protect('app.recent_record', 'personal');
