-- Letters, and how people come into a workspace, change and leave it.
--
--   letter          mail that waits to be sent, queued in the transaction of what causes it; look-up functions only.
--   mail_link       the one-time links that letters carry; look-up functions only.
--
-- The secret of a link never stands in the queue: whoever claims a letter makes the secret, stores its SHA-256 here and sends it. A letter
-- that is sent again carries a new secret, and the older copy opens nothing.
--
-- Two gaps of earlier migrations are closed first: a viewer could add to the history and to the journal of imports, and every role could read
-- the audit log.

-- ---------------------------------------------------------------------------------------------------------------------
-- Classes of tables.

ALTER TABLE app.table_class DROP CONSTRAINT table_class_class_check;
ALTER TABLE app.table_class ADD CONSTRAINT table_class_class_check
    CHECK (class IN ('record', 'managed', 'administered', 'personal', 'append_only', 'audit', 'private', 'system'));

-- Protects one table; called by the migration that creates it, and again when its class changes.
--
--   record        every user of the tenant reads; owner, admin and member write
--   managed       every user of the tenant reads; owner and admin write
--   administered  owner and admin read and write; nobody else sees a row
--   personal      a user reads and writes their own rows (column user_id)
--   append_only   every user of the tenant reads; owner, admin and member add; nobody changes or removes
--   audit         owner and admin read; whatever anybody does may add; nobody changes or removes
--   private       tenant data that no serving role touches: look-up functions only
--   system        not tenant data, and no serving role touches it
CREATE OR REPLACE FUNCTION app.protect(target regclass, class text) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    own    constant text := 'tenant_id = (SELECT app.tenant_id())';
    mine   constant text := own || ' AND user_id = (SELECT app.user_id())';
    write  constant text := own || ' AND (SELECT app.can_write())';
    manage constant text := own || ' AND (SELECT app.can_manage())';
    -- who may do what; NULL: nobody
    reads   text;
    adds    text;
    changes text;
    policy  name;
BEGIN
    CASE class
        WHEN 'record' THEN reads := own; adds := write; changes := write;
        WHEN 'managed' THEN reads := own; adds := manage; changes := manage;
        WHEN 'administered' THEN reads := manage; adds := manage; changes := manage;
        WHEN 'append_only' THEN reads := own; adds := write;
        WHEN 'audit' THEN reads := manage; adds := own;
        WHEN 'personal', 'private', 'system' THEN NULL;
        ELSE RAISE EXCEPTION 'unknown class % for table %', class, target;
    END CASE;

    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    FOR policy IN SELECT p.polname FROM pg_catalog.pg_policy p WHERE p.polrelid = target AND p.polname <> 'look_up' LOOP
        EXECUTE format('DROP POLICY %I ON %s', policy, target);
    END LOOP;
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, fieldstone_app, fieldstone_auth, fieldstone_worker', target);

    -- FORCE binds the owner too. Without this policy a backfill would change 0 rows without an error, and a foreign
    -- key would validate over dangling rows.
    EXECUTE format('CREATE POLICY migrate ON %s TO fieldstone_owner USING (true) WITH CHECK (true)', target);

    IF reads IS NOT NULL THEN
        EXECUTE format('CREATE POLICY tenant_select ON %s FOR SELECT TO fieldstone_app, fieldstone_worker USING (%s)', target, reads);
        EXECUTE format('GRANT SELECT ON %s TO fieldstone_app, fieldstone_worker', target);
    END IF;
    IF adds IS NOT NULL THEN
        EXECUTE format('CREATE POLICY tenant_insert ON %s FOR INSERT TO fieldstone_app, fieldstone_worker WITH CHECK (%s)', target, adds);
        EXECUTE format('GRANT INSERT ON %s TO fieldstone_app, fieldstone_worker', target);
    END IF;
    IF changes IS NOT NULL THEN
        EXECUTE format('CREATE POLICY tenant_update ON %s FOR UPDATE TO fieldstone_app, fieldstone_worker USING (%s) WITH CHECK (%s)', target, changes, changes);
        EXECUTE format('CREATE POLICY tenant_delete ON %s FOR DELETE TO fieldstone_app, fieldstone_worker USING (%s)', target, changes);
        EXECUTE format('GRANT UPDATE, DELETE ON %s TO fieldstone_app, fieldstone_worker', target);
    END IF;
    IF class = 'personal' THEN
        EXECUTE format('CREATE POLICY own_rows ON %s TO fieldstone_app, fieldstone_worker USING (%s) WITH CHECK (%s)', target, mine, mine);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO fieldstone_app, fieldstone_worker', target);
    END IF;

    INSERT INTO app.table_class (table_name, class)
    SELECT c.relname, protect.class FROM pg_catalog.pg_class c WHERE c.oid = target
    ON CONFLICT (table_name) DO UPDATE SET class = excluded.class;
