-- Totals of deals, so that figures over a million deals are sums of some thousand rows.
--
--   deal_total         deals that agree in owner, pipeline, stage, status, probability and the month in which they are to close
--   deal_closed_total  closed deals that agree in the first five and in the day of UTC on which they were closed
--
-- A row says by how much there are more, or fewer, of them: the total is the sum of the rows. Whoever writes deals adds rows and never changes
-- one, so nobody waits for anybody. A job folds the rows of a workspace together when many have come.

-- ---------------------------------------------------------------------------------------------------------------------
-- A class for what triggers alone write.
--
--   derived  every user of the tenant reads; nobody writes but the triggers of the tables it is derived from

ALTER TABLE app.table_class DROP CONSTRAINT table_class_class_check;
ALTER TABLE app.table_class ADD CONSTRAINT table_class_class_check
    CHECK (class IN ('record', 'managed', 'administered', 'personal', 'append_only', 'audit', 'derived', 'private', 'system'));
DO $migration$
DECLARE
    body text := pg_get_functiondef('app.protect(regclass, text)'::regprocedure);
    old  constant text := $q$        WHEN 'audit' THEN reads := manage; adds := own;
$q$;
BEGIN
    IF strpos(body, old) = 0 THEN
        RAISE EXCEPTION 'app.protect() is not what this migration knows';
    END IF;
    EXECUTE replace(body, old, old || $q$        WHEN 'derived' THEN reads := own;
$q$);
END
$migration$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The totals.

