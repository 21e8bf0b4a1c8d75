-- How wide somebody has drawn the columns of an object's list, which is theirs alone.

CREATE TABLE app.column_widths (
    tenant_id  text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    object     text COLLATE "C" NOT NULL CHECK (length(object) <= 60),
    -- CSS pixels by field: `name:240 amount:120` (fieldstone_ui's lists).
    widths     text NOT NULL CHECK (length(widths) BETWEEN 1 AND 8000),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, object),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.column_widths', 'personal');
