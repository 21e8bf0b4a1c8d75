-- The data that is measured: one tenant with many deals, and many tenants with some. Written as the store would have written it.
--
-- Run by the cluster's superuser. `bench.tenants`, `bench.deals`, `bench.large` say how much; `bench.facts` describes the custom field.

SET session_replication_role = replica;
SET synchronous_commit = off;
SET work_mem = '512MB';
SET maintenance_work_mem = '1GB';
SET max_parallel_maintenance_workers = 2;
SET search_path = '';
SELECT pg_catalog.setseed(0.42);

CREATE SCHEMA bench;

-- A record id of its parts: 7 base-62 digits of milliseconds, 5 of noise.
CREATE FUNCTION bench.id(prefix text, ms bigint, noise bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT prefix || substr(d, 1 + (ms / 56800235584 % 62)::int, 1) || substr(d, 1 + (ms / 916132832 % 62)::int, 1)
        || substr(d, 1 + (ms / 14776336 % 62)::int, 1) || substr(d, 1 + (ms / 238328 % 62)::int, 1) || substr(d, 1 + (ms / 3844 % 62)::int, 1)
        || substr(d, 1 + (ms / 62 % 62)::int, 1) || substr(d, 1 + (ms % 62)::int, 1)
        || substr(d, 1 + (noise / 14776336 % 62)::int, 1) || substr(d, 1 + (noise / 238328 % 62)::int, 1)
        || substr(d, 1 + (noise / 3844 % 62)::int, 1) || substr(d, 1 + (noise / 62 % 62)::int, 1) || substr(d, 1 + (noise % 62)::int, 1)
    FROM (VALUES ('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')) AS v (d)
$$;

-- One word of a list, the first ones far more often than the last.
CREATE FUNCTION bench.word(words text[], chance float8) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT words[1 + floor(power(chance, 2) * cardinality(words))::int]
$$;

-- Tenant 0 is the large one. Everything begins on 2023-01-01, 94694400000 ms after 2020-01-01.
CREATE TABLE bench.tenant AS
SELECT n, bench.id('00D', 94694400000 + n * 1000, n * 7) COLLATE "C" AS tenant_id, bench.id('005', 94694400000 + n * 1000, n * 11) COLLATE "C" AS user_id,
    bench.id('fP0', 94694400000 + n * 1000, n) COLLATE "C" AS pipeline_id,
    'fst_' || translate(rtrim(encode(sha256(convert_to('fieldstone bench ' || n, 'UTF8')), 'base64'), '='), '+/', '-_') AS token,
    CASE n WHEN 0 THEN current_setting('bench.large')::int ELSE current_setting('bench.deals')::int END AS deals
FROM generate_series(0, current_setting('bench.tenants')::bigint) AS n;

INSERT INTO app.workspace (tenant_id, name, slug, schema_version, created_at, updated_at)
SELECT tenant_id, 'Workspace ' || n, 'bench-' || n, 2, '2023-01-01', '2023-01-01' FROM bench.tenant;
INSERT INTO app.workspace_slug (tenant_id, slug) SELECT tenant_id, 'bench-' || n FROM bench.tenant;

-- The large tenant has four more: they own 50 deals each, one sees nothing else, and three are a team.
INSERT INTO app."user" (tenant_id, id, email, email_key, name, name_key, role, visibility, changed_xid, row_tag, created_at, updated_at)
SELECT t.tenant_id, bench.id('005', 94694400000 + t.n * 1000 + k, t.n * 11 + k), format('user%s@bench-%s.example', k, t.n),
    format('user%s@bench-%s.example', k, t.n), p.name, lower(p.name), CASE k WHEN 0 THEN 'owner' ELSE 'member' END,
    CASE WHEN t.n > 0 THEN 'all' WHEN k IN (3, 4) THEN 'own' WHEN k >= 5 THEN 'team' ELSE 'all' END, pg_current_xact_id(), (random() * 9e18)::bigint, '2023-01-01', '2023-01-01'
FROM bench.tenant t, (VALUES (0, 'Moses Frase'), (1, 'Darcel Schlecht'), (2, 'Zane Levy'), (3, 'Anna Snelling'), (4, 'Cecily Lampkin'), (5, 'Versie Hillebrand'),
    (6, 'Kami Bicknell'), (7, 'Niesha Huffines')) AS p (k, name)
WHERE t.n = 0 OR k < 4;
INSERT INTO app.team (tenant_id, id, name, name_key, created_at) SELECT tenant_id, '0TE000000000001', 'East', 'east', '2023-01-01' FROM bench.tenant WHERE n = 0;
INSERT INTO app.team_member (tenant_id, team_id, user_id)
SELECT t.tenant_id, '0TE000000000001', bench.id('005', 94694400000 + k, k) FROM bench.tenant t, generate_series(5, 7) k WHERE t.n = 0;
INSERT INTO app.user_secret (tenant_id, user_id, email_key, changed_at) SELECT tenant_id, id, email_key, created_at FROM app."user" ON CONFLICT DO NOTHING;
INSERT INTO app.api_token (tenant_id, id, user_id, name, prefix, token_hash, scopes, created_at, expires_at)
SELECT tenant_id, bench.id('0AT', 94694400000 + n, n), user_id, 'bench', left(token, 8), sha256(convert_to(token, 'UTF8')), '{}', '2023-01-01', '2100-01-01'
FROM bench.tenant;
-- Whoever sees less than all: 250,000 of their own, 50 of their own, 150 of their team's.
CREATE TABLE bench.asker AS
SELECT a.name, t.tenant_id, bench.id('005', 94694400000 + a.k, a.k) COLLATE "C" AS user_id,
    'fst_' || translate(rtrim(encode(sha256(convert_to('fieldstone bench ' || a.name, 'UTF8')), 'base64'), '='), '+/', '-_') AS token
FROM bench.tenant t, (VALUES ('own, many', 3), ('own, few', 4), ('team, few', 5)) AS a (name, k) WHERE t.n = 0;
INSERT INTO app.api_token (tenant_id, id, user_id, name, prefix, token_hash, scopes, created_at, expires_at)
SELECT tenant_id, '0AT' || substr(user_id, 4), user_id, 'bench', left(token, 8), sha256(convert_to(token, 'UTF8')), '{}', '2023-01-01', '2100-01-01'
FROM bench.asker;

INSERT INTO app.custom_field (tenant_id, object, id, name, facts, created_at)
SELECT tenant_id, 'deal', 1000, 'score', current_setting('bench.facts')::jsonb, '2023-01-01' FROM bench.tenant;

INSERT INTO app.pipeline (tenant_id, id, version, created_at, created_by_id, updated_at, updated_by_id, changed_xid, row_tag, name, name_key, position)
SELECT tenant_id, pipeline_id, 1, '2023-01-01', user_id, '2023-01-01', user_id, pg_current_xact_id(), (random() * 9e18)::bigint, 'Sales', 'sales', 1
FROM bench.tenant;
CREATE TABLE bench.stage AS
SELECT * FROM (VALUES (1, 'Prospecting', 'open', 1000), (2, 'Qualified', 'open', 2500), (3, 'Proposal', 'open', 5000),
    (4, 'Negotiation', 'open', 7500), (5, 'Won', 'won', 10000), (6, 'Lost', 'lost', 0)) AS s (k, name, kind, probability);
INSERT INTO app.stage (tenant_id, id, version, created_at, created_by_id, updated_at, updated_by_id, changed_xid, row_tag, name, name_key, pipeline_id, position, kind, probability)
SELECT t.tenant_id, bench.id('01J', 94694400000 + t.n * 1000 + s.k, t.n), 1, '2023-01-01', t.user_id, '2023-01-01', t.user_id, pg_current_xact_id(),
    (random() * 9e18)::bigint, s.name, lower(s.name), t.pipeline_id, s.k, s.kind, s.probability
FROM bench.tenant t, bench.stage s;

-- Indexes are made once the rows are there; keys stay.
CREATE TABLE bench.made_later AS
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i
WHERE i.indrelid IN ('app.account'::regclass, 'app.deal'::regclass, 'app.search_token'::regclass, 'app.field_value'::regclass)
    AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid);