END
$$;

SELECT app.protect('app.history', 'append_only');
SELECT app.protect('app.import_batch', 'append_only');
SELECT app.protect('app.audit_event', 'audit');

-- The number of the first event of the caller's tenant at which the chain breaks; NULL when it is whole. For those who read the log:
-- anybody else would see an empty chain, which is a broken one.
CREATE OR REPLACE FUNCTION app.audit_first_break() RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    IF app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins read the audit log' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN coalesce(
        (SELECT min(e.seq) FROM (
            SELECT a.seq, a.hash = app.audit_hash(a) AS own,
                lag(a.hash, 1, sha256(convert_to(a.tenant_id, 'UTF8'))) OVER w = a.prev_hash AS linked,
                a.seq = lag(a.seq, 1, 0::bigint) OVER w + 1 AS next
            FROM app.audit_event a WHERE a.tenant_id = (SELECT app.tenant_id()) WINDOW w AS (ORDER BY a.seq)
        ) e WHERE NOT (e.own AND e.linked AND e.next)),
        (SELECT coalesce(l.seq, 0) + 1 FROM app.own_audit_head() h
            LEFT JOIN LATERAL (SELECT a.seq, a.hash FROM app.audit_event a WHERE a.tenant_id = (SELECT app.tenant_id()) ORDER BY a.seq DESC LIMIT 1) l ON true
            WHERE (h.seq, h.hash) IS DISTINCT FROM (l.seq, l.hash)));
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Jobs.

