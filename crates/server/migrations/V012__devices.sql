-- Devices in people's hands: whom they belong to, how they are wiped, what they sealed, and what is asked of them.
--
--   workspace_key        a workspace's key pairs: what wipe orders and policies are signed with, what devices seal changes to. The private
--                        halves lie here sealed by the vault.
--   device_policy        what a workspace asks of its devices, one row
--   sync_standing        by what a device is found that has no session any more, and the order to erase; look-up functions only
--   sync_sealed          the numbers of sealed changes that were taken, for ever, and those changes that wait for a person
--   record_set_version   what record sets were
--
-- sync_conflict's ids get a prefix of their own: calls have the one that they had.

-- ---------------------------------------------------------------------------------------------------------------------
-- Keys.

CREATE TABLE app.workspace_key (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    purpose     text COLLATE "C" NOT NULL CHECK (purpose IN ('signing', 'sealing')),
    kid         integer NOT NULL CHECK (kid > 0),
    public_key  bytea NOT NULL CHECK (length(public_key) = 32),
    private_key bytea NOT NULL CHECK (length(private_key) <= 500),
    made_at     timestamptz NOT NULL,
    -- Since when another one is used. It goes on opening what was sealed to it for a while, and signing for devices that know no other.
    retired_at  timestamptz,
    PRIMARY KEY (tenant_id, purpose, kid)
);
CREATE UNIQUE INDEX workspace_key_current ON app.workspace_key (tenant_id, purpose) WHERE retired_at IS NULL;
SELECT app.protect('app.workspace_key', 'private');
SELECT app.permit_lookup('app.workspace_key', 'SELECT, INSERT, UPDATE (retired_at), DELETE');

