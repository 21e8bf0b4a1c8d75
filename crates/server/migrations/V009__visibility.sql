-- Visibility: whose records a person sees, and which fields.
--
--   "user".visibility   all, team or own; admins and owners see all whatever it says
--   team                teams of people, as a tree; whoever is in a team sees what the teams below it have, too
--   team_member         who is in which team; a person can be in several
--   field_setting       who reads and who sets a standard field (a custom field says it itself, in its facts)
--
-- The server puts the owners in sight into every query. The policies here are a second wall behind it: app.enter() seals the person's
-- visibility with the context, and the tables of records show nobody else's rows. What finds words and keys (search_token, field_value) has
-- no owner and no such policy: it leads to ids, and nothing is read by an id but through these tables.
--
-- member_version moves for everybody whose sight changes, so that it does so with the next statement.

ALTER TABLE app."user" ADD COLUMN visibility text COLLATE "C";
UPDATE app."user" SET visibility = 'all';
ALTER TABLE app."user" ALTER COLUMN visibility SET NOT NULL;
ALTER TABLE app."user" ADD CONSTRAINT user_visibility CHECK (visibility IN ('all', 'team', 'own'));
GRANT SELECT (visibility) ON app."user" TO fieldstone_lookup;

-- New people see what the workspace says for them (settings.visibility); a change of visibility is a change of access.
GRANT SELECT (settings) ON app.workspace TO fieldstone_lookup;
CREATE FUNCTION app.user_visibility() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.visibility := coalesce(NEW.visibility,
            (SELECT w.settings ->> 'visibility' FROM app.workspace w WHERE w.tenant_id = NEW.tenant_id), 'all');
    ELSIF NEW.visibility <> OLD.visibility THEN
        NEW.member_version := greatest(NEW.member_version, OLD.member_version + 1);
    END IF;
    RETURN NEW;
END
$$;
-- After "guard" by its name, which sets member_version from what else has changed.
CREATE TRIGGER visibility BEFORE INSERT OR UPDATE ON app."user" FOR EACH ROW EXECUTE FUNCTION app.user_visibility();
SELECT app.serve('app.user_visibility()', 'fieldstone_owner');

