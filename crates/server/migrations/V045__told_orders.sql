-- Devices are told in which order fields stand. Those of workspaces that have chosen one before ask once more.
UPDATE app.workspace w SET schema_version = w.schema_version + 1
    WHERE EXISTS (SELECT FROM app.object_layout l WHERE l.tenant_id = w.tenant_id);
