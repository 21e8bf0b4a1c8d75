-- How wide somebody has drawn the columns of a kept view: theirs alone, also where the view is shared. Where there is none, the list's widths
-- hold (column_widths).

CREATE TABLE app.view_widths (
    tenant_id  text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    object     text COLLATE "C" NOT NULL CHECK (length(object) <= 60),
    view_id    text COLLATE "C" NOT NULL,
    -- CSS pixels by field: `name:240 amount:120` (fieldstone_ui's lists); empty for the usual ones.
    widths     text NOT NULL CHECK (length(widths) <= 8000),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, object, view_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES app."user" (tenant_id, id) ON DELETE CASCADE
);
SELECT app.protect('app.view_widths', 'personal');
