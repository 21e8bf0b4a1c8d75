-- Requests of all servers are counted by the database's clock: a server whose own is wrong neither gives requests away nor takes them from others.

-- Adds what one server has let through, and answers what counts now. Workspaces without a quota aren't kept, and answer nothing. Always in the
-- same order, so that servers never wait for each other in a circle. A clock that was put back begins anew from where it is.
CREATE FUNCTION app.settle_requests(of_tenants text[], more double precision[])
RETURNS TABLE (tenant_id text, taken double precision) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    INSERT INTO app.request_use AS u (tenant_id, taken, at)
        SELECT q.tenant_id, g.more, clock_timestamp()
        FROM unnest(of_tenants, more) AS g (tenant_id, more)
        JOIN app.workspace_quota q ON q.tenant_id = g.tenant_id AND q.requests_per_minute IS NOT NULL
        WHERE g.more >= 0
        ORDER BY q.tenant_id
    ON CONFLICT ON CONSTRAINT request_use_pkey DO UPDATE SET
        taken = excluded.taken + greatest(0, u.taken - extract(epoch FROM greatest(excluded.at - u.at, interval '0'))
            * (SELECT q.requests_per_minute FROM app.workspace_quota q WHERE q.tenant_id = u.tenant_id) / 60),
        at = CASE WHEN u.at > excluded.at + interval '1 minute' THEN excluded.at ELSE greatest(u.at, excluded.at) END
    RETURNING u.tenant_id, u.taken
$$;
SELECT app.serve('app.settle_requests(text[], double precision[])', 'fieldstone_auth');

-- For servers of before, whose clock counts no more.
CREATE OR REPLACE FUNCTION app.settle_requests(of_tenants text[], more integer[], now timestamptz)
RETURNS TABLE (tenant_id text, taken double precision) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    SELECT s.tenant_id, s.taken FROM app.settle_requests(of_tenants, more::double precision[]) s
$$;