CREATE TABLE app.deal_total (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    owner_id    text COLLATE "C" NOT NULL,
    pipeline_id text COLLATE "C" NOT NULL,
    stage_id    text COLLATE "C" NOT NULL,
    status      text COLLATE "C" NOT NULL,
    probability bigint,
    -- The first day of the month.
    close_date  date,
    records     bigint NOT NULL,
    -- The sum of their amounts, and how many have one.
    amount      numeric NOT NULL,
    amounts     bigint NOT NULL,
    folded      boolean NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX deal_total_fresh ON app.deal_total (tenant_id) WHERE NOT folded;

CREATE TABLE app.deal_closed_total (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES app.workspace ON DELETE CASCADE,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    owner_id    text COLLATE "C" NOT NULL,
    pipeline_id text COLLATE "C" NOT NULL,
    stage_id    text COLLATE "C" NOT NULL,
    status      text COLLATE "C" NOT NULL,
    probability bigint,
    -- The midnight of UTC at which the day began.
    closed_at   timestamptz NOT NULL,
    records     bigint NOT NULL,
    amount      numeric NOT NULL,
    amounts     bigint NOT NULL,
    folded      boolean NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX deal_closed_total_closed_at ON app.deal_closed_total (tenant_id, closed_at);
CREATE INDEX deal_closed_total_fresh ON app.deal_closed_total (tenant_id) WHERE NOT folded;

DO $migration$
DECLARE
    target regclass;
BEGIN
    FOREACH target IN ARRAY ARRAY['app.deal_total', 'app.deal_closed_total']::regclass[] LOOP
        PERFORM app.protect(target, 'derived');
        PERFORM app.protect_sight(target, '(owner_id = ANY ((SELECT app.visible_owners())::text[])) IS NOT FALSE');
        PERFORM app.permit_lookup(target, 'SELECT, INSERT, DELETE');
    END LOOP;
END
$migration$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Kept by the table of deals itself: one trigger function for each thing that happens to deals, and one that counts all of them anew, for those
-- who wrote deals without triggers. The owner runs it while nobody writes deals. All are made from one text.

DO $migration$
DECLARE
    deals constant text := 'SELECT tenant_id, owner_id, pipeline_id, stage_id, status, probability, close_date, closed_at, amount, deleted_at, %s::bigint AS more FROM %s';
    -- What notes that there are `more` of the deals of a source than before, and whether that is folded.
    noted text := '';
    made record;
    source text;
BEGIN
    FOR made IN SELECT * FROM (VALUES
        ('deal_total', 'close_date', $q$date_trunc('month', c.close_date::timestamp)::date$q$, 'true'),
        ('deal_closed_total', 'closed_at', $q$date_trunc('day', c.closed_at, 'UTC')$q$, 'c.closed_at IS NOT NULL')
    ) AS t(name, moment, start, counts) LOOP
        noted := noted || format($q$
    INSERT INTO app.%1$I (tenant_id, owner_id, pipeline_id, stage_id, status, probability, %2$I, records, amount, amounts, folded)
        SELECT c.tenant_id, c.owner_id, c.pipeline_id, c.stage_id, c.status, c.probability, %3$s,
            sum(c.more), coalesce(sum(c.more * c.amount), 0), coalesce(sum(c.more) FILTER (WHERE c.amount IS NOT NULL), 0), %%2$L::boolean
        -- A workspace that is being removed is gone by now, and takes its rows here along.
        FROM (%%1$s) c JOIN app.workspace w ON w.tenant_id = c.tenant_id
        WHERE c.deleted_at IS NULL AND %4$s
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        HAVING sum(c.more) <> 0 OR sum(c.more * c.amount) <> 0 OR sum(c.more) FILTER (WHERE c.amount IS NOT NULL) <> 0;
$q$, made.name, made.moment, made.start, made.counts);
    END LOOP;
    FOR made IN SELECT * FROM (VALUES
        ('total_made_deals', '{made}', '{1}'),
        ('total_changed_deals', '{made,gone}', '{1,-1}'),
        ('total_gone_deals', '{gone}', '{-1}')
    ) AS f(name, tables, signs) LOOP
        SELECT string_agg(format(deals, t.sign, t.name), ' UNION ALL ') INTO source
            FROM unnest(made.tables::text[], made.signs::text[]) t(name, sign);
        EXECUTE format('CREATE FUNCTION app.%I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '''' AS %L',
            made.name, 'BEGIN' || format(noted, source, false) || '    RETURN NULL; END');
        PERFORM app.serve(format('app.%I()', made.name)::regprocedure, 'fieldstone_owner');
    END LOOP;
    EXECUTE format('CREATE FUNCTION app.total_deals_anew() RETURNS void LANGUAGE sql SET search_path = '''' AS %L',
        'DELETE FROM app.deal_total; DELETE FROM app.deal_closed_total;' || format(noted, format(deals, 1, 'app.deal'), true));
END
$migration$;

-- As many as they were made for: nobody writes deals until this migration is done.
LOCK TABLE app.deal IN SHARE ROW EXCLUSIVE MODE;
CREATE TRIGGER total_made AFTER INSERT ON app.deal REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION app.total_made_deals();
CREATE TRIGGER total_changed AFTER UPDATE ON app.deal REFERENCING NEW TABLE AS made OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION app.total_changed_deals();
CREATE TRIGGER total_gone AFTER DELETE ON app.deal REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION app.total_gone_deals();

SELECT app.total_deals_anew();
-- Without statistics the planner would read the totals of all workspaces for those of one.
ANALYZE app.deal_total, app.deal_closed_total;

-- ---------------------------------------------------------------------------------------------------------------------
-- Folding. Rows that a transaction under way has added are seen by nobody yet and stay; two that fold at once take turns at the rows, and the
-- second one finds those of the first gone.

CREATE FUNCTION app.fold_deal_totals() RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    -- So many fresh rows are left alone, and more where folding would rewrite many.
    few    constant bigint := 64;
    total  record;
    tenant text;
    folds  bigint := 0;
BEGIN
    FOR total IN SELECT * FROM (VALUES ('deal_total', 'close_date'), ('deal_closed_total', 'closed_at')) AS t(name, moment) LOOP
        FOR tenant IN EXECUTE format('SELECT t.tenant_id FROM app.%1$I t WHERE NOT t.folded GROUP BY 1
            HAVING count(*) > $1 + (SELECT count(*) / 8 FROM app.%1$I o WHERE o.tenant_id = t.tenant_id AND o.folded)', total.name) USING few
        LOOP
            EXECUTE format('WITH gone AS (DELETE FROM app.%1$I t WHERE t.tenant_id = $1 RETURNING t.*)
                INSERT INTO app.%1$I (tenant_id, owner_id, pipeline_id, stage_id, status, probability, %2$I, records, amount, amounts, folded)
                    SELECT g.tenant_id, g.owner_id, g.pipeline_id, g.stage_id, g.status, g.probability, g.%2$I,
                        sum(g.records), sum(g.amount), sum(g.amounts), true
                    FROM gone g GROUP BY 1, 2, 3, 4, 5, 6, 7
                    HAVING sum(g.records) <> 0 OR sum(g.amount) <> 0 OR sum(g.amounts) <> 0', total.name, total.moment) USING tenant;
            folds := folds + 1;
        END LOOP;
    END LOOP;
    RETURN folds;
END
$$;
SELECT app.serve('app.fold_deal_totals()', 'fieldstone_worker');

-- ---------------------------------------------------------------------------------------------------------------------
-- The board reads one stage in the order in which its deals are to close, and those that were closed lately. What went quiet is looked for among
-- the open ones, or one's own, in the order of their changes.

CREATE INDEX deal_stage_close_date ON app.deal (tenant_id, stage_id, close_date, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_closed_at ON app.deal (tenant_id, closed_at, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_status_updated_at ON app.deal (tenant_id, status, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_owner_updated_at ON app.deal (tenant_id, owner_id, updated_at, id) WHERE deleted_at IS NULL;
