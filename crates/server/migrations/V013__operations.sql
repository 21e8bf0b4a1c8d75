-- What the installation does for itself: backups, drills, checks of its own claims. No tenant's data, and nothing secret.
--
--   operation      one row per run, with how it went and what was seen
--   backup_canary  rows that a drill plants, to see which of them a restore to a second brings back

CREATE TABLE app.operation (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind     text COLLATE "C" NOT NULL CHECK (kind ~ '^[a-z][a-z-]{0,39}$'),
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL CHECK (ended_at >= began_at),
    ok       boolean NOT NULL,
    detail   jsonb NOT NULL CHECK (length(detail::text) <= 1000000)
);
CREATE INDEX operation_last ON app.operation (kind, number DESC);
SELECT app.protect('app.operation', 'system');

CREATE TABLE app.backup_canary (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    planted_at timestamptz NOT NULL
);
SELECT app.protect('app.backup_canary', 'system');

-- Writes down one run; the last hundred of each kind are kept.
CREATE FUNCTION app.record_operation(kind text, began_at timestamptz, ended_at timestamptz, ok boolean, detail jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO app.operation (kind, began_at, ended_at, ok, detail) VALUES ($1, $2, $3, $4, $5);
    DELETE FROM app.operation o WHERE o.kind = $1
        AND o.number <= (SELECT k.number FROM app.operation k WHERE k.kind = $1 ORDER BY k.number DESC OFFSET 100 LIMIT 1);
END
$$;

-- The last runs of one kind, the latest first.
CREATE FUNCTION app.operations(kind text, most integer)
RETURNS TABLE (began_at timestamptz, ended_at timestamptz, ok boolean, detail jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    RETURN QUERY SELECT o.began_at, o.ended_at, o.ok, o.detail FROM app.operation o
        WHERE o.kind = $1 ORDER BY o.number DESC LIMIT least($2, 100);
END
$$;

SELECT app.permit_lookup('app.operation', 'SELECT, INSERT, DELETE');
SELECT app.serve('app.record_operation(text, timestamptz, timestamptz, boolean, jsonb)', 'fieldstone_worker');
SELECT app.serve('app.operations(text, integer)', 'fieldstone_app', 'fieldstone_worker');
