-- Letters, and how people come into a workspace, change and leave it.
--
--   letter          mail that waits to be sent, queued in the transaction of what causes it; look-up functions only.
--   mail_link       the one-time links that letters carry; look-up functions only.
--   invitation      who has been invited; owners and admins read.
--   reset_request   who says to have forgotten a password, until a job has answered.
--   email_change    changes of address that wait for both sides; look-up functions only.
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
    DELETE FROM app.reset_request r WHERE r.asked_at < transaction_timestamp() - interval '1 hour';
END
$$;
SELECT app.serve('app.tidy_letters()', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- People.

-- Users come by invitation or by an operator and change their address by links, through the functions below.
GRANT INSERT (tenant_id, id, email, email_key, name, name_key, role, locale, time_zone, created_at, updated_at),
    UPDATE (email, email_key, active, updated_at, updated_by_id, version) ON app."user" TO fieldstone_lookup;

-- An invitation is no user: nobody owns records, stands in lists of people or counts as a member before they have accepted. The user is made
-- when the invitation is accepted, by whoever has read the letter, and the address is the invitation's. So an address that was mistyped
-- leaves nothing behind, and withdrawing an invitation is all there is to do.
CREATE TABLE app.invitation (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    id            text COLLATE "C" NOT NULL CHECK (id ~ '^0IV[0-9A-Za-z]{12}$'),
    email         text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    email_key     text COLLATE "C" NOT NULL,
    role          text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    locale        text COLLATE "C" NOT NULL,
    -- the person who answers for it, or NULL for an operator
    invited_by_id text COLLATE "C",
    created_at    timestamptz NOT NULL,
    sent_at       timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    accepted_at   timestamptz,
    user_id       text COLLATE "C",
    withdrawn_at  timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX invitation_email ON app.invitation (tenant_id, email_key) WHERE accepted_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX invitation_invited_by_id ON app.invitation (tenant_id, invited_by_id) WHERE accepted_at IS NULL AND withdrawn_at IS NULL;
SELECT app.protect('app.invitation', 'administered');
-- Each carries a letter and a link, so only the functions below write.
REVOKE INSERT, UPDATE, DELETE ON app.invitation FROM fieldstone_app, fieldstone_worker;
SELECT app.permit_lookup('app.invitation', 'SELECT, INSERT, UPDATE (invited_by_id, sent_at, expires_at, accepted_at, user_id, withdrawn_at)');

-- Errors of these rules, besides those of V002: FS010 the address belongs to a member (DETAIL: the address), FS011 it is invited already
-- (DETAIL: the address), FS012 too many of these for now.

-- Whoever works under the context, if they may manage people and stand at least as high as `wanted_role`. For functions of this schema only.
CREATE FUNCTION app.check_manager(wanted_role text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.tenant_id() IS NULL OR app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins manage people' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF coalesce(app.role_rank(wanted_role), 99) > app.role_rank(app.role()) THEN
        RAISE EXCEPTION 'nobody grants or takes a role above their own' USING ERRCODE = 'FS004';
    END IF;
END
$$;
SELECT app.serve('app.check_manager(text)', 'fieldstone_owner');

-- Queues the letter of an invitation with a new link that is good for seven days. For functions of this schema only.
CREATE FUNCTION app.send_invitation(tenant text, invitation text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    until constant timestamptz := transaction_timestamp() + interval '7 days';
    sent  app.invitation;
BEGIN
    PERFORM app.end_mail_links(tenant, 'invitation', invitation);
    UPDATE app.invitation i SET sent_at = transaction_timestamp(), expires_at = until
        WHERE i.tenant_id = tenant AND i.id = invitation RETURNING i.* INTO STRICT sent;
    PERFORM app.queue_letter_to(tenant, sent.email, '', sent.locale, 'UTC', jsonb_build_object('kind', 'invitation',
            'inviter', coalesce((SELECT u.name FROM app."user" u WHERE u.tenant_id = tenant AND u.id = sent.invited_by_id), ''),
            'role', sent.role, 'until', until),
        app.make_mail_link(tenant, 'invitation', invitation, until), until);
END
$$;
SELECT app.serve('app.send_invitation(text, text)', 'fieldstone_owner');

-- Invites one address. `by` is NULL for an operator. For operators and functions of this schema only.
CREATE FUNCTION app.make_invitation(tenant text, by text, invitation text, address text, address_key text, wanted_role text, wanted_locale text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    open app.invitation;
BEGIN
    -- One invitation after the other, so that two of the same address find each other.
    PERFORM FROM app.workspace w WHERE w.tenant_id = tenant FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM app."user" u WHERE u.tenant_id = tenant AND u.email_key = address_key AND u.deleted_at IS NULL) THEN
        RAISE EXCEPTION 'this person is a member already' USING ERRCODE = 'FS010', DETAIL = address;
    END IF;
    SELECT i.* INTO open FROM app.invitation i
        WHERE i.tenant_id = tenant AND i.email_key = address_key AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL;
    IF open.expires_at > transaction_timestamp() THEN
        RAISE EXCEPTION 'this person is invited already' USING ERRCODE = 'FS011', DETAIL = address;
    END IF;
    IF open.id IS NOT NULL THEN
        UPDATE app.invitation i SET withdrawn_at = transaction_timestamp() WHERE i.tenant_id = tenant AND i.id = open.id;
    END IF;
    IF (SELECT count(*) FROM app.letter l WHERE l.tenant_id = tenant AND l.content ->> 'kind' = 'invitation'
        AND l.queued_at > transaction_timestamp() - interval '1 hour') >= 200
    THEN
        RAISE EXCEPTION 'too many invitations for now' USING ERRCODE = 'FS012';
    END IF;
    INSERT INTO app.invitation (tenant_id, id, email, email_key, role, locale, invited_by_id, created_at, sent_at, expires_at)
        VALUES (tenant, invitation, address, address_key, wanted_role, wanted_locale, by,
            transaction_timestamp(), transaction_timestamp(), transaction_timestamp());
    PERFORM app.send_invitation(tenant, invitation);
    PERFORM app.add_event(tenant, 'invitation.send', '', invitation, jsonb_build_object('email', address, 'role', wanted_role));
END
$$;
SELECT app.serve('app.make_invitation(text, text, text, text, text, text, text)', 'fieldstone_owner');

-- Invites several addresses at once, all or none.
CREATE FUNCTION app.invite(ids text[], addresses text[], address_keys text[], wanted_role text, wanted_locale text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.check_manager(wanted_role);
    IF NOT cardinality(ids) BETWEEN 1 AND 50 OR cardinality(addresses) <> cardinality(ids) OR cardinality(address_keys) <> cardinality(ids) THEN
        RAISE EXCEPTION 'between 1 and 50 addresses are invited at once' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR at IN 1..cardinality(ids) LOOP
        PERFORM app.make_invitation(app.tenant_id(), app.user_id(), ids[at], addresses[at], address_keys[at], wanted_role, wanted_locale);
    END LOOP;
END
$$;
SELECT app.serve('app.invite(text[], text[], text[], text, text)', 'fieldstone_app', 'fieldstone_worker');

-- Sends an invitation again: the link of the earlier letter opens nothing any more. False when it is not open.
CREATE FUNCTION app.resend_invitation(invitation text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    open app.invitation;
BEGIN
    PERFORM app.check_manager('viewer');
    SELECT i.* INTO open FROM app.invitation i WHERE i.tenant_id = app.tenant_id() AND i.id = invitation
        AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL FOR UPDATE;
    IF open.id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM app.check_manager(open.role);
    IF open.sent_at > transaction_timestamp() - interval '1 minute' THEN
        RAISE EXCEPTION 'a letter has just been sent' USING ERRCODE = 'FS012';
    END IF;
    UPDATE app.invitation i SET invited_by_id = app.user_id() WHERE i.tenant_id = open.tenant_id AND i.id = open.id;
    PERFORM app.send_invitation(open.tenant_id, open.id);
    PERFORM app.add_event(open.tenant_id, 'invitation.resend', '', open.id, jsonb_build_object('email', open.email));
    RETURN true;
END
$$;
SELECT app.serve('app.resend_invitation(text)', 'fieldstone_app', 'fieldstone_worker');

-- Takes an invitation back. False when it is not open.
CREATE FUNCTION app.withdraw_invitation(invitation text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    open app.invitation;
BEGIN
    PERFORM app.check_manager('viewer');
    SELECT i.* INTO open FROM app.invitation i WHERE i.tenant_id = app.tenant_id() AND i.id = invitation
        AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL FOR UPDATE;
    IF open.id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM app.check_manager(open.role);
    UPDATE app.invitation i SET withdrawn_at = transaction_timestamp() WHERE i.tenant_id = open.tenant_id AND i.id = open.id;
    PERFORM app.end_mail_links(open.tenant_id, 'invitation', open.id);
    PERFORM app.add_event(open.tenant_id, 'invitation.withdraw', '', open.id, jsonb_build_object('email', open.email));
    RETURN true;
END
$$;
SELECT app.serve('app.withdraw_invitation(text)', 'fieldstone_app', 'fieldstone_worker');

-- What the secret of a letter opens, while it does. For functions of this schema only.
CREATE FUNCTION app.living_link(hash bytea, OUT tenant_id text, OUT purpose text, OUT about text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    SELECT m.tenant_id, m.purpose, m.about INTO living_link.tenant_id, living_link.purpose, living_link.about
        FROM app.mail_link m WHERE m.token_hash = hash AND m.ended_at IS NULL AND m.expires_at > transaction_timestamp();
END
$$;
SELECT app.serve('app.living_link(bytea)', 'fieldstone_owner');

-- The invitation that the secret of a letter opens.
CREATE FUNCTION app.find_invitation(hash bytea)
RETURNS TABLE (workspace text, email text, role text, inviter text, time_zone text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT w.name, i.email, i.role, coalesce(u.name, ''), coalesce(u.time_zone, 'UTC')
        FROM app.living_link(hash) l
        JOIN app.invitation i ON i.tenant_id = l.tenant_id AND i.id = l.about AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL
        JOIN app.workspace w ON w.tenant_id = i.tenant_id
        LEFT JOIN app."user" u ON u.tenant_id = i.tenant_id AND u.id = i.invited_by_id
        WHERE l.purpose = 'invitation';
END
$$;
SELECT app.serve('app.find_invitation(bytea)', 'fieldstone_auth');

-- Makes a member of whoever has the secret of an invitation's letter. NULL when it opens nothing. The address and the role are the
-- invitation's, whatever the caller would like.
CREATE FUNCTION app.accept_invitation(hash bytea, new_id text, new_name text, new_name_key text, phc text, new_locale text, new_time_zone text,
    OUT tenant_id text, OUT user_id text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    open app.invitation;
BEGIN
    SELECT i.* INTO open FROM app.living_link(hash) l
        JOIN app.invitation i ON i.tenant_id = l.tenant_id AND i.id = l.about
        WHERE l.purpose = 'invitation' AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL FOR UPDATE OF i;
    IF open.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE app.invitation i SET accepted_at = transaction_timestamp(), user_id = new_id
        WHERE i.tenant_id = open.tenant_id AND i.id = open.id AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO app."user" (tenant_id, id, email, email_key, name, name_key, role, locale, time_zone, created_at, updated_at)
        VALUES (open.tenant_id, new_id, open.email, open.email_key, new_name, new_name_key, open.role, new_locale, new_time_zone,
            transaction_timestamp(), transaction_timestamp());
    UPDATE app.user_secret s SET password_phc = phc, changed_at = transaction_timestamp()
        WHERE s.tenant_id = open.tenant_id AND s.user_id = new_id;
    PERFORM app.end_mail_links(open.tenant_id, 'invitation', open.id);
    PERFORM app.add_event(open.tenant_id, 'invitation.accept', new_id, new_id,
        jsonb_build_object('invitation', open.id, 'email', open.email, 'role', open.role));
    tenant_id := open.tenant_id;
    user_id := new_id;
END
$$;
SELECT app.serve('app.accept_invitation(bytea, text, text, text, text, text, text)', 'fieldstone_auth');

-- ---------------------------------------------------------------------------------------------------------------------
-- A new password for somebody who has forgotten theirs.

-- What was asked and is not answered yet. Asking writes a row and nothing else, whether or not the address is known, so the time it
-- takes says nothing; a job answers.
CREATE TABLE app.reset_request (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email_key text COLLATE "C" NOT NULL CHECK (length(email_key) <= 254),
    slug      text COLLATE "C" CHECK (length(slug) <= 63),
    asked_at  timestamptz NOT NULL
);
SELECT app.protect('app.reset_request', 'system');
SELECT app.permit_lookup('app.reset_request', 'SELECT, INSERT, DELETE, UPDATE (asked_at)');

CREATE FUNCTION app.ask_password_reset(wanted_email_key text, wanted_slug text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    -- While nobody answers, the queue does not grow for ever.
    INSERT INTO app.reset_request (email_key, slug, asked_at)
        SELECT wanted_email_key, wanted_slug, transaction_timestamp()
        WHERE NOT EXISTS (SELECT FROM app.reset_request r OFFSET 10000);
END
$$;
SELECT app.serve('app.ask_password_reset(text, text)', 'fieldstone_auth');

-- Queues a letter with a link that sets a person's password within an hour. For operators and functions of this schema only.
-- False for somebody who is shut out.
CREATE FUNCTION app.send_password_reset(tenant text, person text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    until constant timestamptz := transaction_timestamp() + interval '1 hour';
BEGIN
    PERFORM app.queue_letter_to(u.tenant_id, u.email, u.name, u.locale, u.time_zone, '{"kind": "password_reset"}',
            app.make_mail_link(u.tenant_id, 'password_reset', u.id, until), until)
        FROM app."user" u WHERE u.tenant_id = tenant AND u.id = person AND u.active AND u.deleted_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.add_event(tenant, 'password.ask_reset', CASE WHEN session_user = 'fieldstone_owner' THEN 'operator' ELSE person END, person, '{}');
    RETURN true;
END
$$;
SELECT app.serve('app.send_password_reset(text, text)', 'fieldstone_owner');

-- Answers what was asked: a letter with a link for every person whom the address may mean, at most three in an hour for each.
CREATE FUNCTION app.answer_reset_requests() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    asked  app.reset_request;
    person record;
BEGIN
    FOR asked IN SELECT r.* FROM app.reset_request r ORDER BY r.id LIMIT 100 FOR UPDATE SKIP LOCKED LOOP
        FOR person IN SELECT s.tenant_id, s.user_id FROM app.user_secret s
            JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id AND u.active AND u.deleted_at IS NULL
            JOIN app.workspace w ON w.tenant_id = s.tenant_id AND (asked.slug IS NULL OR w.slug = asked.slug)
            WHERE s.email_key = asked.email_key ORDER BY w.slug LIMIT 20 LOOP
            IF (SELECT count(*) FROM app.mail_link m WHERE m.tenant_id = person.tenant_id AND m.about = person.user_id
                AND m.purpose = 'password_reset' AND m.created_at > transaction_timestamp() - interval '1 hour') < 3
            THEN
                PERFORM app.send_password_reset(person.tenant_id, person.user_id);
            END IF;
        END LOOP;
        DELETE FROM app.reset_request r WHERE r.id = asked.id;
    END LOOP;
END
$$;
SELECT app.serve('app.answer_reset_requests()', 'fieldstone_worker');

-- Whose password the secret of a letter may set.
CREATE FUNCTION app.find_password_reset(hash bytea)
RETURNS TABLE (tenant_id text, user_id text, workspace text, name text, email text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT u.tenant_id, u.id, w.name, u.name, u.email
        FROM app.living_link(hash) l
        JOIN app."user" u ON u.tenant_id = l.tenant_id AND u.id = l.about AND u.active AND u.deleted_at IS NULL
        JOIN app.workspace w ON w.tenant_id = u.tenant_id
        WHERE l.purpose = 'password_reset';
END
$$;
SELECT app.serve('app.find_password_reset(bytea)', 'fieldstone_auth');

-- Sets the password of whoever a letter was written to, once. Nobody is signed in by it: that takes the second factor of those who have one.
CREATE FUNCTION app.redeem_password_reset(hash bytea, phc text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    person record;
BEGIN
    SELECT f.tenant_id, f.user_id INTO person FROM app.find_password_reset(hash) f;
    IF person.user_id IS NULL THEN
        RETURN false;
    END IF;
    -- The one who ends the link is the one who uses it.
    UPDATE app.mail_link m SET ended_at = transaction_timestamp() WHERE m.token_hash = hash AND m.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM app.add_event(person.tenant_id, 'password.reset', person.user_id, person.user_id, '{}');
    PERFORM app.set_password(person.tenant_id, person.user_id, phc);
    RETURN true;
END
$$;
SELECT app.serve('app.redeem_password_reset(bytea, text)', 'fieldstone_auth');

-- ---------------------------------------------------------------------------------------------------------------------
-- Another e-mail address.

CREATE TABLE app.email_change (
    tenant_id        text COLLATE "C" NOT NULL,
    id               text COLLATE "C" NOT NULL,
    user_id          text COLLATE "C" NOT NULL,
    email            text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    email_key        text COLLATE "C" NOT NULL,
    asked_at         timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    new_confirmed_at timestamptz,
    old_confirmed_at timestamptz,
    ended_at         timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX email_change_user_id ON app.email_change (tenant_id, user_id);
SELECT app.protect('app.email_change', 'private');
SELECT app.permit_lookup('app.email_change', 'SELECT, INSERT, UPDATE (new_confirmed_at, old_confirmed_at, ended_at)');

-- Ends whatever change of address a person has under way; false when there is none. For functions of this schema only.
CREATE FUNCTION app.end_email_changes(tenant text, person text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    change text;
    ended  boolean := false;
BEGIN
    FOR change IN UPDATE app.email_change c SET ended_at = transaction_timestamp()
        WHERE c.tenant_id = tenant AND c.user_id = person AND c.ended_at IS NULL RETURNING c.id LOOP
        PERFORM app.end_mail_links(tenant, 'email_new', change);
        PERFORM app.end_mail_links(tenant, 'email_old', change);
        ended := true;
    END LOOP;
    RETURN ended;
END
$$;
SELECT app.serve('app.end_email_changes(text, text)', 'fieldstone_owner');

-- Asks for another address: a letter to it and one to the present one, and both have to be answered.
CREATE FUNCTION app.ask_email_change(new_address text, new_address_key text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    until  constant timestamptz := transaction_timestamp() + interval '1 day';
    change constant text := gen_random_uuid()::text;
    person record;
BEGIN
    SELECT u.tenant_id, u.id, u.email, u.name, u.locale, u.time_zone INTO person
        FROM app."user" u WHERE u.tenant_id = app.tenant_id() AND u.id = app.user_id();
    IF person.id IS NULL THEN
        RAISE EXCEPTION 'no tenant context' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    IF EXISTS (SELECT FROM app."user" u WHERE u.tenant_id = person.tenant_id AND u.email_key = new_address_key AND u.deleted_at IS NULL) THEN
        RAISE EXCEPTION 'this address is used in this workspace' USING ERRCODE = 'FS010', DETAIL = new_address;
    END IF;
    IF (SELECT count(*) FROM app.email_change c WHERE c.tenant_id = person.tenant_id AND c.user_id = person.id
        AND c.asked_at > transaction_timestamp() - interval '1 hour') >= 3
    THEN
        RAISE EXCEPTION 'too many changes of address for now' USING ERRCODE = 'FS012';
    END IF;
    PERFORM app.end_email_changes(person.tenant_id, person.id);
    INSERT INTO app.email_change (tenant_id, id, user_id, email, email_key, asked_at, expires_at)
        VALUES (person.tenant_id, change, person.id, new_address, new_address_key, transaction_timestamp(), until);
    PERFORM app.queue_letter_to(person.tenant_id, new_address, person.name, person.locale, person.time_zone, '{"kind": "email_new"}',
        app.make_mail_link(person.tenant_id, 'email_new', change, until), until);
    PERFORM app.queue_letter_to(person.tenant_id, person.email, person.name, person.locale, person.time_zone,
        jsonb_build_object('kind', 'email_old', 'email', new_address),
        app.make_mail_link(person.tenant_id, 'email_old', change, until), until);
    PERFORM app.add_event(person.tenant_id, 'email.ask_change', person.id, person.id, jsonb_build_object('to', new_address));
END
$$;
SELECT app.serve('app.ask_email_change(text, text)', 'fieldstone_app', 'fieldstone_worker');

-- The caller's own address and the change that is under way.
CREATE FUNCTION app.own_email() RETURNS TABLE (email text, new_email text, until timestamptz, new_confirmed boolean, old_confirmed boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT u.email, c.email, c.expires_at, c.new_confirmed_at IS NOT NULL, c.old_confirmed_at IS NOT NULL
        FROM app."user" u LEFT JOIN app.email_change c ON c.tenant_id = u.tenant_id AND c.user_id = u.id
            AND c.ended_at IS NULL AND c.expires_at > transaction_timestamp()
        WHERE u.tenant_id = app.tenant_id() AND u.id = app.user_id()
        ORDER BY c.asked_at DESC LIMIT 1;
END
$$;
SELECT app.serve('app.own_email()', 'fieldstone_app', 'fieldstone_worker');

CREATE FUNCTION app.stop_own_email_change() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NOT app.end_email_changes(app.tenant_id(), app.user_id()) THEN
        RETURN false;
    END IF;
    PERFORM app.add_event(app.tenant_id(), 'email.stop_change', app.user_id(), app.user_id(), '{}');
    RETURN true;
END
$$;
SELECT app.serve('app.stop_own_email_change()', 'fieldstone_app', 'fieldstone_worker');

-- The change of address that the secret of a letter opens, and from which side.
CREATE FUNCTION app.find_email_change(hash bytea)
RETURNS TABLE (tenant_id text, id text, user_id text, purpose text, workspace text, name text, old_email text, new_email text,
    new_confirmed boolean, old_confirmed boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT c.tenant_id, c.id, c.user_id, l.purpose, w.name, u.name, u.email, c.email,
            c.new_confirmed_at IS NOT NULL, c.old_confirmed_at IS NOT NULL
        FROM app.living_link(hash) l
        JOIN app.email_change c ON c.tenant_id = l.tenant_id AND c.id = l.about AND c.ended_at IS NULL AND c.expires_at > transaction_timestamp()
        JOIN app."user" u ON u.tenant_id = c.tenant_id AND u.id = c.user_id AND u.active AND u.deleted_at IS NULL
        JOIN app.workspace w ON w.tenant_id = c.tenant_id
        WHERE l.purpose IN ('email_new', 'email_old');
END
$$;
SELECT app.serve('app.find_email_change(bytea)', 'fieldstone_auth');

-- Confirms a change of address from the side that the letter went to, or stops it from the present address. Answers what came of it:
-- waiting (for the other side), done, stopped, taken (somebody has that address by now); NULL when the secret opens nothing.
CREATE FUNCTION app.answer_email_change(hash bytea, stop boolean) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    opened record;
    change app.email_change;
BEGIN
    SELECT f.* INTO opened FROM app.find_email_change(hash) f;
    IF opened.id IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT c.* INTO change FROM app.email_change c
        WHERE c.tenant_id = opened.tenant_id AND c.id = opened.id AND c.ended_at IS NULL FOR UPDATE;
    IF change.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF stop THEN
        IF opened.purpose <> 'email_old' THEN
            RETURN NULL;
        END IF;
        PERFORM app.end_email_changes(change.tenant_id, change.user_id);
        PERFORM app.add_event(change.tenant_id, 'email.stop_change', change.user_id, change.user_id, '{}');
        RETURN 'stopped';
    END IF;
    UPDATE app.mail_link m SET ended_at = transaction_timestamp() WHERE m.token_hash = hash AND m.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE app.email_change c
        SET new_confirmed_at = CASE WHEN opened.purpose = 'email_new' THEN transaction_timestamp() ELSE c.new_confirmed_at END,
            old_confirmed_at = CASE WHEN opened.purpose = 'email_old' THEN transaction_timestamp() ELSE c.old_confirmed_at END
        WHERE c.tenant_id = change.tenant_id AND c.id = change.id
        RETURNING c.* INTO change;
    PERFORM app.add_event(change.tenant_id, 'email.confirm', change.user_id, change.user_id,
        jsonb_build_object('at', CASE opened.purpose WHEN 'email_new' THEN change.email ELSE opened.old_email END));
    IF change.new_confirmed_at IS NULL OR change.old_confirmed_at IS NULL THEN
        RETURN 'waiting';
    END IF;
    PERFORM app.end_email_changes(change.tenant_id, change.user_id);
    BEGIN
        UPDATE app."user" u SET email = change.email, email_key = change.email_key, updated_at = transaction_timestamp(),
                updated_by_id = u.id, version = u.version + 1
            WHERE u.tenant_id = change.tenant_id AND u.id = change.user_id;
    EXCEPTION WHEN unique_violation THEN
        RETURN 'taken';
    END;
    -- Links for a new password went to the old address.
    PERFORM app.end_mail_links(change.tenant_id, 'password_reset', change.user_id);
    PERFORM app.queue_letter_to(u.tenant_id, opened.old_email, u.name, u.locale, u.time_zone,
            jsonb_build_object('kind', 'email_changed', 'email', u.email), NULL, NULL)
        FROM app."user" u WHERE u.tenant_id = change.tenant_id AND u.id = change.user_id;
    PERFORM app.add_event(change.tenant_id, 'email.change', change.user_id, change.user_id,
        jsonb_build_object('from', opened.old_email, 'to', change.email));
    RETURN 'done';
END
$$;
SELECT app.serve('app.answer_email_change(bytea, boolean)', 'fieldstone_auth');

-- ---------------------------------------------------------------------------------------------------------------------
-- What follows from a change of a person, whoever makes it.

-- A new password ends whatever else could set one, tells the person, and stops a change of address that may not have been theirs.
CREATE FUNCTION app.user_secret_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.end_mail_links(NEW.tenant_id, 'password_reset', NEW.user_id);
    PERFORM app.end_email_changes(NEW.tenant_id, NEW.user_id);
    UPDATE app.setup_link l SET used_at = transaction_timestamp()
        WHERE l.tenant_id = NEW.tenant_id AND l.user_id = NEW.user_id AND l.used_at IS NULL;
    IF OLD.password_phc IS NOT NULL THEN
        PERFORM app.queue_letter(NEW.tenant_id, NEW.user_id, '{"kind": "password_changed"}');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER changed AFTER UPDATE OF changed_at ON app.user_secret FOR EACH ROW
    WHEN (NEW.changed_at IS DISTINCT FROM OLD.changed_at) EXECUTE FUNCTION app.user_secret_changed();
SELECT app.serve('app.user_secret_changed()', 'fieldstone_owner');

-- Notes every change of role and access. Whoever may do less than before is signed out everywhere; whoever leaves takes along the tokens
-- and links that would otherwise open again on the day they come back, and their open invitations, which nobody answers for any more.
CREATE FUNCTION app.user_access_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    was    constant boolean := OLD.active AND OLD.deleted_at IS NULL;
    now_is constant boolean := NEW.active AND NEW.deleted_at IS NULL;
    rank   constant integer := CASE WHEN now_is AND NEW.role IN ('owner', 'admin') THEN app.role_rank(NEW.role) ELSE 0 END;
    open   text;
BEGIN
    IF was = now_is AND NEW.role = OLD.role THEN
        RETURN NULL;
    END IF;
    -- Before the head of the log, which comes last everywhere: so nobody waits for somebody who waits for them.
    PERFORM FROM app.workspace w WHERE w.tenant_id = NEW.tenant_id FOR NO KEY UPDATE;
    IF NEW.role <> OLD.role THEN
        PERFORM app.add_event(NEW.tenant_id, 'user.change_role', '', NEW.id, jsonb_build_object('from', OLD.role, 'to', NEW.role));
    END IF;
    IF was AND NOT now_is THEN
        PERFORM app.add_event(NEW.tenant_id, CASE WHEN app.user_id() = NEW.id THEN 'user.leave' ELSE 'user.deactivate' END, '', NEW.id, '{}');
        UPDATE app.api_token t SET ended_at = transaction_timestamp()
            WHERE t.tenant_id = NEW.tenant_id AND t.user_id = NEW.id AND t.ended_at IS NULL;
        UPDATE app.setup_link l SET used_at = transaction_timestamp()
            WHERE l.tenant_id = NEW.tenant_id AND l.user_id = NEW.id AND l.used_at IS NULL;
        PERFORM app.end_mail_links(NEW.tenant_id, 'password_reset', NEW.id);
        PERFORM app.end_email_changes(NEW.tenant_id, NEW.id);
    ELSIF now_is AND NOT was THEN
        PERFORM app.add_event(NEW.tenant_id, 'user.reactivate', '', NEW.id, '{}');
    END IF;
    IF (was AND NOT now_is) OR app.role_rank(NEW.role) < app.role_rank(OLD.role) THEN
        UPDATE app.session s SET ended_at = transaction_timestamp()
            WHERE s.tenant_id = NEW.tenant_id AND s.user_id = NEW.id AND s.ended_at IS NULL;
        FOR open IN UPDATE app.invitation i SET withdrawn_at = transaction_timestamp()
            WHERE i.tenant_id = NEW.tenant_id AND i.invited_by_id = NEW.id AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL
            AND app.role_rank(i.role) > rank RETURNING i.id LOOP
            PERFORM app.end_mail_links(NEW.tenant_id, 'invitation', open);
            PERFORM app.add_event(NEW.tenant_id, 'invitation.withdraw', '', open, jsonb_build_object('with', NEW.id));
        END LOOP;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER access_follow AFTER UPDATE OF role, active, deleted_at ON app."user" FOR EACH ROW EXECUTE FUNCTION app.user_access_follow();
SELECT app.serve('app.user_access_follow()', 'fieldstone_owner');

-- As in V002, but with a lock that lets rows of the workspace be added meanwhile: whoever adds one and then waits for the head of the log
-- would wait for ever.
CREATE OR REPLACE FUNCTION app.user_last_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF OLD.role = 'owner' AND OLD.active AND OLD.deleted_at IS NULL THEN
        PERFORM FROM app.workspace w WHERE w.tenant_id = OLD.tenant_id FOR NO KEY UPDATE;
        -- Without a workspace the whole tenant is being removed.
        IF FOUND AND NOT EXISTS (SELECT FROM app."user" u WHERE u.tenant_id = OLD.tenant_id
            AND u.role = 'owner' AND u.active AND u.deleted_at IS NULL)
        THEN
            RAISE EXCEPTION 'a workspace keeps at least one active owner' USING ERRCODE = 'FS003';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- The caller leaves the workspace. The last owner can't (FS003).
CREATE FUNCTION app.leave_workspace() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE app."user" u SET active = false, updated_at = transaction_timestamp(), updated_by_id = u.id, version = u.version + 1
        WHERE u.tenant_id = app.tenant_id() AND u.id = app.user_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no tenant context' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
END
$$;
SELECT app.serve('app.leave_workspace()', 'fieldstone_app', 'fieldstone_worker');

-- When each person was last seen, for those who manage people.
CREATE FUNCTION app.members_seen() RETURNS TABLE (user_id text, last_seen_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM app.check_manager('viewer');
    RETURN QUERY SELECT s.user_id, max(s.last_seen_at) FROM app.session s WHERE s.tenant_id = app.tenant_id() GROUP BY s.user_id;
END
$$;
SELECT app.serve('app.members_seen()', 'fieldstone_app', 'fieldstone_worker');
