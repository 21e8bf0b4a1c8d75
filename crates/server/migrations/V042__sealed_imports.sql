-- Whether a workspace has anything sealed: files on their way into an import count as well.
CREATE OR REPLACE FUNCTION app.has_sealed(of_tenant text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (SELECT FROM app.totp s WHERE s.tenant_id = of_tenant AND s.seed IS NOT NULL)
        OR EXISTS (SELECT FROM app.workspace_key s WHERE s.tenant_id = of_tenant AND s.private_key IS NOT NULL)
        OR EXISTS (SELECT FROM app.sync_sealed s WHERE s.tenant_id = of_tenant AND s.content IS NOT NULL)
        OR EXISTS (SELECT FROM app.sync_standing s WHERE s.tenant_id = of_tenant AND s.wipe_receipt IS NOT NULL)
        OR EXISTS (SELECT FROM app.webhook s WHERE s.tenant_id = of_tenant AND s.sealed IS NOT NULL)
        OR EXISTS (SELECT FROM app.content_part s WHERE s.tenant_id = of_tenant)
        OR EXISTS (SELECT FROM app.import_part s WHERE s.tenant_id = of_tenant AND s.object IS NOT NULL)
$$;
SELECT app.permit_lookup('app.import_part', 'SELECT (tenant_id, object)');
