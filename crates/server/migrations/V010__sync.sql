-- Synchronisation with devices: what each device has, what it has sent, and what a change takes out of a scope.
--
--   sync_device    a login on a device; its user's own
--   sync_cursor    database snapshots that a device has reached, and how far a pull under way has got
--   sync_result    what became of each mutation, written with its effect, so that it takes effect once
--   sync_conflict  edits that met another change and wait for a person; a device gets them like records
--   sync_unlinked  what a record led to until a transaction changed it: candidates for leaving a scope
--   sync_purge     up to which transaction deleted records have been removed for good
--   record_set     which records a device gets: a root object with a filter, and a tree of related objects
--
-- A cursor is pg_current_snapshot(), taken in the REPEATABLE READ transaction that read the page. It is kept here, and the device has an
-- id without meaning: a database that was restored, copied or failed over doesn't know ids that were given out elsewhere, and a device
-- with such an id compares everything. Keeping it is also a synchronous commit, so that no transaction number it has seen can be given
-- out again after a crash.

CREATE TABLE app.sync_device (
    tenant_id    text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL CHECK (id ~ '^fD0[0-9A-Za-z]{12}$'),
    installation text COLLATE "C" NOT NULL CHECK (length(installation) BETWEEN 1 AND 100),
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    platform     text NOT NULL CHECK (length(platform) <= 100),
    app          text NOT NULL CHECK (length(app) <= 100),
    blind_key    bytea NOT NULL CHECK (length(blind_key) = 16),
    secret_hash  bytea NOT NULL CHECK (length(secret_hash) = 32),
    login_key    text COLLATE "C" CHECK (length(login_key) <= 100),
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    revoked_at   timestamptz,
    PRIMARY KEY (tenant_id, user_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.sync_device', 'personal');

CREATE TABLE app.sync_cursor (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL CHECK (length(id) = 22),
    number    bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    snapshot  text COLLATE "C" NOT NULL,
    epoch     text COLLATE "C" NOT NULL,
    -- How far a delta has got.
    position  text COLLATE "C",
    made_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, device_id, id),
    FOREIGN KEY (tenant_id, user_id, device_id) REFERENCES app.sync_device (tenant_id, user_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.sync_cursor', 'personal');

CREATE TABLE app.sync_result (
    tenant_id  text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    uuid       text COLLATE "C" NOT NULL CHECK (length(uuid) BETWEEN 32 AND 36),
    device_id  text COLLATE "C" NOT NULL,
    sequence   bigint NOT NULL,
    outcome    jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, uuid)
);
CREATE INDEX sync_result_created_at ON app.sync_result (tenant_id, created_at);
SELECT app.protect('app.sync_result', 'personal');

CREATE TABLE app.sync_conflict (
    tenant_id   text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL CHECK (id ~ '^fC0[0-9A-Za-z]{12}$'),
    version     bigint NOT NULL DEFAULT 1,
    object      text COLLATE "C" NOT NULL,
    record_id   text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('edit', 'edit_of_deleted', 'delete_of_edited')),
    fields      jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    -- When it was settled, and how.
    deleted_at  timestamptz,
    resolution  text COLLATE "C" CHECK (resolution IN ('mine', 'theirs')),
    changed_xid xid8 NOT NULL,
    row_tag     bigint NOT NULL,
    PRIMARY KEY (tenant_id, user_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sync_conflict_changed_xid ON app.sync_conflict (tenant_id, user_id, changed_xid, id);
SELECT app.protect('app.sync_conflict', 'personal');
CREATE TRIGGER stamp_change BEFORE INSERT OR UPDATE ON app.sync_conflict FOR EACH ROW EXECUTE FUNCTION app.stamp_change();

CREATE TABLE app.sync_purge (
    tenant_id  text COLLATE "C" PRIMARY KEY REFERENCES app.workspace ON DELETE CASCADE,
    purged_xid xid8 NOT NULL
);
SELECT app.protect('app.sync_purge', 'managed');

CREATE TABLE app.record_set (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    id            text COLLATE "C" NOT NULL CHECK (id ~ '^fR0[0-9A-Za-z]{12}$'),
    version       bigint NOT NULL,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    -- For everybody, for a role, or for one person.
    role          text COLLATE "C" CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    person_id     text COLLATE "C",
    definition    jsonb NOT NULL,
    updated_at    timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE,
    CHECK (role IS NULL OR person_id IS NULL)
);
CREATE INDEX record_set_person_id ON app.record_set (tenant_id, person_id);
SELECT app.protect('app.record_set', 'managed');

-- People are in every scope: records name them.
ALTER TABLE app."user"
    ADD COLUMN changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    ADD COLUMN row_tag bigint NOT NULL DEFAULT hashtextextended(gen_random_uuid()::text, 0);
ALTER TABLE app."user" ALTER COLUMN changed_xid DROP DEFAULT, ALTER COLUMN row_tag DROP DEFAULT;
CREATE INDEX user_changed_xid ON app."user" (tenant_id, changed_xid, id);
CREATE TRIGGER stamp_change BEFORE INSERT OR UPDATE ON app."user" FOR EACH ROW EXECUTE FUNCTION app.stamp_change();

-- What a record led to until now.
CREATE TABLE app.sync_unlinked (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    changed_xid xid8 NOT NULL,
    target      text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, changed_xid, target)
);
SELECT app.protect('app.sync_unlinked', 'append_only');

-- Its arguments are the relation columns of the table. Custom relations are whatever has the form of an id among the custom values.
CREATE FUNCTION app.note_unlinked() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    before constant jsonb := to_jsonb(OLD);
    after  constant jsonb := to_jsonb(NEW);
BEGIN
    INSERT INTO app.sync_unlinked (tenant_id, changed_xid, target)
        SELECT OLD.tenant_id, pg_current_xact_id(), u.target FROM (
            SELECT before ->> c.name FROM unnest(TG_ARGV) c(name) WHERE before ->> c.name IS DISTINCT FROM after ->> c.name
            UNION
            SELECT o.value FROM jsonb_each_text(before -> 'custom') o
            WHERE o.value ~ '^[0-9A-Za-z]{15}$' AND o.value IS DISTINCT FROM after -> 'custom' ->> o.key
        ) u(target) WHERE u.target IS NOT NULL
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

DO $migration$
DECLARE
    target  record;
    columns text[];
    changed text;
BEGIN
    FOR target IN SELECT c.oid, c.relname FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        WHERE t.tgname = 'stamp_change' AND c.relname NOT IN ('user', 'sync_conflict') ORDER BY c.relname
    LOOP
        SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}') INTO columns FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = target.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname LIKE '%\_id'
            AND a.attname NOT IN ('tenant_id', 'created_by_id', 'updated_by_id', 'owner_id', 'external_id');
        SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', c.name), ' OR ') INTO changed
            FROM unnest(columns || '{custom}') c(name);
        EXECUTE format('CREATE TRIGGER note_unlinked AFTER UPDATE ON app.%I FOR EACH ROW WHEN (%s) EXECUTE FUNCTION app.note_unlinked(%s)',
            target.relname, changed, (SELECT string_agg(quote_literal(c.name), ', ') FROM unnest(columns) c(name)));
    END LOOP;
END
$migration$;
