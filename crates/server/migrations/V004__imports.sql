-- Imports: what each run made and changed, so that it can be undone. Ids alone: values stand in the records and their history.
--
--   import_run     one row for each run
--   import_batch   what a chunk of a run is about to do, written before it. What the history doesn't confirm, by the run's person and
--                  within its time, did not happen.

CREATE TABLE app.import_run (
    tenant_id text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL CHECK (id ~ '^0IM[0-9A-Za-z]{12}$'),
    object    text COLLATE "C" NOT NULL,
    file      text NOT NULL CHECK (length(file) <= 255),
    by_id     text COLLATE "C" NOT NULL,
    began_at  timestamptz NOT NULL,
    ended_at  timestamptz,
    outcome   text COLLATE "C" CHECK (outcome IN ('complete', 'cancelled', 'stopped')),
    created   bigint NOT NULL DEFAULT 0,
    updated   bigint NOT NULL DEFAULT 0,
    skipped   bigint NOT NULL DEFAULT 0,
    failed    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
SELECT app.protect('app.import_run', 'record');

CREATE TABLE app.import_batch (
    tenant_id text COLLATE "C" NOT NULL,
    run_id    text COLLATE "C" NOT NULL,
    number    integer NOT NULL,
    first_row bigint NOT NULL,
    last_row  bigint NOT NULL,
    created   text[] COLLATE "C" NOT NULL,
    updated   text[] COLLATE "C" NOT NULL,
    -- the version that each updated record gets
    versions  bigint[] NOT NULL,
    PRIMARY KEY (tenant_id, run_id, number),
    FOREIGN KEY (tenant_id, run_id) REFERENCES app.import_run (tenant_id, id) ON DELETE CASCADE,
    CHECK (cardinality(updated) = cardinality(versions))
);
SELECT app.protect('app.import_batch', 'append_only');
