-- Lists in the order in which records were made.
CREATE INDEX pipeline_created_at ON app.pipeline (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX stage_created_at ON app.stage (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX account_created_at ON app.account (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX contact_created_at ON app.contact (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX product_created_at ON app.product (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_created_at ON app.deal (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX deal_line_created_at ON app.deal_line (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX lead_created_at ON app.lead (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX task_created_at ON app.task (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX event_created_at ON app.event (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX call_created_at ON app.call (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX note_created_at ON app.note (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX case_created_at ON app."case" (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX custom_record_created_at ON app.custom_record (tenant_id, object, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX attachment_created_at ON app.attachment (tenant_id, created_at, id) WHERE deleted_at IS NULL;