-- Makes this connection the one that runs `job`, until it ends; false while another connection is. Asked once for each connection.
CREATE FUNCTION app.lead_job(job text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN pg_try_advisory_lock(1179603028, hashtext(job));
END
$$;
SELECT app.serve('app.lead_job(text)', 'fieldstone_worker');

-- Forgets answers to requests that are older than `seconds`, of all tenants, at most `most` of each; says how many.
CREATE FUNCTION app.purge_idempotency_keys(seconds integer, most integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    tenant text;
    gone   bigint;
    purged bigint := 0;
BEGIN
    FOR tenant IN SELECT w.tenant_id FROM app.workspace w LOOP
        DELETE FROM app.idempotency_key k WHERE k.tenant_id = tenant AND (k.user_id, k.key) IN (
            SELECT o.user_id, o.key FROM app.idempotency_key o
            WHERE o.tenant_id = tenant AND o.created_at < transaction_timestamp() - make_interval(secs => seconds) LIMIT most);
        GET DIAGNOSTICS gone = ROW_COUNT;
        purged := purged + gone;
    END LOOP;
    RETURN purged;
END
$$;
SELECT app.permit_lookup('app.idempotency_key', 'SELECT (tenant_id, user_id, key, created_at), DELETE');
SELECT app.serve('app.purge_idempotency_keys(integer, integer)', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- Letters.

-- Adds an event to a tenant's log: by whoever works under a context, else by `who`. For functions of this schema only.
CREATE FUNCTION app.add_event(tenant text, event text, who text, whom text, more jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, target, detail, prev_hash, hash)
        VALUES (tenant, 0, transaction_timestamp(), who, event, whom, more, '', '');
END
$$;
SELECT app.serve('app.add_event(text, text, text, text, jsonb)', 'fieldstone_owner');

CREATE TABLE app.mail_link (
    tenant_id  text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    purpose    text COLLATE "C" NOT NULL CHECK (purpose IN ('invitation', 'password_reset', 'email_new', 'email_old')),
    -- whom or what it is about: a user's, an invitation's or an e-mail change's id
    about      text COLLATE "C" NOT NULL,
    -- set when the letter is sent; until then nothing opens it
    token_hash bytea CONSTRAINT mail_link_lookup UNIQUE CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id) REFERENCES app.workspace (tenant_id) ON DELETE CASCADE
);
CREATE INDEX mail_link_about ON app.mail_link (tenant_id, about) WHERE ended_at IS NULL;
SELECT app.protect('app.mail_link', 'private');
SELECT app.permit_lookup('app.mail_link', 'SELECT, INSERT, UPDATE (token_hash, ended_at), DELETE');

CREATE TABLE app.letter (
    tenant_id     text COLLATE "C" NOT NULL,
    id            text COLLATE "C" NOT NULL,
    address       text NOT NULL CHECK (length(address) BETWEEN 3 AND 254),
    name          text NOT NULL,
    locale        text COLLATE "C" NOT NULL,
    time_zone     text COLLATE "C" NOT NULL,
    -- {"kind": …} and what the text of that kind needs
    content       jsonb NOT NULL CHECK (content ? 'kind'),
    link_id       text COLLATE "C",
    queued_at     timestamptz NOT NULL,
    due_at        timestamptz NOT NULL,
    -- when it would be of no use any more
    expires_at    timestamptz NOT NULL,
    attempts      integer NOT NULL DEFAULT 0,
    claim         text COLLATE "C",
    claimed_until timestamptz,
    sent_at       timestamptz,
    given_up_at   timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id) REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, link_id) REFERENCES app.mail_link (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX letter_due_lookup ON app.letter (due_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX letter_link_id ON app.letter (tenant_id, link_id);
SELECT app.protect('app.letter', 'private');
SELECT app.permit_lookup('app.letter', 'SELECT, INSERT, UPDATE (due_at, attempts, claim, claimed_until, sent_at, given_up_at), DELETE');

-- Queues a letter to an address. For functions of this schema only; they know that the address is one the tenant may write to.
CREATE FUNCTION app.queue_letter_to(tenant text, to_address text, to_name text, to_locale text, to_time_zone text, content jsonb,
    link text, until timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.letter (tenant_id, id, address, name, locale, time_zone, content, link_id, queued_at, due_at, expires_at)
        VALUES (tenant, gen_random_uuid()::text, to_address, to_name, to_locale, to_time_zone, content, link,
            transaction_timestamp(), transaction_timestamp(),
            least(transaction_timestamp() + interval '1 day', until));
END
$$;
SELECT app.serve('app.queue_letter_to(text, text, text, text, text, jsonb, text, timestamptz)', 'fieldstone_owner');

-- Queues a letter without a link to a person, in their language. For functions of this schema, which call it in the transaction of what
-- the letter tells. `content` is what `mail::Letter` reads, e.g. {"kind": "password_changed"}.
CREATE FUNCTION app.queue_letter(tenant text, person text, content jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.queue_letter_to(u.tenant_id, u.email, u.name, u.locale, u.time_zone, content, NULL, NULL)
        FROM app."user" u WHERE u.tenant_id = tenant AND u.id = person AND u.deleted_at IS NULL;
END
$$;
SELECT app.serve('app.queue_letter(text, text, jsonb)', 'fieldstone_owner');

-- Makes a link that opens nothing until its letter is sent. For functions of this schema only.
CREATE FUNCTION app.make_mail_link(tenant text, purpose text, about text, until timestamptz) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    made constant text := gen_random_uuid()::text;
BEGIN
    INSERT INTO app.mail_link (tenant_id, id, purpose, about, created_at, expires_at)
        VALUES (tenant, made, purpose, about, transaction_timestamp(), until);
    RETURN made;
END
$$;
SELECT app.serve('app.make_mail_link(text, text, text, timestamptz)', 'fieldstone_owner');

-- Ends the links about somebody or something, and takes their letters out of the queue. For functions of this schema only.
CREATE FUNCTION app.end_mail_links(tenant text, of_purpose text, of_about text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.letter l USING app.mail_link m
        WHERE m.tenant_id = tenant AND m.purpose = of_purpose AND m.about = of_about
        AND l.tenant_id = m.tenant_id AND l.link_id = m.id AND l.sent_at IS NULL;
    UPDATE app.mail_link m SET ended_at = transaction_timestamp()
        WHERE m.tenant_id = tenant AND m.purpose = of_purpose AND m.about = of_about AND m.ended_at IS NULL;
END
$$;
SELECT app.serve('app.end_mail_links(text, text, text)', 'fieldstone_owner');

-- Claims the letter that has waited longest, for `lease` seconds. `hash` becomes that of its link, if it carries one.
--
-- What is claimed and not reported comes back when the lease ends: only then can a letter go out twice, and its first copy opens nothing.
CREATE FUNCTION app.claim_letter(claim_id text, hash bytea, lease integer)
RETURNS TABLE (tenant_id text, id text, address text, name text, locale text, time_zone text, workspace text, content jsonb,
    has_link boolean, queued_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    mine app.letter;
BEGIN
    UPDATE app.letter l SET claim = claim_id, attempts = l.attempts + 1, claimed_until = transaction_timestamp() + make_interval(secs => lease)
        WHERE (l.tenant_id, l.id) = (
            SELECT d.tenant_id, d.id FROM app.letter d
            WHERE d.sent_at IS NULL AND d.given_up_at IS NULL AND d.due_at <= transaction_timestamp()
            AND d.expires_at > transaction_timestamp() AND (d.claimed_until IS NULL OR d.claimed_until <= transaction_timestamp())
            ORDER BY d.due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING l.* INTO mine;
    IF mine.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE app.mail_link m SET token_hash = hash
        WHERE m.tenant_id = mine.tenant_id AND m.id = mine.link_id AND m.ended_at IS NULL;
    RETURN QUERY SELECT mine.tenant_id, mine.id, mine.address, mine.name, mine.locale, mine.time_zone, w.name, mine.content,
            mine.link_id IS NOT NULL, mine.queued_at
        FROM app.workspace w WHERE w.tenant_id = mine.tenant_id;
END
$$;
SELECT app.serve('app.claim_letter(text, bytea, integer)', 'fieldstone_worker');

CREATE FUNCTION app.letter_sent(tenant text, letter text, claim_id text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.letter l SET sent_at = transaction_timestamp(), claimed_until = NULL
        WHERE l.tenant_id = tenant AND l.id = letter AND l.claim = claim_id AND l.sent_at IS NULL;
END
$$;
SELECT app.serve('app.letter_sent(text, text, text)', 'fieldstone_worker');

-- Gives a letter up and says so in the tenant's log. For functions of this schema only.
CREATE FUNCTION app.give_letter_up(tenant text, letter text, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    lost app.letter;
BEGIN
    UPDATE app.letter l SET given_up_at = transaction_timestamp(), claimed_until = NULL
        WHERE l.tenant_id = tenant AND l.id = letter AND l.sent_at IS NULL AND l.given_up_at IS NULL
        RETURNING l.* INTO lost;
    IF lost.id IS NOT NULL THEN
        PERFORM app.add_event(tenant, 'letter.give_up', 'system', letter, jsonb_build_object('kind', lost.content ->> 'kind',
            'address', lost.address, 'attempts', lost.attempts, 'reason', left(reason, 200)));
    END IF;
END
$$;
SELECT app.serve('app.give_letter_up(text, text, text)', 'fieldstone_owner');

-- A letter that could not be sent: tried again after a while that doubles each time up to an hour, or given up when that can't help.
CREATE FUNCTION app.letter_failed(tenant text, letter text, claim_id text, reason text, for_good boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app.letter l SET claimed_until = NULL,
            due_at = transaction_timestamp() + make_interval(secs => least(60 * 2 ^ least(l.attempts - 1, 6), 3600))
        WHERE l.tenant_id = tenant AND l.id = letter AND l.claim = claim_id AND l.sent_at IS NULL;
    IF FOUND AND for_good THEN
        PERFORM app.give_letter_up(tenant, letter, reason);
    END IF;
END
$$;
SELECT app.serve('app.letter_failed(text, text, text, text, boolean)', 'fieldstone_worker');

-- Gives up what has been tried for a day or is of no use any more, and forgets what left a week ago and links that ended a month ago.
CREATE FUNCTION app.tidy_letters() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.give_letter_up(d.tenant_id, d.id, 'not accepted in time')
        FROM (SELECT l.tenant_id, l.id FROM app.letter l
            WHERE l.sent_at IS NULL AND l.given_up_at IS NULL AND l.expires_at <= transaction_timestamp()
            AND (l.claimed_until IS NULL OR l.claimed_until <= transaction_timestamp())
            LIMIT 100 FOR UPDATE SKIP LOCKED) d;
    DELETE FROM app.letter l WHERE coalesce(l.sent_at, l.given_up_at) < transaction_timestamp() - interval '7 days';
    DELETE FROM app.mail_link m WHERE least(m.ended_at, m.expires_at) < transaction_timestamp() - interval '30 days';
END
$$;
SELECT app.serve('app.tidy_letters()', 'fieldstone_worker');
