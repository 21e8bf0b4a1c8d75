-- What a workspace chooses for its pages: in which order an object's fields stand.

CREATE TABLE app.object_layout (
    tenant_id text COLLATE "C" NOT NULL,
    object    text COLLATE "C" NOT NULL CHECK (length(object) <= 60),
    -- Sections with the names of their fields (fieldstone_model::object::Placed).
    places    jsonb NOT NULL CHECK (jsonb_typeof(places) = 'array' AND length(places::text) <= 100000),
    PRIMARY KEY (tenant_id, object)
);
SELECT app.protect('app.object_layout', 'managed');
CREATE TRIGGER bump_schema AFTER INSERT OR UPDATE OR DELETE ON app.object_layout FOR EACH ROW EXECUTE FUNCTION app.bump_schema();