CREATE TABLE app.team (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    id         text COLLATE "C" NOT NULL CHECK (id ~ '^0TE[0-9A-Za-z]{12}$'),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    name_key   text COLLATE "C" NOT NULL,
    parent_id  text COLLATE "C",
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (parent_id <> id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES app.team (tenant_id, id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX team_name ON app.team (tenant_id, name_key);
CREATE INDEX team_parent_id ON app.team (tenant_id, parent_id);
SELECT app.protect('app.team', 'managed');
SELECT app.permit_lookup('app.team', 'SELECT (tenant_id, id, parent_id)');

CREATE TABLE app.team_member (
    tenant_id text COLLATE "C" NOT NULL,
    team_id   text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, team_id, user_id),
    FOREIGN KEY (tenant_id, team_id) REFERENCES app.team (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX team_member_user_id ON app.team_member (tenant_id, user_id);
SELECT app.protect('app.team_member', 'managed');
SELECT app.permit_lookup('app.team_member', 'SELECT');

-- A team is never below itself. The lock on the workspace makes two moves wait for each other: each alone might be right. FS009.
CREATE FUNCTION app.team_tree() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    at    text := NEW.parent_id;
    depth integer := 0;
BEGIN
    PERFORM FROM app.workspace w WHERE w.tenant_id = NEW.tenant_id FOR NO KEY UPDATE;
    WHILE at IS NOT NULL LOOP
        depth := depth + 1;
        IF at = NEW.id OR depth > 20 THEN
            RAISE EXCEPTION 'a team is never below itself, nor more than 20 levels deep' USING ERRCODE = 'FS009';
        END IF;
        SELECT t.parent_id INTO at FROM app.team t WHERE t.tenant_id = NEW.tenant_id AND t.id = at;
    END LOOP;
    RETURN NEW;
END
$$;
CREATE TRIGGER tree BEFORE INSERT OR UPDATE OF parent_id ON app.team FOR EACH ROW EXECUTE FUNCTION app.team_tree();
SELECT app.serve('app.team_tree()', 'fieldstone_owner');

-- Whoever sees by teams may see something else now.
CREATE FUNCTION app.teams_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app."user" u SET member_version = u.member_version + 1
        WHERE u.tenant_id = CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant_id ELSE NEW.tenant_id END AND u.visibility = 'team';
    RETURN NULL;
END
$$;
CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE OF parent_id ON app.team FOR EACH ROW EXECUTE FUNCTION app.teams_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON app.team_member FOR EACH ROW EXECUTE FUNCTION app.teams_changed();
SELECT app.serve('app.teams_changed()', 'fieldstone_owner');

-- ---------------------------------------------------------------------------------------------------------------------
-- The sealed context says how far its person sees.

-- app.enter() as the migrations before have made it, with one more field in what it seals. Admins and owners see all.
DO $migration$
DECLARE
    body text := pg_get_functiondef('app.enter(text, text, bigint, bigint)'::regprocedure);
    change record;
BEGIN
    FOR change IN SELECT * FROM (VALUES
        ('SELECT u.role, u.active AND', 'SELECT u.role, CASE WHEN u.role IN (''owner'', ''admin'') THEN ''all'' ELSE u.visibility END AS visibility, u.active AND'),
        ('|| ''|'' || part[5] || ''|'';', '|| ''|'' || part[5] || ''|'' || person.visibility || ''|'';')
    ) AS c(old, new) LOOP
        IF length(replace(body, change.old, '')) <> length(body) - length(change.old) THEN
            RAISE EXCEPTION 'app.enter() is not what this migration knows: %', change.old;
        END IF;
        body := replace(body, change.old, change.new);
    END LOOP;
    EXECUTE body;
END
$migration$;

-- Whose records the person of this transaction sees: NULL for everybody's. Themselves are always among them.
CREATE FUNCTION app.visible_owners() RETURNS text[] LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    sealed  constant text := current_setting('app.context', true);
    plain   text;
    pad_in  bytea;
    pad_out bytea;
    me      text;
    tenant  text;
BEGIN
    IF sealed IS NULL OR sealed = '' THEN
        RETURN '{}';
    END IF;
    SELECT k.inner_pad, k.outer_pad INTO pad_in, pad_out
        FROM app.seal_key k WHERE k.kid::text = split_part(sealed, '|', 2);
    plain := left(sealed, -64);
    IF pad_in IS NULL OR sha256(pad_out || convert_to(right(sealed, 64), 'UTF8')) IS DISTINCT FROM
        sha256(pad_out || convert_to(encode(sha256(pad_out || sha256(pad_in || int4send(pg_backend_pid())
            || timestamptz_send(transaction_timestamp()) || convert_to(plain, 'UTF8'))), 'hex'), 'UTF8'))
    THEN
        RAISE EXCEPTION 'the tenant context is not valid here' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    tenant := split_part(plain, '|', 3);
    me := split_part(plain, '|', 4);
    RETURN CASE split_part(plain, '|', 6)
        WHEN 'all' THEN NULL
        WHEN 'team' THEN (
            WITH RECURSIVE seen (id) AS (
                SELECT m.team_id FROM app.team_member m WHERE m.tenant_id = tenant AND m.user_id = me
                UNION
                SELECT t.id FROM seen s JOIN app.team t ON t.tenant_id = tenant AND t.parent_id = s.id
            )
            SELECT array_agg(DISTINCT o.id) FROM (
                SELECT me UNION ALL
                SELECT m.user_id FROM seen s JOIN app.team_member m ON m.tenant_id = tenant AND m.team_id = s.id
            ) o (id))
        ELSE ARRAY[me]
    END;
END
$$;
SELECT app.serve('app.visible_owners()', 'fieldstone_app', 'fieldstone_worker');

-- Narrows the policies of a table of records to rows that pass `seen`.
CREATE FUNCTION app.protect_sight(target regclass, seen text) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    policy record;
BEGIN
    FOR policy IN SELECT p.polname AS name, pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS reads, pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS writes
        FROM pg_catalog.pg_policy p WHERE p.polrelid = target AND starts_with(p.polname::text, 'tenant_')
    LOOP
        EXECUTE format('ALTER POLICY %I ON %s', policy.name, target)
            || CASE WHEN policy.reads IS NULL THEN '' ELSE format(' USING (%s AND %s)', policy.reads, seen) END
            || CASE WHEN policy.writes IS NULL THEN '' ELSE format(' WITH CHECK (%s AND %s)', policy.writes, seen) END;
    END LOOP;
END
$$;

-- NULL is everybody: comparing with it is unknown, and unknown isn't false. One look-up for a statement, and none for each row.
DO $migration$
DECLARE
    target regclass;
BEGIN
    FOREACH target IN ARRAY ARRAY['app.account', 'app.contact', 'app.deal', 'app.lead', 'app.task', 'app.event', 'app.call', 'app.note',
        'app."case"', 'app.custom_record']::regclass[]
    LOOP
        PERFORM app.protect_sight(target, '(owner_id = ANY ((SELECT app.visible_owners())::text[])) IS NOT FALSE');
    END LOOP;
    PERFORM app.protect_sight('app.deal_line', 'CASE WHEN (SELECT app.visible_owners()) IS NULL THEN true
        ELSE EXISTS (SELECT FROM app.deal d WHERE d.tenant_id = deal_line.tenant_id AND d.id = deal_line.deal_id) END');
END
$migration$;

-- Whether the person sees a record, by its id: what has no owner of its own asks this.
CREATE FUNCTION app.sees_record(record text) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    RETURN CASE left(record, 3)
        WHEN '001' THEN EXISTS (SELECT FROM app.account t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN '003' THEN EXISTS (SELECT FROM app.contact t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN '006' THEN EXISTS (SELECT FROM app.deal t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN '00Q' THEN EXISTS (SELECT FROM app.lead t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN '00T' THEN EXISTS (SELECT FROM app.task t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN '00U' THEN EXISTS (SELECT FROM app.event t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN 'fC0' THEN EXISTS (SELECT FROM app.call t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN '002' THEN EXISTS (SELECT FROM app.note t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN '500' THEN EXISTS (SELECT FROM app."case" t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        WHEN '00k' THEN EXISTS (SELECT FROM app.deal_line t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
        ELSE CASE WHEN starts_with(record, 'a')
            THEN EXISTS (SELECT FROM app.custom_record t WHERE t.tenant_id = (SELECT app.tenant_id()) AND t.id = record)
            ELSE true END
    END;
END
$$;
GRANT EXECUTE ON FUNCTION app.sees_record(text) TO fieldstone_app, fieldstone_worker;

ALTER POLICY tenant_select ON app.history USING (tenant_id = (SELECT app.tenant_id())
    AND CASE WHEN (SELECT app.visible_owners()) IS NULL THEN true ELSE app.sees_record(record_id) END);

-- ---------------------------------------------------------------------------------------------------------------------
-- What is taken, by whatever is out of sight. They answer whether, for ids and keys that the caller names, and nothing else.

DO $migration$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['app.account', 'app.contact', 'app.deal', 'app.lead', 'app."case"', 'app.deal_line', 'app.custom_record'] LOOP
        PERFORM app.permit_lookup(target::regclass, 'SELECT (tenant_id, id, deleted_at, external_id_key)');
    END LOOP;
    FOREACH target IN ARRAY ARRAY['app.task', 'app.event', 'app.call', 'app.note'] LOOP
        PERFORM app.permit_lookup(target::regclass, 'SELECT (tenant_id, id)');
    END LOOP;
    GRANT SELECT (object) ON app.custom_record TO fieldstone_lookup;
    PERFORM app.permit_lookup('app.field_value', 'SELECT');
END
$migration$;

CREATE FUNCTION app.taken_ids(wanted text[]) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT t.id FROM app.account t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.contact t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.deal t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.lead t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.task t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.event t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.call t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.note t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app."case" t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.deal_line t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted) UNION ALL
    SELECT t.id FROM app.custom_record t WHERE t.tenant_id = app.tenant_id() AND t.id = ANY (wanted)
$$;
SELECT app.serve('app.taken_ids(text[])', 'fieldstone_app', 'fieldstone_worker');

CREATE FUNCTION app.taken_external_ids(of_object text, wanted text[]) RETURNS TABLE (id text, key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT t.id, t.external_id_key FROM app.account t WHERE of_object = 'account' AND t.tenant_id = app.tenant_id() AND t.external_id_key = ANY (wanted) AND t.deleted_at IS NULL UNION ALL
    SELECT t.id, t.external_id_key FROM app.contact t WHERE of_object = 'contact' AND t.tenant_id = app.tenant_id() AND t.external_id_key = ANY (wanted) AND t.deleted_at IS NULL UNION ALL
    SELECT t.id, t.external_id_key FROM app.deal t WHERE of_object = 'deal' AND t.tenant_id = app.tenant_id() AND t.external_id_key = ANY (wanted) AND t.deleted_at IS NULL UNION ALL
    SELECT t.id, t.external_id_key FROM app.lead t WHERE of_object = 'lead' AND t.tenant_id = app.tenant_id() AND t.external_id_key = ANY (wanted) AND t.deleted_at IS NULL UNION ALL
    SELECT t.id, t.external_id_key FROM app."case" t WHERE of_object = 'case' AND t.tenant_id = app.tenant_id() AND t.external_id_key = ANY (wanted) AND t.deleted_at IS NULL UNION ALL
    SELECT t.id, t.external_id_key FROM app.deal_line t WHERE of_object = 'deal_line' AND t.tenant_id = app.tenant_id() AND t.external_id_key = ANY (wanted) AND t.deleted_at IS NULL UNION ALL
    SELECT t.id, t.external_id_key FROM app.custom_record t WHERE t.object = of_object AND t.tenant_id = app.tenant_id() AND t.external_id_key = ANY (wanted) AND t.deleted_at IS NULL
$$;
SELECT app.serve('app.taken_external_ids(text, text[])', 'fieldstone_app', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- Fields.

CREATE TABLE app.field_setting (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    object     text COLLATE "C" NOT NULL CHECK (object ~ '^[a-z][a-z0-9_]{0,39}$'),
    field      text COLLATE "C" NOT NULL CHECK (field ~ '^[a-z][a-z0-9_]{0,59}$'),
    read_role  text COLLATE "C" NOT NULL CHECK (read_role IN ('viewer', 'member', 'admin')),
    write_role text COLLATE "C" NOT NULL CHECK (write_role IN ('viewer', 'member', 'admin')),
    PRIMARY KEY (tenant_id, object, field)
);
SELECT app.protect('app.field_setting', 'managed');
CREATE TRIGGER bump_schema AFTER INSERT OR UPDATE OR DELETE ON app.field_setting FOR EACH ROW EXECUTE FUNCTION app.bump_schema();

-- An answer that is kept is given again only to the same sight: as which member, and over which fields.
ALTER TABLE app.idempotency_key ADD COLUMN sight text COLLATE "C" NOT NULL DEFAULT '';