DO $$ DECLARE made text; BEGIN
    FOR made IN SELECT name FROM bench.made_later LOOP EXECUTE 'DROP INDEX ' || made; END LOOP;
END $$;

CREATE FUNCTION bench.account_id(n bigint, k bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT bench.id('001', 94694400000 + n * 1000 + k * 500, k)
$$;

-- One account for twenty deals.
INSERT INTO app.account (tenant_id, id, version, created_at, created_by_id, updated_at, updated_by_id, changed_xid, row_tag, owner_id, name, name_key, industry, employees)
SELECT a.tenant_id, a.id, 1, '2023-01-01', a.user_id, '2023-01-01', a.user_id, pg_current_xact_id(), (random() * 9e18)::bigint, a.user_id, a.name, lower(a.name), a.industry, a.employees
FROM (
    SELECT t.tenant_id, t.user_id, bench.account_id(t.n, k) AS id,
        format('%s%s %s', bench.word('{Kon,Cancity,Isdom,Ron,Hottech,Stan,Codehow,Warephase,Bio,Zoom,Dalt,Rang,Plex,Golddex,Kin}', random()),
            bench.word('{ex,mata,xon,fax,tech,line,green,hatch,core,ways}', random()), bench.word('{GmbH,Inc,Group,Holdings,Limited}', random())) AS name,
        bench.word('{retail,software,medical,finance,services,marketing}', random()) AS industry, (10 + power(random(), 3) * 20000)::bigint AS employees
    FROM bench.tenant t, generate_series(1, greatest(t.deals / 20, 1)::bigint) AS k
) AS a;

INSERT INTO app.deal (tenant_id, id, version, created_at, created_by_id, updated_at, updated_by_id, changed_xid, row_tag, owner_id, name, name_key, account_id,
    stage_id, pipeline_id, status, amount, probability, open_date, close_date, source, closed_at, custom)
SELECT d.tenant_id, d.id, 1, d.at, d.owner_id, d.at, d.owner_id, pg_current_xact_id(), (random() * 9e18)::bigint, d.owner_id, d.name, lower(d.name), bench.account_id(d.n, d.account),
    bench.id('01J', 94694400000 + d.n * 1000 + s.k, d.n), d.pipeline_id, s.kind, CASE WHEN random() > 0.05 THEN d.amount END, s.probability, d.at::date,
    d.at::date + (30 + random() * 90)::int, d.source, CASE WHEN s.kind <> 'open' THEN d.at + interval '40 days' END, jsonb_build_object('1000', d.score)
FROM (
    SELECT t.n, t.tenant_id, t.pipeline_id, bench.id('006', 94694400000 + i * (86400000000 / t.deals), (i * 7919 + t.n * 104729) % 916132832) AS id,
        timestamptz '2023-01-01' + i * (interval '1000 days' / t.deals) AS at,
        bench.id('005', 94694400000 + t.n * 1000 + o.k, t.n * 11 + o.k) AS owner_id,
        format('%s %s %s %s', bench.word('{Aurora,Borealis,Cascade,Dynamo,Everest,Falcon,Granite,Horizon,Indigo,Juniper,Kestrel,Lumen,Meridian,Nimbus,Orchid,Pinnacle,Quartz,Raven,Summit,Tundra,Umbra,Vertex,Willow,Xenon,Yonder,Zephyr}', random()),
            bench.word('{Basic,Plus,Pro,Special,Advanced,Premium}', random()), bench.word('{renewal,upgrade,licence,pilot}', random()), 100000 + i) AS name,
        1 + floor(random() * greatest(t.deals / 20, 1))::bigint AS account,
        1 + floor(random() * 6)::int AS stage, (1000 + power(random(), 4) * 50000000)::bigint AS amount,
        bench.word('{website,referral,partner,event,phone}', random()) AS source, floor(random() * 1000000)::bigint AS score
    FROM bench.tenant t, generate_series(1, t.deals::bigint) AS i, LATERAL (SELECT CASE WHEN t.n = 0 AND i % 20000 < 4 THEN 4 + i % 20000 ELSE i % 4 END) AS o (k)
) AS d JOIN bench.stage s ON s.k = d.stage;

INSERT INTO app.field_value (tenant_id, record_id, field, ordinal, object, key_int, is_unique, living)
SELECT tenant_id, id, 1000, 0, 'deal', (custom ->> '1000')::bigint, false, true FROM app.deal;
INSERT INTO app.search_token (tenant_id, record_id, token, object)
SELECT tenant_id, id, token, 'deal' FROM app.deal, string_to_table(name_key, ' ') AS token
UNION ALL SELECT tenant_id, id, token, 'account' FROM app.account, string_to_table(name_key, ' ') AS token;
INSERT INTO app.history (tenant_id, record_id, version, at, by_id, action)
SELECT tenant_id, id, 1, created_at, created_by_id, 'created' FROM app.deal
UNION ALL SELECT tenant_id, id, 1, created_at, created_by_id, 'created' FROM app.account;

DO $$ DECLARE made text; BEGIN
    FOR made IN SELECT definition FROM bench.made_later LOOP EXECUTE made; END LOOP;
END $$;

-- The triggers that would have counted them are off.
SELECT app.total_deals_anew();
ANALYZE app.deal_total, app.deal_closed_total;

-- Deals to ask for: twenty of every small tenant, some thousand of the large one.
CREATE TABLE bench.sample AS
SELECT t.n, d.id, d.amount, (d.custom ->> '1000')::bigint AS score
FROM bench.tenant t JOIN app.deal d ON d.tenant_id = t.tenant_id
WHERE abs(hashtext(d.id)::bigint) % t.deals < CASE t.n WHEN 0 THEN 5000 ELSE 20 END AND d.amount IS NOT NULL;
CREATE TABLE bench.loaded AS SELECT true AS completely;
