-- Attachments: files on records. The record says what a file is; its content lies in the object store, sealed part by part.
--
--   attachment      the records
--   content         what was announced of a file's content, and when all of it had arrived
--   content_part    which parts of it lie in the object store
--   content_orphan  contents whose rows are gone: what is left of them in the object store is to be removed

CREATE TABLE app.attachment (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^00P[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    name text NOT NULL CHECK (length(name) <= 255),
    name_key text COLLATE "C" NOT NULL,
    about_id text COLLATE "C" NOT NULL,
    description text CHECK (length(description) <= 32000),
    content_type text CHECK (length(content_type) <= 127),
    content_type_key text COLLATE "C",
    size bigint,
    sha256 text CHECK (length(sha256) <= 64),
    sha256_key text COLLATE "C",
    stored_at timestamptz,
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id)
);
CREATE INDEX attachment_owner_id ON app.attachment (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX attachment_name ON app.attachment (tenant_id, name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX attachment_about_id ON app.attachment (tenant_id, about_id, id) WHERE deleted_at IS NULL;
CREATE INDEX attachment_updated_at ON app.attachment (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX attachment_changed_xid ON app.attachment (tenant_id, changed_xid, id);
SELECT app.protect_records('app.attachment', 'record');
SELECT app.protect_sight('app.attachment', '(owner_id = ANY ((SELECT app.visible_owners())::text[])) IS NOT FALSE');
SELECT app.permit_lookup('app.attachment', 'SELECT (tenant_id, id)');
CREATE TRIGGER note_unlinked AFTER UPDATE ON app.attachment FOR EACH ROW
    WHEN (OLD.about_id IS DISTINCT FROM NEW.about_id OR OLD.custom IS DISTINCT FROM NEW.custom)
    EXECUTE FUNCTION app.note_unlinked('about_id');

CREATE TABLE app.content (
    tenant_id     text COLLATE "C" NOT NULL,
    id            text COLLATE "C" NOT NULL,
    content_type  text COLLATE "C" NOT NULL CHECK (length(content_type) BETWEEN 3 AND 127),
    size          bigint NOT NULL CHECK (size BETWEEN 0 AND 1073741824),
    -- As it was announced, or as it was found to be; hexadecimal.
    sha256        text COLLATE "C" CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    part_size     bigint NOT NULL CHECK (part_size > 0),
    created_at    timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    ready_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES app.attachment (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX content_unready ON app.content (tenant_id, created_at) WHERE ready_at IS NULL;
SELECT app.protect('app.content', 'record');
SELECT app.protect_sight('app.content', 'CASE WHEN (SELECT app.visible_owners()) IS NULL THEN true
    ELSE EXISTS (SELECT FROM app.attachment a WHERE a.tenant_id = content.tenant_id AND a.id = content.id) END');

CREATE TABLE app.content_part (
    tenant_id  text COLLATE "C" NOT NULL,
    content_id text COLLATE "C" NOT NULL,
    number     integer NOT NULL CHECK (number >= 0),
    -- Its name in the object store, never used again.
    object     text COLLATE "C" NOT NULL CHECK (object ~ '^[0-9]+-[0-9A-Za-z_-]{16}$'),
    PRIMARY KEY (tenant_id, content_id, number),
    FOREIGN KEY (tenant_id, content_id) REFERENCES app.content (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.content_part', 'record');
SELECT app.protect_sight('app.content_part', 'CASE WHEN (SELECT app.visible_owners()) IS NULL THEN true
    ELSE EXISTS (SELECT FROM app.attachment a WHERE a.tenant_id = content_part.tenant_id AND a.id = content_part.content_id) END');

-- Content that is complete stays as it is.
CREATE FUNCTION app.keep_content() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF OLD.ready_at IS NOT NULL THEN
        RAISE EXCEPTION 'content that is complete stays as it is' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_content BEFORE UPDATE ON app.content FOR EACH ROW EXECUTE FUNCTION app.keep_content();
-- Rows go with their attachment, or when an upload was given up; nobody who serves requests removes them.
REVOKE DELETE ON app.content FROM fieldstone_app, fieldstone_worker;

CREATE TABLE app.content_orphan (
    tenant_id text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL,
    since     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT app.protect('app.content_orphan', 'private');
SELECT app.permit_lookup('app.content_orphan', 'SELECT, INSERT, DELETE');
SELECT app.permit_lookup('app.content', 'SELECT (tenant_id, id, created_at, ready_at), DELETE');

CREATE FUNCTION app.orphan_content() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.content_orphan (tenant_id, id, since) VALUES (OLD.tenant_id, OLD.id, now()) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
SELECT app.serve('app.orphan_content()', 'fieldstone_owner');
CREATE TRIGGER orphan_content AFTER DELETE ON app.content FOR EACH ROW EXECUTE FUNCTION app.orphan_content();

-- Contents to be removed from the object store, at most `most`; uploads that nobody went on with for `days` are given up first.
CREATE FUNCTION app.orphaned_contents(days integer, most integer) RETURNS TABLE (tenant_id text, id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.content c WHERE c.ready_at IS NULL AND c.created_at < now() - make_interval(days => days);
    RETURN QUERY SELECT o.tenant_id, o.id FROM app.content_orphan o ORDER BY o.since LIMIT most;
END
$$;
SELECT app.serve('app.orphaned_contents(integer, integer)', 'fieldstone_worker');

-- Nothing of this content is left in the object store.
CREATE FUNCTION app.forget_content(of_tenant text, of_id text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    DELETE FROM app.content_orphan o WHERE o.tenant_id = of_tenant AND o.id = of_id
$$;
SELECT app.serve('app.forget_content(text, text)', 'fieldstone_worker');

-- What knows records by their id learns of one more kind.
DO $migration$
DECLARE
    body text;
    change record;
BEGIN
    FOR change IN SELECT * FROM (VALUES
        ('app.sees_record(text)', 'WHEN ''500'' THEN',
            'WHEN ''00P'' THEN EXISTS (SELECT FROM app.attachment t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN ''500'' THEN'),
        ('app.taken_ids(text[])', 'SELECT t.id FROM app.note t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL',
            'SELECT t.id FROM app.note t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.attachment t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL')
    ) AS c(name, old, new) LOOP
        body := pg_get_functiondef(change.name::regprocedure);
        IF length(replace(body, change.old, '')) <> length(body) - length(change.old) THEN
            RAISE EXCEPTION '% is not what this migration knows', change.name;
        END IF;
        EXECUTE replace(body, change.old, change.new);
    END LOOP;
END
$migration$;
