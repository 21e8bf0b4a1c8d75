-- Workspaces that end: when an owner or an operator has asked for it, and when everything was erased.
--
--   workspace_end  one row per workspace that is to end or has ended. It outlives the workspace, and names nobody's data.
--
-- Until `ends_at` everything goes on and the wish can be taken back. Then the workspace's keys are destroyed first, which makes its files
-- and secrets unreadable wherever copies of them are, and its rows are removed after that.

CREATE TABLE app.workspace_end (
    tenant_id text COLLATE "C" PRIMARY KEY,
    asked_at  timestamptz NOT NULL,
    -- A person of the workspace; nobody when it was an operator.
    asked_by  text COLLATE "C",
    ends_at   timestamptz NOT NULL CHECK (ends_at >= asked_at),
    erased_at timestamptz CHECK (erased_at >= ends_at)
);
SELECT app.protect('app.workspace_end', 'private');
SELECT app.permit_lookup('app.workspace_end', 'SELECT, INSERT, DELETE');

-- When the workspace ends, for the people in it; no row while it doesn't.
CREATE FUNCTION app.workspace_end() RETURNS TABLE (asked_at timestamptz, asked_by text, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT e.asked_at, e.asked_by, e.ends_at FROM app.workspace_end e WHERE e.tenant_id = app.tenant_id()
$$;
SELECT app.serve('app.workspace_end()', 'fieldstone_app', 'fieldstone_worker');

-- An owner asks for the end in so many days; answers when that is. Asking again changes nothing.
CREATE FUNCTION app.ask_workspace_end(days integer) RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.role() IS DISTINCT FROM 'owner' OR days NOT BETWEEN 7 AND 365 THEN
        RAISE EXCEPTION 'only an owner ends a workspace, and not at once' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.workspace_end (tenant_id, asked_at, asked_by, ends_at)
        VALUES (app.tenant_id(), transaction_timestamp(), app.user_id(), transaction_timestamp() + make_interval(days => days))
        ON CONFLICT (tenant_id) DO NOTHING;
    RETURN (SELECT e.ends_at FROM app.workspace_end e WHERE e.tenant_id = app.tenant_id());
END
$$;
SELECT app.serve('app.ask_workspace_end(integer)', 'fieldstone_app');

-- An owner takes it back; false when nobody had asked, or too late.
CREATE FUNCTION app.stop_workspace_end() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF app.role() IS DISTINCT FROM 'owner' THEN
        RAISE EXCEPTION 'only an owner keeps a workspace' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM app.workspace_end e WHERE e.tenant_id = app.tenant_id() AND e.ends_at > transaction_timestamp() AND e.erased_at IS NULL;
    RETURN FOUND;
END
$$;
SELECT app.serve('app.stop_workspace_end()', 'fieldstone_app');

-- Whether a workspace has reached its end; a job asks before it does anything.
CREATE FUNCTION app.due_workspace_ends(at timestamptz) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT e.tenant_id FROM app.workspace_end e WHERE e.ends_at <= at AND e.erased_at IS NULL ORDER BY e.ends_at
$$;
SELECT app.serve('app.due_workspace_ends(timestamptz)', 'fieldstone_worker');
