-- Records: one table for each standard object, one for all custom objects, and what belongs to records.
--
--   pipeline … case   records of the standard objects, with real columns. `x_key` beside a text column `x` is what it compares by.
--   custom_record     records of the tenants' own objects
--   field_value       what indexed custom fields compare by: one row for each value
--   search_token      the words by which a record is found
--   history           who changed what, when: one row for each change, in monthly partitions
--   custom_object     the tenants' own objects, and
--   custom_field      their own fields, of standard objects too
--
-- Every record table begins with the same columns. `changed_xid` and `row_tag` are stamped by a trigger at every change: they are
-- what synchronisation reads. Money and other decimals are integers of their scale. Custom fields live in `custom`, by field number.

-- The stamp of a change. pg_current_xact_id() is the top-level transaction's; the system column xmin may be a subtransaction's.
CREATE FUNCTION app.stamp_change() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    NEW.changed_xid := pg_current_xact_id();
    NEW.row_tag := hashtextextended(gen_random_uuid()::text, 0);
    RETURN NEW;
END
$$;

-- Tells every server that a tenant's objects, fields, pipelines or stages have changed: app.enter() compares the version.
CREATE FUNCTION app.bump_schema() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    UPDATE app.workspace w SET schema_version = w.schema_version + 1
        WHERE w.tenant_id = CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant_id ELSE NEW.tenant_id END;
    RETURN NULL;
END
$$;

-- Protects a table of records and stamps its changes.
CREATE FUNCTION app.protect_records(target regclass, class text) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM app.protect(target, class);
    EXECUTE format('CREATE TRIGGER stamp_change BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION app.stamp_change()', target);
    -- Records are deleted by marking them; only a purge removes rows.
    EXECUTE format('REVOKE DELETE ON %s FROM fieldstone_app, fieldstone_worker', target);
END
$$;

-- Users are records that identity keeps.
ALTER TABLE app."user"
    ADD COLUMN created_by_id text COLLATE "C",
    ADD COLUMN updated_by_id text COLLATE "C",
    ADD COLUMN custom        jsonb NOT NULL DEFAULT '{}';