CREATE FUNCTION app.workspace_keys() RETURNS TABLE (purpose text, kid integer, public_key bytea, private_key bytea, made_at timestamptz, retired_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT k.purpose, k.kid, k.public_key, k.private_key, k.made_at, k.retired_at FROM app.workspace_key k
        WHERE k.tenant_id = app.tenant_id() ORDER BY k.purpose, k.kid
$$;
SELECT app.serve('app.workspace_keys()', 'fieldstone_app', 'fieldstone_worker');

-- Adds the first key of a purpose; false when there is one already.
CREATE FUNCTION app.add_workspace_key(for_purpose text, public bytea, private bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.workspace_key (tenant_id, purpose, kid, public_key, private_key, made_at)
        VALUES (app.tenant_id(), for_purpose, 1, public, private, transaction_timestamp())
        ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
SELECT app.serve('app.add_workspace_key(text, bytea, bytea)', 'fieldstone_app', 'fieldstone_worker');

-- Puts a new key in the place of the current one. False when that isn't `after` any more.
CREATE FUNCTION app.replace_workspace_key(for_purpose text, after integer, public bytea, private bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins replace keys' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE app.workspace_key k SET retired_at = transaction_timestamp()
        WHERE k.tenant_id = app.tenant_id() AND k.purpose = for_purpose AND k.kid = after AND k.retired_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO app.workspace_key (tenant_id, purpose, kid, public_key, private_key, made_at)
        VALUES (app.tenant_id(), for_purpose, after + 1, public, private, transaction_timestamp());
    PERFORM app.add_event(app.tenant_id(), 'device_key.replace', app.user_id(), '', jsonb_build_object('purpose', for_purpose, 'number', after + 1));
    RETURN true;
END
$$;
SELECT app.serve('app.replace_workspace_key(text, integer, bytea, bytea)', 'fieldstone_app');

-- ---------------------------------------------------------------------------------------------------------------------
-- What a workspace asks of its devices.

CREATE TABLE app.device_policy (
    tenant_id       text COLLATE "C" PRIMARY KEY REFERENCES app.workspace ON DELETE CASCADE,
    -- Counts what was set; devices never go back to a lower one.
    version         bigint NOT NULL CHECK (version > 0),
    interval_s      integer NOT NULL CHECK (interval_s BETWEEN 30 AND 86400),
    offline_max_s   integer CHECK (offline_max_s BETWEEN 3600 AND 31536000),
    storage_max     bigint CHECK (storage_max BETWEEN 10000000 AND 1000000000000),
    may_keep_sealed boolean NOT NULL,
    debugger        text COLLATE "C" CHECK (debugger IN ('report', 'shut_down', 'erase')),
    tools           text COLLATE "C" CHECK (tools IN ('report', 'shut_down', 'erase')),
    machine         text COLLATE "C" CHECK (machine IN ('report', 'shut_down', 'erase')),
    root            text COLLATE "C" CHECK (root IN ('report', 'shut_down', 'erase')),
    updated_at      timestamptz NOT NULL,
    updated_by_id   text COLLATE "C" NOT NULL
);
SELECT app.protect('app.device_policy', 'managed');

-- ---------------------------------------------------------------------------------------------------------------------
-- Devices.

ALTER TABLE app.sync_device
    -- The session or token that the login had, which ends with the device.
    ADD COLUMN credential   text COLLATE "C",
    -- The signing key that the device knows.
    ADD COLUMN signing_kid  integer,
    -- What it said when it last compared digests.
    ADD COLUMN proven       boolean,
    ADD COLUMN proven_at    timestamptz,
    -- What has been counted since it was registered.
    ADD COLUMN pulls        bigint NOT NULL DEFAULT 0,
    ADD COLUMN rows_sent    bigint NOT NULL DEFAULT 0,
    ADD COLUMN pushes       bigint NOT NULL DEFAULT 0,
    ADD COLUMN changes      bigint NOT NULL DEFAULT 0,
    ADD COLUMN conflicts    bigint NOT NULL DEFAULT 0,
    ADD COLUMN repairs      bigint NOT NULL DEFAULT 0;
CREATE INDEX sync_device_last_seen_at ON app.sync_device (tenant_id, last_seen_at, id);
CREATE INDEX sync_device_id ON app.sync_device (tenant_id, id);
SELECT app.permit_lookup('app.sync_device', 'SELECT, UPDATE (revoked_at)');

CREATE TABLE app.sync_standing (
    tenant_id       text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    id              text COLLATE "C" NOT NULL,
    secret_hash     bytea NOT NULL CHECK (length(secret_hash) = 32),
    wipe_ordered_at timestamptz,
    wipe_ordered_by text COLLATE "C",
    wipe_signature  bytea,
    -- Sealed by the vault; its SHA-256 beside it, by which a device is found that has nothing else left.
    wipe_receipt    bytea,
    receipt_hash    bytea CHECK (length(receipt_hash) = 32),
    erased_at       timestamptz,
    PRIMARY KEY (tenant_id, user_id, id),
    FOREIGN KEY (tenant_id, user_id, id) REFERENCES app.sync_device (tenant_id, user_id, id) ON DELETE CASCADE
);
CREATE INDEX sync_standing_lookup ON app.sync_standing (id);
SELECT app.protect('app.sync_standing', 'private');
SELECT app.permit_lookup('app.sync_standing', 'SELECT, INSERT, UPDATE (wipe_ordered_at, wipe_ordered_by, wipe_signature, wipe_receipt, receipt_hash, erased_at)');

INSERT INTO app.sync_standing (tenant_id, user_id, id, secret_hash) SELECT d.tenant_id, d.user_id, d.id, d.secret_hash FROM app.sync_device d;

CREATE FUNCTION app.sync_device_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.sync_standing (tenant_id, user_id, id, secret_hash) VALUES (NEW.tenant_id, NEW.user_id, NEW.id, NEW.secret_hash);
    RETURN NULL;
END
$$;
SELECT app.serve('app.sync_device_follow()', 'fieldstone_owner');
CREATE TRIGGER standing_follow AFTER INSERT ON app.sync_device FOR EACH ROW EXECUTE FUNCTION app.sync_device_follow();

-- Devices, the last seen first: the caller's own, or everybody's for those who manage people.
CREATE FUNCTION app.devices(everybodys boolean, one text, most integer)
RETURNS TABLE (id text, user_id text, person text, installation text, name text, platform text, app text, created_at timestamptz, last_seen_at timestamptz,
    proven boolean, proven_at timestamptz, revoked_at timestamptz, wipe_ordered_at timestamptz, erased_at timestamptz,
    pulls bigint, rows_sent bigint, pushes bigint, changes bigint, conflicts bigint, repairs bigint, signing_kid integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF everybodys AND app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins see everybody''s devices' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY SELECT d.id, d.user_id, u.name, d.installation, d.name, d.platform, d.app, d.created_at, d.last_seen_at,
            d.proven, d.proven_at, d.revoked_at, s.wipe_ordered_at, s.erased_at,
            d.pulls, d.rows_sent, d.pushes, d.changes, d.conflicts, d.repairs, d.signing_kid
        FROM app.sync_device d
        JOIN app.sync_standing s ON s.tenant_id = d.tenant_id AND s.user_id = d.user_id AND s.id = d.id
        JOIN app."user" u ON u.tenant_id = d.tenant_id AND u.id = d.user_id
        WHERE d.tenant_id = app.tenant_id() AND (everybodys OR d.user_id = app.user_id()) AND (one IS NULL OR d.id = one)
        ORDER BY d.last_seen_at DESC, d.id LIMIT most;
END
$$;
SELECT app.serve('app.devices(boolean, text, integer)', 'fieldstone_app');

-- Takes a device off the list: it gets nothing from now on, and the session that it had ends. Its owner's right, and that of those who
-- manage people, over nobody above them. Whose it was; NULL when there is none. For functions of this schema.
CREATE FUNCTION app.stop_device(device text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    found record;
BEGIN
    SELECT d.user_id, d.credential, u.role INTO found FROM app.sync_device d
        JOIN app."user" u ON u.tenant_id = d.tenant_id AND u.id = d.user_id
        WHERE d.tenant_id = app.tenant_id() AND d.id = device AND (d.user_id = app.user_id() OR app.can_manage()) FOR NO KEY UPDATE OF d;
    IF found.user_id IS NULL THEN
        RETURN NULL;
    END IF;
    IF found.user_id <> app.user_id() AND found.role = 'owner' AND app.role() <> 'owner' THEN
        RAISE EXCEPTION 'only owners decide about an owner''s devices' USING ERRCODE = 'FS004';
    END IF;
    UPDATE app.sync_device d SET revoked_at = transaction_timestamp()
        WHERE d.tenant_id = app.tenant_id() AND d.user_id = found.user_id AND d.id = device AND d.revoked_at IS NULL;
    UPDATE app.session s SET ended_at = transaction_timestamp()
        WHERE s.tenant_id = app.tenant_id() AND s.user_id = found.user_id AND s.id = found.credential AND s.ended_at IS NULL;
    UPDATE app.oauth_grant g SET ended_at = transaction_timestamp()
        WHERE g.tenant_id = app.tenant_id() AND g.user_id = found.user_id AND g.ended_at IS NULL
        AND g.id = (SELECT t.grant_id FROM app.oauth_token t WHERE t.tenant_id = app.tenant_id() AND t.id = found.credential);
    RETURN found.user_id;
END
$$;
SELECT app.serve('app.stop_device(text)', 'fieldstone_owner');

CREATE FUNCTION app.revoke_device(device text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose constant text := app.stop_device(device);
BEGIN
    IF whose IS NULL THEN
        RETURN false;
    END IF;
    PERFORM app.add_event(app.tenant_id(), 'device.revoke', app.user_id(), device, jsonb_build_object('user', whose));
    RETURN true;
END
$$;
SELECT app.serve('app.revoke_device(text)', 'fieldstone_app');

-- Orders a device to erase everything. An order that stands already stays as it is.
CREATE FUNCTION app.order_wipe(device text, at timestamptz, signature bytea, receipt bytea, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose constant text := app.stop_device(device);
BEGIN
    IF whose IS NULL THEN
        RETURN false;
    END IF;
    UPDATE app.sync_standing s SET wipe_ordered_at = at, wipe_ordered_by = app.user_id(), wipe_signature = signature, wipe_receipt = receipt, receipt_hash = hash
        WHERE s.tenant_id = app.tenant_id() AND s.user_id = whose AND s.id = device AND s.wipe_ordered_at IS NULL;
    IF FOUND THEN
        PERFORM app.add_event(app.tenant_id(), 'device.wipe', app.user_id(), device, jsonb_build_object('user', whose));
    END IF;
    RETURN true;
END
$$;
SELECT app.serve('app.order_wipe(text, timestamptz, bytea, bytea, bytea)', 'fieldstone_app');

-- How a device stands that proves to be it with its secret.
CREATE FUNCTION app.find_standing(device text, hash bytea)
RETURNS TABLE (tenant_id text, revoked boolean, wipe_ordered_at timestamptz, wipe_signature bytea, wipe_receipt bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT s.tenant_id, d.revoked_at IS NOT NULL OR NOT u.active OR u.deleted_at IS NOT NULL,
            s.wipe_ordered_at, s.wipe_signature, s.wipe_receipt
        FROM app.sync_standing s
        JOIN app.sync_device d ON d.tenant_id = s.tenant_id AND d.user_id = s.user_id AND d.id = s.id
        JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        WHERE s.id = device AND s.secret_hash = hash;
END
$$;
SELECT app.serve('app.find_standing(text, bytea)', 'fieldstone_auth');

-- Notes that an order was carried out; false when there is none with this receipt.
CREATE FUNCTION app.note_erasure(device text, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    known record;
BEGIN
    SELECT s.tenant_id, s.user_id, s.erased_at INTO known FROM app.sync_standing s
        WHERE s.id = device AND s.receipt_hash = hash FOR NO KEY UPDATE;
    IF known.tenant_id IS NULL THEN
        RETURN false;
    END IF;
    IF known.erased_at IS NULL THEN
        UPDATE app.sync_standing s SET erased_at = transaction_timestamp()
            WHERE s.tenant_id = known.tenant_id AND s.user_id = known.user_id AND s.id = device;
        PERFORM app.add_event(known.tenant_id, 'device.erase', known.user_id, device, '{}');
    END IF;
    RETURN true;
END
$$;
SELECT app.serve('app.note_erasure(text, bytea)', 'fieldstone_auth');

-- ---------------------------------------------------------------------------------------------------------------------
-- Conflicts.

ALTER TABLE app.sync_conflict DROP CONSTRAINT sync_conflict_id_check, DROP CONSTRAINT sync_conflict_resolution_check;
UPDATE app.sync_conflict SET id = 'fX0' || substr(id, 4) WHERE starts_with(id, 'fC0');
ALTER TABLE app.sync_conflict
    ADD CONSTRAINT sync_conflict_id CHECK (id ~ '^fX0[0-9A-Za-z]{12}$'),
    ADD CONSTRAINT sync_conflict_resolution CHECK (resolution IN ('mine', 'theirs', 'each')),
    ADD COLUMN device_id     text COLLATE "C",
    ADD COLUMN settled_by_id text COLLATE "C";
CREATE INDEX sync_conflict_open ON app.sync_conflict (tenant_id, user_id, id) WHERE deleted_at IS NULL;
CREATE INDEX sync_conflict_record ON app.sync_conflict (tenant_id, record_id) WHERE deleted_at IS NULL;
SELECT app.permit_lookup('app.sync_conflict', 'SELECT, UPDATE (deleted_at, resolution, settled_by_id, version, fields), DELETE');

-- Open conflicts, the newest first: the caller's own, or everybody's for those who manage people.
CREATE FUNCTION app.conflicts(everybodys boolean, one text, before text, most integer)
RETURNS TABLE (id text, user_id text, person text, object text, record_id text, kind text, fields text, created_at timestamptz, device text, settled boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF everybodys AND app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins see everybody''s conflicts' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY SELECT c.id, c.user_id, u.name, c.object, c.record_id, c.kind, c.fields::text, c.created_at, d.name, c.deleted_at IS NOT NULL
        FROM app.sync_conflict c
        JOIN app."user" u ON u.tenant_id = c.tenant_id AND u.id = c.user_id
        LEFT JOIN app.sync_device d ON d.tenant_id = c.tenant_id AND d.user_id = c.user_id AND d.id = c.device_id
        WHERE c.tenant_id = app.tenant_id() AND (everybodys OR c.user_id = app.user_id())
        AND CASE WHEN one IS NULL THEN c.deleted_at IS NULL AND (before IS NULL OR c.id < before) ELSE c.id = one END
        ORDER BY c.id DESC LIMIT most;
END
$$;
SELECT app.serve('app.conflicts(boolean, text, text, integer)', 'fieldstone_app', 'fieldstone_worker');

-- Notes that a conflict is settled: by whoever has it, or by those who manage people. One that is settled already, or isn't the caller's,
-- is refused like a mutation that comes a second time, and nothing that goes with it is written.
CREATE FUNCTION app.settle_conflict(conflict text, how text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose text;
BEGIN
    UPDATE app.sync_conflict c SET deleted_at = transaction_timestamp(), resolution = how, settled_by_id = app.user_id(), version = c.version + 1
        WHERE c.tenant_id = app.tenant_id() AND c.id = conflict AND c.deleted_at IS NULL AND (c.user_id = app.user_id() OR app.can_manage())
        RETURNING c.user_id INTO whose;
    IF whose IS NULL THEN
        RAISE EXCEPTION 'the conflict is settled' USING ERRCODE = 'unique_violation', CONSTRAINT = 'sync_result_pkey';
    END IF;
    IF whose <> app.user_id() THEN
        PERFORM app.add_event(app.tenant_id(), 'conflict.settle', app.user_id(), conflict, jsonb_build_object('user', whose, 'how', how));
    END IF;
END
$$;
SELECT app.serve('app.settle_conflict(text, text)', 'fieldstone_app', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- Sealed deliveries.

CREATE TABLE app.sync_sealed (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    -- The device that sealed it, and whose change it is.
    device_id    text COLLATE "C" NOT NULL,
    sequence     bigint NOT NULL CHECK (sequence > 0),
    user_id      text COLLATE "C" NOT NULL,
    uuid         text COLLATE "C" NOT NULL CHECK (length(uuid) BETWEEN 32 AND 36),
    state        text COLLATE "C" NOT NULL CHECK (state IN ('applied', 'rejected', 'quarantined', 'released', 'dismissed')),
    -- What it says, sealed by the vault, for as long as it waits for a person.
    content      bytea CHECK ((content IS NULL) = (state NOT IN ('rejected', 'quarantined'))),
    -- Why it waits; no value of any field.
    reason       jsonb NOT NULL,
    delivered_at timestamptz NOT NULL,
    delivered_by text COLLATE "C" NOT NULL,
    settled_at   timestamptz,
    settled_by   text COLLATE "C",
    PRIMARY KEY (tenant_id, device_id, sequence)
);
CREATE INDEX sync_sealed_waiting ON app.sync_sealed (tenant_id, user_id, state) WHERE content IS NOT NULL;
SELECT app.protect('app.sync_sealed', 'private');
SELECT app.permit_lookup('app.sync_sealed', 'SELECT, INSERT, UPDATE (state, content, reason, settled_at, settled_by), DELETE');

-- Who sealed on a device, and whether the device `deliverer` of the caller is the same one in a later login.
CREATE FUNCTION app.find_sealer(device text, deliverer text)
RETURNS TABLE (user_id text, login_key text, revoked boolean, same boolean, role text, member_version bigint, active boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT d.user_id, d.login_key, d.revoked_at IS NOT NULL,
            EXISTS (SELECT FROM app.sync_device o WHERE o.tenant_id = d.tenant_id AND o.id = deliverer AND o.user_id = app.user_id()
                AND o.revoked_at IS NULL AND o.installation = d.installation),
            u.role, u.member_version, u.active AND u.deleted_at IS NULL
        FROM app.sync_device d JOIN app."user" u ON u.tenant_id = d.tenant_id AND u.id = d.user_id
        WHERE d.tenant_id = app.tenant_id() AND d.id = device;
END
$$;
SELECT app.serve('app.find_sealer(text, text)', 'fieldstone_app');

-- The numbers among `wanted` that were taken.
CREATE FUNCTION app.known_sealed(device text, wanted bigint[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT s.sequence FROM app.sync_sealed s WHERE s.tenant_id = app.tenant_id() AND s.device_id = device AND s.sequence = ANY (wanted)
$$;
SELECT app.serve('app.known_sealed(text, bigint[])', 'fieldstone_app');

-- What became of a mutation of somebody.
CREATE FUNCTION app.find_result(author text, named text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT r.outcome::text FROM app.sync_result r WHERE r.tenant_id = app.tenant_id() AND r.user_id = author AND r.uuid = named
$$;
SELECT app.permit_lookup('app.sync_result', 'SELECT (tenant_id, user_id, uuid, outcome)');
SELECT app.serve('app.find_result(text, text)', 'fieldstone_app');

-- Remembers that a number was taken, and what became of it. A number that is known stays as it is.
CREATE FUNCTION app.take_sealed(device text, number bigint, author text, named text, became text, sealed bytea, why jsonb, deliverer text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM app.sync_device d WHERE d.tenant_id = app.tenant_id() AND d.user_id = author AND d.id = device) THEN
        RAISE EXCEPTION 'no such device of this person' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.sync_sealed (tenant_id, device_id, sequence, user_id, uuid, state, content, reason, delivered_at, delivered_by)
        VALUES (app.tenant_id(), device, number, author, named, became, sealed, why, transaction_timestamp(), deliverer)
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        PERFORM app.add_event(app.tenant_id(), CASE became WHEN 'quarantined' THEN 'sealed_change.quarantine' ELSE 'sealed_change.take' END,
            deliverer, device, jsonb_build_object('author', author, 'number', number, 'state', became, 'delivered_by', deliverer));
    END IF;
END
$$;
SELECT app.serve('app.take_sealed(text, bigint, text, text, text, bytea, jsonb, text)', 'fieldstone_app');

-- Sealed changes that wait for a person: the caller's own that couldn't be applied, or those in quarantine for those who manage people.
CREATE FUNCTION app.waiting_sealed(quarantine boolean, one_device text, one_number bigint)
RETURNS TABLE (device_id text, sequence bigint, user_id text, person text, device text, state text, content bytea, reason jsonb, delivered_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF quarantine AND app.can_manage() IS NOT TRUE THEN
        RAISE EXCEPTION 'only owners and admins see what is in quarantine' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY SELECT s.device_id, s.sequence, s.user_id, u.name, d.name, s.state, s.content, s.reason, s.delivered_at
        FROM app.sync_sealed s
        LEFT JOIN app."user" u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        LEFT JOIN app.sync_device d ON d.tenant_id = s.tenant_id AND d.user_id = s.user_id AND d.id = s.device_id
        WHERE s.tenant_id = app.tenant_id() AND s.content IS NOT NULL
        AND CASE WHEN quarantine THEN s.state = 'quarantined' ELSE s.state = 'rejected' AND s.user_id = app.user_id() END
        AND (one_device IS NULL OR s.device_id = one_device AND s.sequence = one_number)
        ORDER BY s.delivered_at, s.device_id, s.sequence LIMIT 200;
END
$$;
SELECT app.serve('app.waiting_sealed(boolean, text, bigint)', 'fieldstone_app');

-- Ends the waiting of one: its author dismisses what was refused, who manages people releases or dismisses what is in quarantine.
CREATE FUNCTION app.settle_sealed(device text, number bigint, became text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    before record;
BEGIN
    SELECT s.state, s.user_id INTO before FROM app.sync_sealed s
        WHERE s.tenant_id = app.tenant_id() AND s.device_id = device AND s.sequence = number AND s.content IS NOT NULL FOR UPDATE;
    IF before.state IS NULL OR became NOT IN ('released', 'dismissed')
        OR NOT (CASE before.state WHEN 'rejected' THEN before.user_id = app.user_id() AND became = 'dismissed' ELSE app.can_manage() END)
    THEN
        IF became = 'released' THEN
            -- Refused like a mutation that comes a second time: nothing that goes with it is written.
            RAISE EXCEPTION 'the change doesn''t wait any more' USING ERRCODE = 'unique_violation', CONSTRAINT = 'sync_result_pkey';
        END IF;
        RETURN false;
    END IF;
    UPDATE app.sync_sealed s SET state = became, content = NULL, settled_at = transaction_timestamp(), settled_by = app.user_id()
        WHERE s.tenant_id = app.tenant_id() AND s.device_id = device AND s.sequence = number;
    PERFORM app.add_event(app.tenant_id(), CASE became WHEN 'released' THEN 'sealed_change.release' ELSE 'sealed_change.dismiss' END,
        app.user_id(), device, jsonb_build_object('author', before.user_id, 'number', number));
    RETURN true;
END
$$;
SELECT app.serve('app.settle_sealed(text, bigint, text)', 'fieldstone_app');

-- How much waits for the caller: open conflicts, and sealed changes that couldn't be applied.
CREATE FUNCTION app.waiting_count() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT (SELECT count(*) FROM app.sync_conflict c WHERE c.tenant_id = app.tenant_id() AND c.user_id = app.user_id() AND c.deleted_at IS NULL)
        + (SELECT count(*) FROM app.sync_sealed s WHERE s.tenant_id = app.tenant_id() AND s.user_id = app.user_id() AND s.state = 'rejected' AND s.content IS NOT NULL)
$$;
SELECT app.serve('app.waiting_count()', 'fieldstone_app', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- Record sets.

ALTER TABLE app.record_set
    ADD COLUMN interval_s integer CHECK (interval_s BETWEEN 30 AND 86400),
    ADD COLUMN position integer NOT NULL DEFAULT 0;

CREATE TABLE app.record_set_version (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    record_set_id text COLLATE "C" NOT NULL,
    version       bigint NOT NULL,
    name          text NOT NULL,
    role          text COLLATE "C",
    person_id     text COLLATE "C",
    interval_s    integer,
    definition    jsonb,
    at            timestamptz NOT NULL,
    by_id         text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, record_set_id, version)
);
SELECT app.protect('app.record_set_version', 'append_only');

-- ---------------------------------------------------------------------------------------------------------------------
-- What a change takes out of a scope. A record that is given to somebody whose records a person doesn't see is out of sight for them at
-- once, and so is what it led to: the names of both are kept with the change.

GRANT SELECT (deal_id, product_id, owner_id) ON app.deal_line TO fieldstone_lookup;
SELECT app.permit_lookup('app.sync_unlinked', 'SELECT, INSERT, DELETE');

CREATE OR REPLACE FUNCTION app.note_unlinked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    before constant jsonb := to_jsonb(OLD);
    after  constant jsonb := to_jsonb(NEW);
    given  constant boolean := before ->> 'owner_id' IS DISTINCT FROM after ->> 'owner_id';
BEGIN
    INSERT INTO app.sync_unlinked (tenant_id, changed_xid, target)
        SELECT OLD.tenant_id, pg_current_xact_id(), u.target FROM (
            SELECT before ->> c.name FROM unnest(TG_ARGV) c(name) WHERE given OR before ->> c.name IS DISTINCT FROM after ->> c.name
            UNION
            SELECT o.value FROM jsonb_each_text(before -> 'custom') o
            WHERE o.value ~ '^[0-9A-Za-z]{15}$' AND (given OR o.value IS DISTINCT FROM after -> 'custom' ->> o.key)
            UNION
            SELECT OLD.id WHERE given
        ) u(target) WHERE u.target IS NOT NULL
        ON CONFLICT DO NOTHING;
    -- Lines are seen with their deal.
    IF given AND TG_TABLE_NAME = 'deal' THEN
        INSERT INTO app.sync_unlinked (tenant_id, changed_xid, target)
            SELECT OLD.tenant_id, pg_current_xact_id(), t.target FROM app.deal_line l, unnest(ARRAY[l.id, l.product_id]) t(target)
            WHERE l.tenant_id = OLD.tenant_id AND l.deal_id = OLD.id AND t.target IS NOT NULL
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
SELECT app.serve('app.note_unlinked()', 'fieldstone_owner');

DO $migration$
DECLARE
    target  record;
    columns text[];
    changed text;
BEGIN
    FOR target IN SELECT c.oid, c.relname, EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'owner_id' AND NOT a.attisdropped) AS owned
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        WHERE t.tgname = 'note_unlinked' ORDER BY c.relname
    LOOP
        SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}') INTO columns FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = target.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname LIKE '%\_id'
            AND a.attname NOT IN ('tenant_id', 'created_by_id', 'updated_by_id', 'owner_id', 'external_id');
        SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', c.name), ' OR ') INTO changed
            FROM unnest(columns || '{custom}' || CASE WHEN target.owned THEN ARRAY['owner_id'] ELSE '{}' END) c(name);
        EXECUTE format('DROP TRIGGER note_unlinked ON app.%I', target.relname);
        EXECUTE format('CREATE TRIGGER note_unlinked AFTER UPDATE ON app.%I FOR EACH ROW WHEN (%s) EXECUTE FUNCTION app.note_unlinked(%s)',
            target.relname, changed, (SELECT string_agg(quote_literal(c.name), ', ') FROM unnest(columns) c(name)));
    END LOOP;
END
$migration$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Purging: what has been deleted for longer than the horizon goes for good, with everything that is known of it. The mark is what a cursor
-- has to be newer than; it is written in the same transaction.

SELECT app.permit_lookup('app.sync_purge', 'SELECT, INSERT, UPDATE (purged_xid)');
SELECT app.permit_lookup('app.sync_cursor', 'SELECT, DELETE');
SELECT app.permit_lookup('app.search_token', 'SELECT (tenant_id, record_id), DELETE');
GRANT DELETE ON app.field_value TO fieldstone_lookup;
SELECT app.permit_lookup('app.history', 'SELECT (tenant_id, record_id), DELETE');

DO $migration$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['account', 'contact', 'deal', 'lead', 'task', 'event', 'call', 'note', 'case', 'deal_line', 'custom_record'] LOOP
        EXECUTE format('GRANT SELECT (deleted_at, changed_xid), DELETE ON app.%I TO fieldstone_lookup', target);
        EXECUTE format('CREATE INDEX %I ON app.%I (tenant_id, deleted_at) WHERE deleted_at IS NOT NULL', target || '_deleted_at', target);
    END LOOP;
END
$migration$;

-- Purges one tenant's records of one table; answers how many went.
CREATE FUNCTION app.purge_table(tenant text, target text, horizon timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    gone text[];
    mark xid8;
BEGIN
    EXECUTE format('WITH old AS (SELECT t.id FROM app.%1$I t WHERE t.tenant_id = $1 AND t.deleted_at < $2 ORDER BY t.deleted_at LIMIT $3),
        gone AS (DELETE FROM app.%1$I t USING old WHERE t.tenant_id = $1 AND t.id = old.id AND t.deleted_at < $2 RETURNING t.id, t.changed_xid)
        SELECT array_agg(g.id), max(g.changed_xid) FROM gone g', target) INTO gone, mark USING tenant, horizon, most;
    IF gone IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO app.sync_purge AS p (tenant_id, purged_xid) VALUES (tenant, mark)
        ON CONFLICT (tenant_id) DO UPDATE SET purged_xid = greatest(p.purged_xid, excluded.purged_xid);
    DELETE FROM app.search_token s WHERE s.tenant_id = tenant AND s.record_id = ANY (gone);
    DELETE FROM app.field_value v WHERE v.tenant_id = tenant AND v.record_id = ANY (gone);
    DELETE FROM app.history h WHERE h.tenant_id = tenant AND h.record_id = ANY (gone);
    -- Nothing is left to be settled; devices hear of it like of any other conflict that was.
    UPDATE app.sync_conflict c SET deleted_at = transaction_timestamp(), resolution = 'theirs', fields = '[]', version = c.version + 1
        WHERE c.tenant_id = tenant AND c.record_id = ANY (gone) AND c.deleted_at IS NULL;
    UPDATE app.sync_conflict c SET fields = '[]' WHERE c.tenant_id = tenant AND c.record_id = ANY (gone) AND c.fields <> '[]';
    RETURN cardinality(gone);
END
$$;
SELECT app.serve('app.purge_table(text, text, timestamp with time zone, integer)', 'fieldstone_owner');

-- Purges every tenant's deleted records, cursors of devices that haven't been seen for long, what records no longer lead to for every
-- cursor that is left, and keys that open nothing any more. Answers how much went.
CREATE FUNCTION app.purge_deleted(horizon_days integer, unseen_days integer, key_days integer, most integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    tenant text;
    target text;
    oldest xid8;
    gone   bigint;
    purged bigint := 0;
BEGIN
    FOR tenant IN SELECT w.tenant_id FROM app.workspace w LOOP
        -- Lines before deals, and what hangs on records before the records.
        FOREACH target IN ARRAY ARRAY['deal_line', 'task', 'event', 'call', 'note', 'case', 'deal', 'lead', 'contact', 'account', 'custom_record'] LOOP
            purged := purged + app.purge_table(tenant, target, transaction_timestamp() - make_interval(days => horizon_days), most);
        END LOOP;
        WITH gone AS (DELETE FROM app.sync_conflict c WHERE c.tenant_id = tenant AND c.deleted_at < transaction_timestamp() - make_interval(days => horizon_days)
            RETURNING c.changed_xid)
        INSERT INTO app.sync_purge AS p (tenant_id, purged_xid) SELECT tenant, max(g.changed_xid) FROM gone g HAVING count(*) > 0
            ON CONFLICT (tenant_id) DO UPDATE SET purged_xid = greatest(p.purged_xid, excluded.purged_xid);
        DELETE FROM app.sync_cursor c USING app.sync_device d WHERE c.tenant_id = tenant AND d.tenant_id = tenant AND d.user_id = c.user_id AND d.id = c.device_id
            AND (d.revoked_at IS NOT NULL OR d.last_seen_at < transaction_timestamp() - make_interval(days => unseen_days));
        GET DIAGNOSTICS gone = ROW_COUNT;
        purged := purged + gone;
        oldest := coalesce((SELECT min(pg_snapshot_xmin(c.snapshot::pg_snapshot)) FROM app.sync_cursor c WHERE c.tenant_id = tenant),
            pg_snapshot_xmin(pg_current_snapshot()));
        DELETE FROM app.sync_unlinked u WHERE u.tenant_id = tenant AND u.changed_xid < oldest;
        GET DIAGNOSTICS gone = ROW_COUNT;
        purged := purged + gone;
        DELETE FROM app.workspace_key k WHERE k.tenant_id = tenant AND k.purpose = 'sealing'
            AND k.retired_at < transaction_timestamp() - make_interval(days => key_days);
        GET DIAGNOSTICS gone = ROW_COUNT;
        purged := purged + gone;
    END LOOP;
    RETURN purged;
END
$$;
SELECT app.serve('app.purge_deleted(integer, integer, integer, integer)', 'fieldstone_worker');
