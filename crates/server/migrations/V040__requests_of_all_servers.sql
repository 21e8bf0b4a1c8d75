-- Requests of a workspace's programs are counted over all servers: each tells here what it has let through, every second or so and sooner when
-- it is much, and learns what all of them have.
--
--   request_use  how many requests of a workspace count as of `at`; they count less with the time that passes, as on the servers
--
-- What is lost with a crash is a minute's count.

CREATE UNLOGGED TABLE app.request_use (
    tenant_id text COLLATE "C" PRIMARY KEY REFERENCES app.workspace ON DELETE CASCADE,
    taken     double precision NOT NULL,
    at        timestamptz NOT NULL
);
SELECT app.protect('app.request_use', 'private');
SELECT app.permit_lookup('app.request_use', 'SELECT, INSERT, UPDATE');

-- Adds what one server has let through, and answers what counts now. Workspaces without a quota aren't kept, and answer nothing. Always in the
-- same order, so that servers never wait for each other in a circle.
CREATE FUNCTION app.settle_requests(of_tenants text[], more integer[], now timestamptz)
RETURNS TABLE (tenant_id text, taken double precision) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    INSERT INTO app.request_use AS u (tenant_id, taken, at)
        SELECT q.tenant_id, g.more, settle_requests.now
        FROM unnest(of_tenants, more) AS g (tenant_id, more)
        JOIN app.workspace_quota q ON q.tenant_id = g.tenant_id AND q.requests_per_minute IS NOT NULL
        WHERE g.more >= 0
        ORDER BY q.tenant_id
    ON CONFLICT ON CONSTRAINT request_use_pkey DO UPDATE SET
        taken = excluded.taken + greatest(0, u.taken - extract(epoch FROM greatest(excluded.at - u.at, interval '0'))
            * (SELECT q.requests_per_minute FROM app.workspace_quota q WHERE q.tenant_id = u.tenant_id) / 60),
        at = greatest(u.at, excluded.at)
    RETURNING u.tenant_id, u.taken
$$;
SELECT app.serve('app.settle_requests(text[], integer[], timestamptz)', 'fieldstone_auth');
