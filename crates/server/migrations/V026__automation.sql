-- Rules of a workspace that do something when a record is made, changes or reaches a day; and other systems that are told of it.
--
--   webhook           an address that is told, with the sealed secret that signs what it is told
--   webhook_delivery  what it is told: waiting, sent or given up, and how often it was tried
--   automation_rule   when, if, then; and as whom
--   automation_event  what a rule has still to look at, written in the transaction of the change by a trigger of the history
--   automation_run    what came of it
--
-- A rule acts as a service account, with the rights of its role at that moment. What such an account changes starts no rule, and a rule
-- that runs too often is switched off.

CREATE TABLE app.webhook (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    id         text COLLATE "C" NOT NULL CHECK (id ~ '^0WH[0-9A-Za-z]{12}$'),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    url        text NOT NULL CHECK (length(url) <= 2000),
    sealed     bytea NOT NULL,
    -- Counts the secrets: each is sealed for its number.
    secret_no  bigint NOT NULL DEFAULT 1,
    active     boolean NOT NULL DEFAULT true,
    by_id      text COLLATE "C" NOT NULL,
    made_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT app.protect('app.webhook', 'administered');
SELECT app.permit_lookup('app.webhook', 'SELECT (tenant_id, id, url, sealed, secret_no, active)');

CREATE TABLE app.webhook_delivery (
    tenant_id     text COLLATE "C" NOT NULL,
    id            text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    webhook_id    text COLLATE "C" NOT NULL,
    body          text NOT NULL CHECK (octet_length(body) <= 524288),
    state         text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
    attempts      integer NOT NULL DEFAULT 0,
    due_at        timestamptz NOT NULL,
    -- What the last try was answered, or why it wasn't.
    status        integer,
    problem       text COLLATE "C" CHECK (length(problem) <= 60),
    made_at       timestamptz NOT NULL,
    tried_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES app.webhook (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_delivery_due ON app.webhook_delivery (tenant_id, due_at) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_webhook ON app.webhook_delivery (tenant_id, webhook_id, made_at);
SELECT app.protect('app.webhook_delivery', 'administered');
SELECT app.permit_lookup('app.webhook_delivery', 'SELECT, INSERT, UPDATE (state, attempts, due_at, status, problem, tried_at), DELETE');

CREATE TABLE app.automation_rule (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES app.workspace (tenant_id) ON DELETE CASCADE,
    id         text COLLATE "C" NOT NULL CHECK (id ~ '^0AR[0-9A-Za-z]{12}$'),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    object     text COLLATE "C" NOT NULL CHECK (length(object) <= 60),
    prefix     text COLLATE "C" NOT NULL CHECK (length(prefix) = 3),
    starts     text COLLATE "C" NOT NULL CHECK (starts IN ('created', 'changed', 'date')),
    -- Fields of which one has to change; none for any.
    fields     text[] NOT NULL DEFAULT '{}',
    -- The field that holds the day, and how many days after it.
    date_field text COLLATE "C",
    days       integer NOT NULL DEFAULT 0 CHECK (days BETWEEN -3650 AND 3650),
    filter     text NOT NULL DEFAULT '' CHECK (length(filter) <= 4000),
    -- {"set": [["status", "open"]], "task": {…}, "notify": {…}, "webhook": "0WH…"}
    actions    jsonb NOT NULL,
    run_as_id  text COLLATE "C" NOT NULL,
    active     boolean NOT NULL DEFAULT false,
    -- Why it was switched off by itself.
    stopped    text COLLATE "C" CHECK (stopped IN ('too_often')),
    made_by_id text COLLATE "C" NOT NULL,
    made_at    timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, run_as_id) REFERENCES app."user" (tenant_id, id),
    CHECK ((starts = 'date') = (date_field IS NOT NULL))
);
CREATE INDEX automation_rule_active ON app.automation_rule (tenant_id, prefix) WHERE active;
CREATE INDEX automation_rule_run_as ON app.automation_rule (tenant_id, run_as_id);
SELECT app.protect('app.automation_rule', 'administered');
SELECT app.permit_lookup('app.automation_rule', 'SELECT, UPDATE (active, stopped)');

CREATE TABLE app.automation_event (
    tenant_id     text COLLATE "C" NOT NULL,
    id            text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    rule_id       text COLLATE "C" NOT NULL,
    record_id     text COLLATE "C" NOT NULL,
    -- The day of a rule that waits for one.
    marker        text COLLATE "C" NOT NULL DEFAULT '',
    at            timestamptz NOT NULL,
    claimed_until timestamptz,
    claims        integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, rule_id) REFERENCES app.automation_rule (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX automation_event_marker ON app.automation_event (tenant_id, rule_id, record_id, marker) WHERE marker <> '';
CREATE INDEX automation_event_due_lookup ON app.automation_event (at);
SELECT app.protect('app.automation_event', 'private');
SELECT app.permit_lookup('app.automation_event', 'SELECT, INSERT, UPDATE (claimed_until, claims), DELETE');

CREATE TABLE app.automation_run (
    tenant_id text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    rule_id   text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    marker    text COLLATE "C" NOT NULL DEFAULT '',
    outcome   text COLLATE "C" NOT NULL CHECK (outcome IN ('done', 'passed', 'failed')),
    detail    text NOT NULL DEFAULT '' CHECK (length(detail) <= 1000),
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, rule_id) REFERENCES app.automation_rule (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX automation_run_marker ON app.automation_run (tenant_id, rule_id, record_id, marker) WHERE marker <> '';
CREATE INDEX automation_run_rule ON app.automation_run (tenant_id, rule_id, at);
SELECT app.protect('app.automation_run', 'administered');
SELECT app.permit_lookup('app.automation_run', 'SELECT, INSERT, DELETE');

-- What rules have to look at.
CREATE FUNCTION app.note_rules() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.automation_event (tenant_id, rule_id, record_id, at)
        SELECT m.tenant_id, r.id, m.record_id, transaction_timestamp()
        FROM made m JOIN app.automation_rule r ON r.tenant_id = m.tenant_id AND r.prefix = left(m.record_id, 3) AND r.active
        WHERE (r.starts = 'created' AND m.action = 'created'
            OR r.starts = 'changed' AND m.action = 'updated' AND (cardinality(r.fields) = 0 OR m.changes ?| r.fields))
        AND NOT EXISTS (SELECT FROM app.automation_rule o WHERE o.tenant_id = m.tenant_id AND o.run_as_id = m.by_id);
    RETURN NULL;
END
$$;
SELECT app.serve('app.note_rules()', 'fieldstone_owner');
CREATE TRIGGER note_rules AFTER INSERT ON app.history REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION app.note_rules();

-- Switches off what runs more than ten thousand times in an hour, tells who made it, and forgets what has had its time.
CREATE FUNCTION app.guard_automation() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    rule record;
BEGIN
    FOR rule IN UPDATE app.automation_rule r SET active = false, stopped = 'too_often'
        WHERE r.active AND (SELECT count(*) FROM app.automation_run n WHERE n.tenant_id = r.tenant_id AND n.rule_id = r.id
            AND n.at > transaction_timestamp() - interval '1 hour') > 10000
        RETURNING r.tenant_id, r.id, r.name, r.made_by_id
    LOOP
        PERFORM app.tell(rule.tenant_id, ARRAY[rule.made_by_id], 'automation', ARRAY[rule.id], '', rule.name);
    END LOOP;
    DELETE FROM app.automation_event e USING app.automation_rule r WHERE r.tenant_id = e.tenant_id AND r.id = e.rule_id AND NOT r.active;
    DELETE FROM app.automation_run n WHERE n.at < transaction_timestamp() - interval '30 days' AND n.marker = ''
        OR n.at < transaction_timestamp() - interval '400 days';
    DELETE FROM app.webhook_delivery d WHERE d.made_at < transaction_timestamp() - interval '30 days';
END
$$;
SELECT app.serve('app.guard_automation()', 'fieldstone_worker');

-- Claims up to `most` of what has waited longest, for `lease` seconds, with what its rule says and the rights that the rule's account has
-- now. What was claimed three times and never ended is given up.
CREATE FUNCTION app.claim_automation(lease integer, most integer)
RETURNS TABLE (tenant_id text, event text, record text, rule text, name text, object text, starts text, filter text, actions text,
    person text, role text, member_version bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM app.automation_event e WHERE e.claims >= 3 AND e.claimed_until < transaction_timestamp();
    RETURN QUERY
        WITH next AS (
            SELECT w.tenant_id, w.id FROM app.automation_event w
            WHERE w.claimed_until IS NULL OR w.claimed_until <= transaction_timestamp()
            ORDER BY w.at LIMIT most FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE app.automation_event e SET claimed_until = transaction_timestamp() + make_interval(secs => lease), claims = e.claims + 1
            FROM next n WHERE e.tenant_id = n.tenant_id AND e.id = n.id
            RETURNING e.tenant_id, e.id, e.record_id, e.rule_id, e.at
        )
        SELECT t.tenant_id, t.id, t.record_id, r.id, r.name, r.object, r.starts, r.filter, r.actions::text, u.id, u.role, u.member_version
        FROM taken t JOIN app.automation_rule r ON r.tenant_id = t.tenant_id AND r.id = t.rule_id AND r.active
        JOIN app."user" u ON u.tenant_id = r.tenant_id AND u.id = r.run_as_id AND u.active AND u.deleted_at IS NULL
        ORDER BY t.at;
END
$$;
SELECT app.serve('app.claim_automation(integer, integer)', 'fieldstone_worker');

-- Rules that wait for a day, with the rights that their accounts have now.
CREATE FUNCTION app.date_rules()
RETURNS TABLE (tenant_id text, rule text, object text, date_field text, days integer, filter text, person text, role text, member_version bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT r.tenant_id, r.id, r.object, r.date_field, r.days, r.filter, u.id, u.role, u.member_version
    FROM app.automation_rule r JOIN app."user" u ON u.tenant_id = r.tenant_id AND u.id = r.run_as_id AND u.active AND u.deleted_at IS NULL
    WHERE r.active AND r.starts = 'date'
$$;
SELECT app.serve('app.date_rules()', 'fieldstone_worker');

-- The rule, if it acts as whoever asks.
CREATE FUNCTION app.own_rule(rule text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (SELECT FROM app.automation_rule r WHERE r.tenant_id = app.tenant_id() AND r.id = rule AND r.run_as_id = app.user_id())
$$;
SELECT app.serve('app.own_rule(text)', 'fieldstone_owner');

-- These records have reached the day that a rule waits for; each day counts once.
CREATE FUNCTION app.add_date_events(rule text, records text[], day text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    added bigint;
BEGIN
    IF NOT app.own_rule(rule) THEN
        RAISE EXCEPTION 'this is another one''s rule' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.automation_event (tenant_id, rule_id, record_id, marker, at)
        SELECT app.tenant_id(), rule, t.record, day, transaction_timestamp() FROM unnest(records) AS t (record)
        WHERE NOT EXISTS (SELECT FROM app.automation_run n WHERE n.tenant_id = app.tenant_id() AND n.rule_id = rule
            AND n.record_id = t.record AND n.marker = day)
        ON CONFLICT (tenant_id, rule_id, record_id, marker) WHERE marker <> '' DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$$;
SELECT app.serve('app.add_date_events(text, text[], text)', 'fieldstone_app');

-- Notes what came of something that was claimed, in the transaction of what was done. An error if it has been ended before: then
-- nothing is done twice.
CREATE FUNCTION app.end_automation(event text, came text, why text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended record;
BEGIN
    DELETE FROM app.automation_event e WHERE e.tenant_id = app.tenant_id() AND e.id = event RETURNING e.rule_id, e.record_id, e.marker INTO ended;
    IF ended.rule_id IS NULL OR NOT app.own_rule(ended.rule_id) THEN
        RAISE EXCEPTION 'this has been ended before' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.automation_run (tenant_id, rule_id, record_id, marker, outcome, detail, at)
        VALUES (app.tenant_id(), ended.rule_id, ended.record_id, ended.marker, came, left(why, 1000), transaction_timestamp());
END
$$;
SELECT app.serve('app.end_automation(text, text, text)', 'fieldstone_app');

-- Queues what a rule tells another system.
CREATE FUNCTION app.queue_delivery(rule text, hook text, told text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NOT app.own_rule(rule) THEN
        RAISE EXCEPTION 'this is another one''s rule' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.webhook_delivery (tenant_id, webhook_id, body, due_at, made_at)
        SELECT w.tenant_id, w.id, told, transaction_timestamp(), transaction_timestamp()
        FROM app.webhook w WHERE w.tenant_id = app.tenant_id() AND w.id = hook AND w.active;
END
$$;
SELECT app.serve('app.queue_delivery(text, text, text)', 'fieldstone_app');

-- Claims up to `most` deliveries that are due, for `lease` seconds.
CREATE FUNCTION app.claim_deliveries(lease integer, most integer)
RETURNS TABLE (tenant_id text, id text, webhook_id text, url text, sealed bytea, secret_no bigint, body text, attempts integer)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    WITH next AS (
        SELECT d.tenant_id, d.id FROM app.webhook_delivery d JOIN app.webhook w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id AND w.active
        WHERE d.state = 'waiting' AND d.due_at <= transaction_timestamp()
        ORDER BY d.due_at LIMIT most FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE app.webhook_delivery d SET due_at = transaction_timestamp() + make_interval(secs => lease), attempts = d.attempts + 1,
        tried_at = transaction_timestamp()
    FROM next n, app.webhook w
    WHERE d.tenant_id = n.tenant_id AND d.id = n.id AND w.tenant_id = d.tenant_id AND w.id = d.webhook_id
    RETURNING d.tenant_id, d.id, d.webhook_id, w.url, w.sealed, w.secret_no, d.body, d.attempts
$$;
SELECT app.serve('app.claim_deliveries(integer, integer)', 'fieldstone_worker');

-- Notes what a try came to; `pause` seconds until the next, or none.
CREATE FUNCTION app.note_delivery(of_tenant text, delivery text, came text, answer integer, why text, pause integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    UPDATE app.webhook_delivery d SET state = came, status = answer, problem = left(why, 60),
        due_at = transaction_timestamp() + make_interval(secs => pause)
    WHERE d.tenant_id = of_tenant AND d.id = delivery AND d.state = 'waiting'
$$;
SELECT app.serve('app.note_delivery(text, text, text, integer, text, integer)', 'fieldstone_worker');