CREATE TABLE app.pipeline (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^fP0[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    name text NOT NULL CHECK (length(name) <= 120),
    name_key text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX pipeline_name ON app.pipeline (tenant_id, name_key) WHERE deleted_at IS NULL;
CREATE INDEX pipeline_position ON app.pipeline (tenant_id, position, id) WHERE deleted_at IS NULL;
CREATE INDEX pipeline_updated_at ON app.pipeline (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX pipeline_changed_xid ON app.pipeline (tenant_id, changed_xid, id);
SELECT app.protect_records('app.pipeline', 'managed');
CREATE TRIGGER bump_schema AFTER INSERT OR UPDATE OR DELETE ON app.pipeline FOR EACH ROW EXECUTE FUNCTION app.bump_schema();

CREATE TABLE app.stage (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^01J[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    name text NOT NULL CHECK (length(name) <= 120),
    name_key text COLLATE "C" NOT NULL,
    pipeline_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    probability bigint NOT NULL,
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    -- Lets a deal refer to a stage and its pipeline as one.
    UNIQUE (tenant_id, pipeline_id, id),
    FOREIGN KEY (tenant_id, pipeline_id) REFERENCES app.pipeline (tenant_id, id)
);
CREATE INDEX stage_name ON app.stage (tenant_id, name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX stage_pipeline_id ON app.stage (tenant_id, pipeline_id, id) WHERE deleted_at IS NULL;
CREATE INDEX stage_position ON app.stage (tenant_id, position, id) WHERE deleted_at IS NULL;
CREATE INDEX stage_updated_at ON app.stage (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX stage_changed_xid ON app.stage (tenant_id, changed_xid, id);
SELECT app.protect_records('app.stage', 'managed');
CREATE TRIGGER bump_schema AFTER INSERT OR UPDATE OR DELETE ON app.stage FOR EACH ROW EXECUTE FUNCTION app.bump_schema();

CREATE TABLE app.account (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^001[0-9A-Za-z]{12}$'),
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
    kind text COLLATE "C",
    industry text COLLATE "C",
    phone text CHECK (length(phone) <= 40),
    phone_key text COLLATE "C",
    email text CHECK (length(email) <= 254),
    email_key text COLLATE "C",
    website text CHECK (length(website) <= 1000),
    website_key text COLLATE "C",
    parent_id text COLLATE "C",
    annual_revenue bigint,
    employees bigint,
    founded bigint,
    street text CHECK (length(street) <= 255),
    street_key text COLLATE "C",
    city text CHECK (length(city) <= 120),
    city_key text COLLATE "C",
    postal_code text CHECK (length(postal_code) <= 20),
    postal_code_key text COLLATE "C",
    region text CHECK (length(region) <= 120),
    region_key text COLLATE "C",
    country text CHECK (length(country) <= 120),
    country_key text COLLATE "C",
    description text CHECK (length(description) <= 32000),
    external_id text CHECK (length(external_id) <= 255),
    external_id_key text COLLATE "C",
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES app.account (tenant_id, id) ON DELETE SET NULL (parent_id)
);
CREATE INDEX account_owner_id ON app.account (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX account_name ON app.account (tenant_id, name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX account_industry ON app.account (tenant_id, industry, id) WHERE deleted_at IS NULL;
CREATE INDEX account_parent_id ON app.account (tenant_id, parent_id, id) WHERE deleted_at IS NULL;
CREATE INDEX account_annual_revenue ON app.account (tenant_id, annual_revenue, id) WHERE deleted_at IS NULL;
CREATE INDEX account_city ON app.account (tenant_id, city_key, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX account_external_id ON app.account (tenant_id, external_id_key) WHERE deleted_at IS NULL AND external_id_key IS NOT NULL;
CREATE INDEX account_updated_at ON app.account (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX account_changed_xid ON app.account (tenant_id, changed_xid, id);
SELECT app.protect_records('app.account', 'record');

CREATE TABLE app.contact (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^003[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    name text CHECK (length(name) <= 255),
    name_key text COLLATE "C",
    first_name text CHECK (length(first_name) <= 120),
    first_name_key text COLLATE "C",
    last_name text NOT NULL CHECK (length(last_name) <= 120),
    last_name_key text COLLATE "C" NOT NULL,
    account_id text COLLATE "C",
    job_title text CHECK (length(job_title) <= 120),
    job_title_key text COLLATE "C",
    email text CHECK (length(email) <= 254),
    email_key text COLLATE "C",
    phone text CHECK (length(phone) <= 40),
    phone_key text COLLATE "C",
    mobile text CHECK (length(mobile) <= 40),
    mobile_key text COLLATE "C",
    street text CHECK (length(street) <= 255),
    street_key text COLLATE "C",
    city text CHECK (length(city) <= 120),
    city_key text COLLATE "C",
    postal_code text CHECK (length(postal_code) <= 20),
    postal_code_key text COLLATE "C",
    region text CHECK (length(region) <= 120),
    region_key text COLLATE "C",
    country text CHECK (length(country) <= 120),
    country_key text COLLATE "C",
    birthday date,
    description text CHECK (length(description) <= 32000),
    external_id text CHECK (length(external_id) <= 255),
    external_id_key text COLLATE "C",
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES app.account (tenant_id, id) ON DELETE SET NULL (account_id)
);
CREATE INDEX contact_owner_id ON app.contact (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX contact_name ON app.contact (tenant_id, name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX contact_last_name ON app.contact (tenant_id, last_name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX contact_account_id ON app.contact (tenant_id, account_id, id) WHERE deleted_at IS NULL;
CREATE INDEX contact_email ON app.contact (tenant_id, email_key, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX contact_external_id ON app.contact (tenant_id, external_id_key) WHERE deleted_at IS NULL AND external_id_key IS NOT NULL;
CREATE INDEX contact_updated_at ON app.contact (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX contact_changed_xid ON app.contact (tenant_id, changed_xid, id);
SELECT app.protect_records('app.contact', 'record');

CREATE TABLE app.product (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^01t[0-9A-Za-z]{12}$'),
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
    code text CHECK (length(code) <= 120),
    code_key text COLLATE "C",
    family text CHECK (length(family) <= 120),
    family_key text COLLATE "C",
    price bigint,
    active boolean NOT NULL,
    description text CHECK (length(description) <= 32000),
    external_id text CHECK (length(external_id) <= 255),
    external_id_key text COLLATE "C",
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id)
);
CREATE INDEX product_owner_id ON app.product (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX product_name ON app.product (tenant_id, name_key, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX product_code ON app.product (tenant_id, code_key) WHERE deleted_at IS NULL AND code_key IS NOT NULL;
CREATE INDEX product_family ON app.product (tenant_id, family_key, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX product_external_id ON app.product (tenant_id, external_id_key) WHERE deleted_at IS NULL AND external_id_key IS NOT NULL;
CREATE INDEX product_updated_at ON app.product (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX product_changed_xid ON app.product (tenant_id, changed_xid, id);
SELECT app.protect_records('app.product', 'record');

CREATE TABLE app.deal (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^006[0-9A-Za-z]{12}$'),
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
    account_id text COLLATE "C",
    contact_id text COLLATE "C",
    stage_id text COLLATE "C" NOT NULL,
    pipeline_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    amount bigint,
    probability bigint,
    open_date date,
    close_date date,
    source text COLLATE "C",
    next_step text CHECK (length(next_step) <= 255),
    next_step_key text COLLATE "C",
    lost_reason text CHECK (length(lost_reason) <= 255),
    lost_reason_key text COLLATE "C",
    description text CHECK (length(description) <= 32000),
    external_id text CHECK (length(external_id) <= 255),
    external_id_key text COLLATE "C",
    closed_at timestamptz,
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES app.account (tenant_id, id) ON DELETE SET NULL (account_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES app.contact (tenant_id, id) ON DELETE SET NULL (contact_id),
    FOREIGN KEY (tenant_id, pipeline_id, stage_id) REFERENCES app.stage (tenant_id, pipeline_id, id)
);
CREATE INDEX deal_owner_id ON app.deal (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_name ON app.deal (tenant_id, name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_account_id ON app.deal (tenant_id, account_id, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_contact_id ON app.deal (tenant_id, contact_id, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_stage_id ON app.deal (tenant_id, stage_id, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_status ON app.deal (tenant_id, status, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_amount ON app.deal (tenant_id, amount, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_close_date ON app.deal (tenant_id, close_date, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX deal_external_id ON app.deal (tenant_id, external_id_key) WHERE deleted_at IS NULL AND external_id_key IS NOT NULL;
CREATE INDEX deal_updated_at ON app.deal (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_changed_xid ON app.deal (tenant_id, changed_xid, id);
SELECT app.protect_records('app.deal', 'record');

CREATE TABLE app.deal_line (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^00k[0-9A-Za-z]{12}$'),
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
    deal_id text COLLATE "C" NOT NULL,
    product_id text COLLATE "C",
    quantity bigint NOT NULL,
    unit_price bigint NOT NULL,
    discount bigint,
    total bigint,
    external_id text CHECK (length(external_id) <= 255),
    external_id_key text COLLATE "C",
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id),
    FOREIGN KEY (tenant_id, deal_id) REFERENCES app.deal (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, product_id) REFERENCES app.product (tenant_id, id) ON DELETE SET NULL (product_id)
);
CREATE INDEX deal_line_owner_id ON app.deal_line (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_line_name ON app.deal_line (tenant_id, name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_line_deal_id ON app.deal_line (tenant_id, deal_id, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_line_product_id ON app.deal_line (tenant_id, product_id, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX deal_line_external_id ON app.deal_line (tenant_id, external_id_key) WHERE deleted_at IS NULL AND external_id_key IS NOT NULL;
CREATE INDEX deal_line_updated_at ON app.deal_line (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_line_changed_xid ON app.deal_line (tenant_id, changed_xid, id);
SELECT app.protect_records('app.deal_line', 'record');

CREATE TABLE app.lead (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^00Q[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    name text CHECK (length(name) <= 255),
    name_key text COLLATE "C",
    first_name text CHECK (length(first_name) <= 120),
    first_name_key text COLLATE "C",
    last_name text NOT NULL CHECK (length(last_name) <= 120),
    last_name_key text COLLATE "C" NOT NULL,
    company text CHECK (length(company) <= 255),
    company_key text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    source text COLLATE "C",
    job_title text CHECK (length(job_title) <= 120),
    job_title_key text COLLATE "C",
    email text CHECK (length(email) <= 254),
    email_key text COLLATE "C",
    phone text CHECK (length(phone) <= 40),
    phone_key text COLLATE "C",
    website text CHECK (length(website) <= 1000),
    website_key text COLLATE "C",
    street text CHECK (length(street) <= 255),
    street_key text COLLATE "C",
    city text CHECK (length(city) <= 120),
    city_key text COLLATE "C",
    postal_code text CHECK (length(postal_code) <= 20),
    postal_code_key text COLLATE "C",
    region text CHECK (length(region) <= 120),
    region_key text COLLATE "C",
    country text CHECK (length(country) <= 120),
    country_key text COLLATE "C",
    description text CHECK (length(description) <= 32000),
    external_id text CHECK (length(external_id) <= 255),
    external_id_key text COLLATE "C",
    converted_account_id text COLLATE "C",
    converted_contact_id text COLLATE "C",
    converted_deal_id text COLLATE "C",
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id),
    FOREIGN KEY (tenant_id, converted_account_id) REFERENCES app.account (tenant_id, id) ON DELETE SET NULL (converted_account_id),
    FOREIGN KEY (tenant_id, converted_contact_id) REFERENCES app.contact (tenant_id, id) ON DELETE SET NULL (converted_contact_id),
    FOREIGN KEY (tenant_id, converted_deal_id) REFERENCES app.deal (tenant_id, id) ON DELETE SET NULL (converted_deal_id)
);
CREATE INDEX lead_owner_id ON app.lead (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_name ON app.lead (tenant_id, name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_company ON app.lead (tenant_id, company_key, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_status ON app.lead (tenant_id, status, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_email ON app.lead (tenant_id, email_key, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX lead_external_id ON app.lead (tenant_id, external_id_key) WHERE deleted_at IS NULL AND external_id_key IS NOT NULL;
CREATE INDEX lead_converted_account_id ON app.lead (tenant_id, converted_account_id, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_converted_contact_id ON app.lead (tenant_id, converted_contact_id, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_converted_deal_id ON app.lead (tenant_id, converted_deal_id, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_updated_at ON app.lead (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_changed_xid ON app.lead (tenant_id, changed_xid, id);
SELECT app.protect_records('app.lead', 'record');

CREATE TABLE app.task (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^00T[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    subject text NOT NULL CHECK (length(subject) <= 255),
    subject_key text COLLATE "C" NOT NULL,
    about_id text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    priority text COLLATE "C" NOT NULL,
    due_date date,
    description text CHECK (length(description) <= 32000),
    done_at timestamptz,
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id)
);
CREATE INDEX task_owner_id ON app.task (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX task_subject ON app.task (tenant_id, subject_key, id) WHERE deleted_at IS NULL;
CREATE INDEX task_about_id ON app.task (tenant_id, about_id, id) WHERE deleted_at IS NULL;
CREATE INDEX task_status ON app.task (tenant_id, status, id) WHERE deleted_at IS NULL;
CREATE INDEX task_due_date ON app.task (tenant_id, due_date, id) WHERE deleted_at IS NULL;
CREATE INDEX task_updated_at ON app.task (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX task_changed_xid ON app.task (tenant_id, changed_xid, id);
SELECT app.protect_records('app.task', 'record');

CREATE TABLE app.event (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^00U[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    subject text NOT NULL CHECK (length(subject) <= 255),
    subject_key text COLLATE "C" NOT NULL,
    about_id text COLLATE "C",
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    location text CHECK (length(location) <= 255),
    location_key text COLLATE "C",
    description text CHECK (length(description) <= 32000),
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id)
);
CREATE INDEX event_owner_id ON app.event (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX event_subject ON app.event (tenant_id, subject_key, id) WHERE deleted_at IS NULL;
CREATE INDEX event_about_id ON app.event (tenant_id, about_id, id) WHERE deleted_at IS NULL;
CREATE INDEX event_starts_at ON app.event (tenant_id, starts_at, id) WHERE deleted_at IS NULL;
CREATE INDEX event_updated_at ON app.event (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX event_changed_xid ON app.event (tenant_id, changed_xid, id);
SELECT app.protect_records('app.event', 'record');

CREATE TABLE app.call (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^fC0[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    subject text NOT NULL CHECK (length(subject) <= 255),
    subject_key text COLLATE "C" NOT NULL,
    about_id text COLLATE "C",
    direction text COLLATE "C" NOT NULL,
    outcome text COLLATE "C",
    at timestamptz NOT NULL,
    minutes bigint,
    phone text CHECK (length(phone) <= 40),
    phone_key text COLLATE "C",
    description text CHECK (length(description) <= 32000),
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id)
);
CREATE INDEX call_owner_id ON app.call (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX call_subject ON app.call (tenant_id, subject_key, id) WHERE deleted_at IS NULL;
CREATE INDEX call_about_id ON app.call (tenant_id, about_id, id) WHERE deleted_at IS NULL;
CREATE INDEX call_at ON app.call (tenant_id, at, id) WHERE deleted_at IS NULL;
CREATE INDEX call_updated_at ON app.call (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX call_changed_xid ON app.call (tenant_id, changed_xid, id);
SELECT app.protect_records('app.call', 'record');

CREATE TABLE app.note (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^002[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    title text NOT NULL CHECK (length(title) <= 255),
    title_key text COLLATE "C" NOT NULL,
    about_id text COLLATE "C",
    body text CHECK (length(body) <= 32000),
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id)
);
CREATE INDEX note_owner_id ON app.note (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX note_title ON app.note (tenant_id, title_key, id) WHERE deleted_at IS NULL;
CREATE INDEX note_about_id ON app.note (tenant_id, about_id, id) WHERE deleted_at IS NULL;
CREATE INDEX note_updated_at ON app.note (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX note_changed_xid ON app.note (tenant_id, changed_xid, id);
SELECT app.protect_records('app.note', 'record');

CREATE TABLE app."case" (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^500[0-9A-Za-z]{12}$'),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz,
    changed_xid xid8 NOT NULL,
    row_tag bigint NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    subject text NOT NULL CHECK (length(subject) <= 255),
    subject_key text COLLATE "C" NOT NULL,
    account_id text COLLATE "C",
    contact_id text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    priority text COLLATE "C" NOT NULL,
    origin text COLLATE "C",
    description text CHECK (length(description) <= 32000),
    external_id text CHECK (length(external_id) <= 255),
    external_id_key text COLLATE "C",
    closed_at timestamptz,
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES app.account (tenant_id, id) ON DELETE SET NULL (account_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES app.contact (tenant_id, id) ON DELETE SET NULL (contact_id)
);
CREATE INDEX case_owner_id ON app."case" (tenant_id, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX case_subject ON app."case" (tenant_id, subject_key, id) WHERE deleted_at IS NULL;
CREATE INDEX case_account_id ON app."case" (tenant_id, account_id, id) WHERE deleted_at IS NULL;
CREATE INDEX case_contact_id ON app."case" (tenant_id, contact_id, id) WHERE deleted_at IS NULL;
CREATE INDEX case_status ON app."case" (tenant_id, status, id) WHERE deleted_at IS NULL;
CREATE INDEX case_priority ON app."case" (tenant_id, priority, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX case_external_id ON app."case" (tenant_id, external_id_key) WHERE deleted_at IS NULL AND external_id_key IS NOT NULL;
CREATE INDEX case_updated_at ON app."case" (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX case_changed_xid ON app."case" (tenant_id, changed_xid, id);
SELECT app.protect_records('app."case"', 'record');

CREATE TABLE app.custom_record (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^a[0-9A-Za-z]{14}$'),
    object text COLLATE "C" NOT NULL,
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
    external_id text CHECK (length(external_id) <= 255),
    external_id_key text COLLATE "C",
    custom jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES app."user" (tenant_id, id)
);
CREATE INDEX custom_record_object ON app.custom_record (tenant_id, object, id) WHERE deleted_at IS NULL;
CREATE INDEX custom_record_owner_id ON app.custom_record (tenant_id, object, owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX custom_record_name ON app.custom_record (tenant_id, object, name_key, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX custom_record_external_id ON app.custom_record (tenant_id, object, external_id_key)
    WHERE deleted_at IS NULL AND external_id_key IS NOT NULL;
CREATE INDEX custom_record_updated_at ON app.custom_record (tenant_id, object, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX custom_record_changed_xid ON app.custom_record (tenant_id, object, changed_xid, id);
SELECT app.protect_records('app.custom_record', 'record');

-- Numbers, dates (days), instants (microseconds) and booleans have key_int; texts, options and ids have key_text.
CREATE TABLE app.field_value (
    tenant_id text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    field     integer NOT NULL,
    ordinal   smallint NOT NULL,
    object    text COLLATE "C" NOT NULL,
    key_int   bigint,
    key_text  text COLLATE "C",
    -- Whether no two living records may share the key.
    is_unique boolean NOT NULL,
    living    boolean NOT NULL,
    PRIMARY KEY (tenant_id, record_id, field, ordinal),
    CHECK ((key_int IS NULL) <> (key_text IS NULL))
);
CREATE INDEX field_value_int ON app.field_value (tenant_id, object, field, key_int, record_id) WHERE key_int IS NOT NULL;
CREATE INDEX field_value_text ON app.field_value (tenant_id, object, field, key_text, record_id) WHERE key_text IS NOT NULL;
CREATE UNIQUE INDEX field_value_unique_int ON app.field_value (tenant_id, object, field, key_int) WHERE is_unique AND living AND key_int IS NOT NULL;
CREATE UNIQUE INDEX field_value_unique_text ON app.field_value (tenant_id, object, field, key_text) WHERE is_unique AND living AND key_text IS NOT NULL;
SELECT app.protect('app.field_value', 'record');

CREATE TABLE app.search_token (
    tenant_id text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    token     text COLLATE "C" NOT NULL,
    object    text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, record_id, token)
);
CREATE INDEX search_token_token ON app.search_token (tenant_id, object, token, record_id);
SELECT app.protect('app.search_token', 'record');

-- `version` is the record's version that the change made; it orders a record's history and tells nothing of anybody else's.
CREATE TABLE app.history (
    tenant_id text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    version   bigint NOT NULL,
    at        timestamptz NOT NULL,
    by_id     text COLLATE "C" NOT NULL,
    action    text COLLATE "C" NOT NULL CHECK (action IN ('created', 'updated', 'deleted', 'restored')),
    -- {"field": [old, new]}, values in the API's plain forms
    changes   jsonb,
    PRIMARY KEY (tenant_id, record_id, version, at)
) PARTITION BY RANGE (at);
SELECT app.protect('app.history', 'append_only');

-- Makes the partitions of the month of `from_day` and of the months after it. Partitions are reached through the parent alone.
CREATE FUNCTION app.make_history_partitions(from_day date, months integer) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    first date;
    name  text;
BEGIN
    FOR step IN 0..months LOOP
        first := (date_trunc('month', from_day::timestamp) + make_interval(months => step))::date;
        name := format('history_%s', to_char(first, 'YYYY_MM'));
        IF to_regclass('app.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE app.%I PARTITION OF app.history FOR VALUES FROM (%L) TO (%L)', name,
                first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month')::timestamp AT TIME ZONE 'UTC');
            PERFORM app.protect(format('app.%I', name)::regclass, 'private');
        END IF;
    END LOOP;
END
$$;
-- Catches what no month was made for, so that no change fails for its history.
CREATE TABLE app.history_rest PARTITION OF app.history DEFAULT;
SELECT app.protect('app.history_rest', 'private');
SELECT app.make_history_partitions(current_date, 2);

CREATE TABLE app.custom_object (
    tenant_id    text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    plural       text COLLATE "C" NOT NULL CHECK (plural ~ '^[a-z][a-z0-9_]{0,43}$'),
    prefix       text COLLATE "C" NOT NULL CHECK (prefix ~ '^a[0-9A-Za-z]{2}$'),
    label        text NOT NULL CHECK (length(label) BETWEEN 1 AND 80),
    plural_label text NOT NULL CHECK (length(plural_label) BETWEEN 1 AND 80),
    created_at   timestamptz NOT NULL,
    removed_at   timestamptz,
    PRIMARY KEY (tenant_id, name),
    -- A removed object keeps its name and prefix: neither is ever reused.
    UNIQUE (tenant_id, plural),
    UNIQUE (tenant_id, prefix)
);
SELECT app.protect('app.custom_object', 'managed');
CREATE TRIGGER bump_schema AFTER INSERT OR UPDATE OR DELETE ON app.custom_object FOR EACH ROW EXECUTE FUNCTION app.bump_schema();

CREATE TABLE app.custom_field (
    tenant_id  text COLLATE "C" NOT NULL,
    object     text COLLATE "C" NOT NULL,
    id         integer NOT NULL CHECK (id BETWEEN 1000 AND 65000),
    -- The field's facts, in the shape that the API describes it with.
    facts      jsonb NOT NULL,
    name       text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,59}$'),
    created_at timestamptz NOT NULL,
    removed_at timestamptz,
    PRIMARY KEY (tenant_id, object, id)
);
CREATE UNIQUE INDEX custom_field_name ON app.custom_field (tenant_id, object, name) WHERE removed_at IS NULL;
SELECT app.protect('app.custom_field', 'managed');
CREATE TRIGGER bump_schema AFTER INSERT OR UPDATE OR DELETE ON app.custom_field FOR EACH ROW EXECUTE FUNCTION app.bump_schema();
