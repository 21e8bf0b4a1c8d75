-- What people are told: that something they look at was changed, and what concerns them.
--
--   change_hint           which records were changed just now, for pages that show them; kept for minutes, and worth nothing after a crash
--   notification          what somebody is told; it names records and people by id, so that a reader sees of them what they may
--   notification_setting  what somebody doesn't want to be told, and whether what they left unread comes by mail
--   follow                records whose changes somebody wants to be told of
--
-- Hints are written by a trigger of the history, so that whatever changes records tells of it. They are read by look-up functions; a
-- server reads what has become visible since its last look, for the workspaces that somebody has open.

CREATE UNLOGGED TABLE app.change_hint (
    tenant_id   text COLLATE "C" NOT NULL,
    changed_xid xid8 NOT NULL,
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    by_id       text COLLATE "C" NOT NULL,
    -- The first of them, when there are many.
    record_ids  text[] NOT NULL,
    prefixes    text[] NOT NULL,
    -- Who has a new notification.
    user_ids    text[] NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, changed_xid, id)
);
SELECT app.protect('app.change_hint', 'private');
SELECT app.permit_lookup('app.change_hint', 'SELECT, INSERT, DELETE');

CREATE TABLE app.notification (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('mention', 'assigned', 'due', 'import', 'automation', 'follow')),
    -- What it is about; empty for many records at once.
    record_id text COLLATE "C" NOT NULL DEFAULT '' CHECK (length(record_id) <= 15),
    by_id     text COLLATE "C" NOT NULL DEFAULT '',
    -- How often the same was told since it was last read, or of how many records.
    times     integer NOT NULL DEFAULT 1,
    -- What tells two of the same kind about the same record apart: a day, a file, a sentence of a rule.
    marker    text NOT NULL DEFAULT '' CHECK (length(marker) <= 255),
    made_at   timestamptz NOT NULL,
    read_at   timestamptz,
    mailed_at timestamptz,
    PRIMARY KEY (tenant_id, user_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX notification_unread ON app.notification (tenant_id, user_id, kind, record_id, marker) WHERE read_at IS NULL;
CREATE INDEX notification_made_at ON app.notification (tenant_id, user_id, made_at);
SELECT app.protect('app.notification', 'personal');
SELECT app.permit_lookup('app.notification', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE app.notification_setting (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    muted     text[] NOT NULL DEFAULT '{}',
    digest    text COLLATE "C" NOT NULL DEFAULT 'daily' CHECK (digest IN ('off', 'daily')),
    -- The person's day on which the last digest was queued.
    digest_on date,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.notification_setting', 'personal');
SELECT app.permit_lookup('app.notification_setting', 'SELECT, INSERT, UPDATE (digest_on)');

CREATE TABLE app.follow (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL CHECK (length(record_id) = 15),
    since     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, record_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX follow_record_id ON app.follow (tenant_id, record_id);
SELECT app.protect('app.follow', 'personal');
SELECT app.permit_lookup('app.follow', 'SELECT (tenant_id, user_id, record_id)');

GRANT SELECT (name_key) ON app."user" TO fieldstone_lookup;
GRANT SELECT (tenant_id, id, owner_id, due_date, status, deleted_at) ON app.task TO fieldstone_lookup;

-- Tells each of `people` about the record beside them, unless they don't want to know. The same that is still unread is told once. Many
-- records at once become one notification without a record. For functions of this schema only.
CREATE FUNCTION app.tell(tenant text, people text[], of_kind text, records text[], author text, what text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    told text[];
BEGIN
    WITH wanted AS (
        SELECT DISTINCT t.person, t.record FROM unnest(people, records) AS t (person, record)
    ), counted AS (
        SELECT w.person, w.record, count(*) OVER (PARTITION BY w.person) AS many FROM wanted w
    ), one AS (
        SELECT DISTINCT c.person, CASE WHEN c.many > 5 THEN '' ELSE c.record END AS record,
            CASE WHEN c.many > 5 THEN c.many ELSE 1 END AS times FROM counted c
    ), made AS (
        INSERT INTO app.notification AS n (tenant_id, user_id, kind, record_id, by_id, times, marker, made_at)
        SELECT u.tenant_id, u.id, of_kind, o.record, author, o.times, left(what, 255), transaction_timestamp()
            FROM one o JOIN app."user" u ON u.tenant_id = tenant AND u.id = o.person
            WHERE u.active AND u.deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM app.notification_setting s WHERE s.tenant_id = u.tenant_id AND s.user_id = u.id AND of_kind = ANY (s.muted))
        ON CONFLICT (tenant_id, user_id, kind, record_id, marker) WHERE read_at IS NULL
            DO UPDATE SET made_at = excluded.made_at, by_id = excluded.by_id, times = n.times + excluded.times
        RETURNING user_id
    )
    SELECT array_agg(DISTINCT m.user_id) INTO told FROM made m;
    IF told IS NOT NULL THEN
        INSERT INTO app.change_hint (tenant_id, changed_xid, by_id, record_ids, prefixes, user_ids, at)
            VALUES (tenant, pg_current_xact_id(), author, '{}', '{}', told, transaction_timestamp());
    END IF;
END
$$;
SELECT app.serve('app.tell(text, text[], text, text[], text, text)', 'fieldstone_owner');

-- Tells others of the workspace what somebody did: gave them a record, or has a rule tell them.
CREATE FUNCTION app.tell_people(people text[], of_kind text, records text[], what text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me constant text := app.user_id();
BEGIN
    IF of_kind NOT IN ('assigned', 'automation') OR NOT coalesce(app.can_write(), false) THEN
        RAISE EXCEPTION 'nobody may be told this way' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM app.tell(app.tenant_id(), array_agg(t.person), of_kind, array_agg(t.record), me, what)
        FROM unnest(people, records) AS t (person, record) WHERE of_kind <> 'assigned' OR t.person <> me;
END
$$;
SELECT app.serve('app.tell_people(text[], text, text[], text)', 'fieldstone_app');

-- Tells oneself: what was asked for in one's name has come to its end.
CREATE FUNCTION app.tell_me(of_kind text, record text, what text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF of_kind <> 'import' OR app.user_id() IS NULL THEN
        RAISE EXCEPTION 'nobody may be told this way' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM app.tell(app.tenant_id(), ARRAY[app.user_id()], of_kind, ARRAY[record], '', what);
END
$$;
SELECT app.serve('app.tell_me(text, text, text)', 'fieldstone_app');

-- Tells whoever a text names by `@` and their name, and the text before it didn't. Texts and names are folded; of two names that fit,
-- the longer one is meant.
CREATE FUNCTION app.tell_mentioned(about text, body text, before text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me     constant text := app.user_id();
    person record;
    spoken text := body;
    known  text := before;
    sign   text;
    named  text[] := '{}';
BEGIN
    IF NOT coalesce(app.can_write(), false) THEN
        RAISE EXCEPTION 'nobody may be told this way' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR person IN SELECT u.id, u.name_key FROM app."user" u
        WHERE u.tenant_id = app.tenant_id() AND u.active AND u.deleted_at IS NULL AND strpos(spoken, '@' || u.name_key) > 0
        ORDER BY length(u.name_key) DESC, u.id
    LOOP
        sign := '@' || regexp_replace(person.name_key, '([^[:alnum:] ])', '\\\1', 'g') || '(?![[:alnum:]])';
        IF spoken ~ sign THEN
            spoken := regexp_replace(spoken, sign, ' ', 'g');
            IF person.id <> me AND NOT known ~ sign THEN
                named := named || person.id;
            END IF;
            known := regexp_replace(known, sign, ' ', 'g');
        END IF;
        EXIT WHEN cardinality(named) >= 50;
    END LOOP;
    IF cardinality(named) > 0 THEN
        PERFORM app.tell(app.tenant_id(), named, 'mention', array_fill(about, ARRAY[cardinality(named)]), me, '');
    END IF;
END
$$;
SELECT app.serve('app.tell_mentioned(text, text, text)', 'fieldstone_app');

-- What was changed, for pages that show it, and for whoever follows it.
CREATE FUNCTION app.note_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    tenant    text;
    author    text;
    followers text[];
    followed  text[];
BEGIN
    SELECT m.tenant_id, m.by_id INTO tenant, author FROM made m LIMIT 1;
    IF tenant IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO app.change_hint (tenant_id, changed_xid, by_id, record_ids, prefixes, user_ids, at)
        SELECT tenant, pg_current_xact_id(), author, (array_agg(m.record_id))[1:200], array_agg(DISTINCT left(m.record_id, 3)), '{}', transaction_timestamp()
        FROM made m;
    SELECT array_agg(f.user_id), array_agg(f.record_id) INTO followers, followed
        FROM made m JOIN app.follow f ON f.tenant_id = tenant AND f.record_id = m.record_id WHERE f.user_id <> author;
    IF followers IS NOT NULL THEN
        PERFORM app.tell(tenant, followers, 'follow', followed, author, '');
    END IF;
    RETURN NULL;
END
$$;
SELECT app.serve('app.note_history()', 'fieldstone_owner');
CREATE TRIGGER note_history AFTER INSERT ON app.history REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION app.note_history();

-- What has become visible in these workspaces since a snapshot, and the snapshot to ask from next, which stands in every row; one row
-- at least. Without a snapshot nothing but that.
CREATE FUNCTION app.changes_seen(tenants text[], since text)
RETURNS TABLE (snapshot text, tenant_id text, by_id text, record_ids text[], prefixes text[], user_ids text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT pg_current_snapshot()::text, h.tenant_id, h.by_id, h.record_ids, h.prefixes, h.user_ids
    FROM (SELECT 1) one LEFT JOIN LATERAL (
        SELECT c.* FROM unnest(tenants) AS t (id) JOIN app.change_hint c ON c.tenant_id = t.id
            AND c.changed_xid >= pg_snapshot_xmin(since::pg_snapshot) AND NOT pg_visible_in_snapshot(c.changed_xid, since::pg_snapshot)
        ORDER BY c.changed_xid LIMIT 2000) h ON true
$$;
SELECT app.serve('app.changes_seen(text[], text)', 'fieldstone_auth');

-- Tells people of tasks that are due today where they are, once, from seven in the morning.
CREATE FUNCTION app.tell_due() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    due  record;
    told bigint := 0;
BEGIN
    FOR due IN SELECT t.tenant_id, t.owner_id, t.due_date, array_agg(t.id) AS tasks
        FROM app.workspace w
        JOIN app.task t ON t.tenant_id = w.tenant_id AND t.due_date BETWEEN current_date - 1 AND current_date + 1 AND t.deleted_at IS NULL AND t.status <> 'done'
        JOIN app."user" u ON u.tenant_id = t.tenant_id AND u.id = t.owner_id AND u.active AND u.deleted_at IS NULL
        WHERE t.due_date = (transaction_timestamp() AT TIME ZONE u.time_zone)::date
        AND extract(hour FROM transaction_timestamp() AT TIME ZONE u.time_zone) >= 7
        AND NOT EXISTS (SELECT FROM app.notification n WHERE n.tenant_id = t.tenant_id AND n.user_id = t.owner_id AND n.kind = 'due'
            AND n.marker = t.due_date::text AND n.record_id IN (t.id, ''))
        GROUP BY t.tenant_id, t.owner_id, t.due_date
    LOOP
        PERFORM app.tell(due.tenant_id, array_fill(due.owner_id, ARRAY[cardinality(due.tasks)]), 'due', due.tasks, '', due.due_date::text);
        told := told + 1;
    END LOOP;
    RETURN told;
END
$$;
SELECT app.serve('app.tell_due()', 'fieldstone_worker');

-- Queues a letter for everybody who has left something unread, once a day from seven in the morning where they are.
CREATE FUNCTION app.queue_digests() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    person record;
    queued bigint := 0;
BEGIN
    FOR person IN SELECT u.tenant_id, u.id, (transaction_timestamp() AT TIME ZONE u.time_zone)::date AS today, counts.of_kinds
        FROM app."user" u
        LEFT JOIN app.notification_setting s ON s.tenant_id = u.tenant_id AND s.user_id = u.id
        CROSS JOIN LATERAL (
            SELECT jsonb_object_agg(k.kind, k.many) AS of_kinds FROM (
                SELECT n.kind, count(*) AS many FROM app.notification n
                WHERE n.tenant_id = u.tenant_id AND n.user_id = u.id AND n.read_at IS NULL AND n.mailed_at IS NULL
                GROUP BY n.kind) k) counts
        WHERE u.active AND u.deleted_at IS NULL AND counts.of_kinds IS NOT NULL AND coalesce(s.digest, 'daily') = 'daily'
        AND extract(hour FROM transaction_timestamp() AT TIME ZONE u.time_zone) >= 7
        AND s.digest_on IS DISTINCT FROM (transaction_timestamp() AT TIME ZONE u.time_zone)::date
    LOOP
        INSERT INTO app.notification_setting AS s (tenant_id, user_id, digest_on) VALUES (person.tenant_id, person.id, person.today)
            ON CONFLICT (tenant_id, user_id) DO UPDATE SET digest_on = excluded.digest_on;
        UPDATE app.notification n SET mailed_at = transaction_timestamp()
            WHERE n.tenant_id = person.tenant_id AND n.user_id = person.id AND n.read_at IS NULL AND n.mailed_at IS NULL;
        PERFORM app.queue_letter(person.tenant_id, person.id, jsonb_build_object('kind', 'digest', 'counts', person.of_kinds));
        queued := queued + 1;
    END LOOP;
    RETURN queued;
END
$$;
SELECT app.serve('app.queue_digests()', 'fieldstone_worker');

-- Forgets hints of ten minutes ago and notifications that have had their time; nobody keeps more than 500.
CREATE FUNCTION app.tidy_notifications() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.change_hint h WHERE h.at < transaction_timestamp() - interval '10 minutes';
    DELETE FROM app.notification n WHERE n.read_at < transaction_timestamp() - interval '30 days'
        OR n.made_at < transaction_timestamp() - interval '90 days';
    DELETE FROM app.notification n USING (
        SELECT o.tenant_id, o.user_id, o.id, row_number() OVER (PARTITION BY o.tenant_id, o.user_id ORDER BY o.made_at DESC) AS place
        FROM app.notification o) o
        WHERE n.tenant_id = o.tenant_id AND n.user_id = o.user_id AND n.id = o.id AND o.place > 500;
END
$$;
SELECT app.serve('app.tidy_notifications()', 'fieldstone_worker');
