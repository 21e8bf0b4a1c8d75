-- Tasks that repeat, times of the day for tasks, and reminders of tasks and events.
--
-- The next task is made with the write that finishes the one before (`fieldstone_store::write::successor`); `repeated_at` says that it was.

ALTER TABLE app.task
    ADD COLUMN due_time     time,
    ADD COLUMN repeat       text COLLATE "C",
    ADD COLUMN repeat_every bigint,
    ADD COLUMN repeat_until date,
    ADD COLUMN repeat_from  date,
    ADD COLUMN repeated_at  timestamptz,
    ADD COLUMN reminder     text COLLATE "C";
CREATE INDEX task_repeat ON app.task (tenant_id, repeat, id) WHERE deleted_at IS NULL;
CREATE INDEX task_reminder ON app.task (tenant_id, due_date) WHERE deleted_at IS NULL AND reminder IS NOT NULL AND status <> 'done';

ALTER TABLE app.event ADD COLUMN reminder text COLLATE "C";
CREATE INDEX event_reminder ON app.event (tenant_id, starts_at) WHERE deleted_at IS NULL AND reminder IS NOT NULL;

ALTER TABLE app.notification DROP CONSTRAINT notification_kind_check;
ALTER TABLE app.notification ADD CONSTRAINT notification_kind_check
    CHECK (kind IN ('mention', 'assigned', 'due', 'reminder', 'import', 'automation', 'follow'));

-- The look-up role reads of both what telling people takes. Rights given before stay.
GRANT SELECT (due_time, reminder) ON app.task TO fieldstone_lookup;
GRANT SELECT (tenant_id, id, owner_id, starts_at, reminder, deleted_at) ON app.event TO fieldstone_lookup;

-- Tells people of what they want to be reminded of, once for each time at which it is due. A task without a time counts as due at nine
-- where its owner is. Days are counted on their calendar, hours and minutes by the clock. What is a day late is not told any more.
CREATE FUNCTION app.tell_reminders() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    due  record;
    told bigint := 0;
BEGIN
    FOR due IN
        WITH ahead (name, days, clock) AS (
            VALUES ('at_time', 0, interval '0'), ('minutes_10', 0, interval '10 minutes'), ('minutes_30', 0, interval '30 minutes'),
                ('hours_1', 0, interval '1 hour'), ('hours_2', 0, interval '2 hours'), ('days_1', 1, interval '0'),
                ('days_2', 2, interval '0'), ('weeks_1', 7, interval '0')
        ), wanted AS (
            SELECT t.tenant_id, t.id, t.owner_id, u.time_zone, t.due_date + coalesce(t.due_time, time '09:00') AS local, t.reminder
            FROM app.workspace w
            JOIN app.task t ON t.tenant_id = w.tenant_id AND t.due_date BETWEEN current_date - 2 AND current_date + 9
                AND t.deleted_at IS NULL AND t.reminder IS NOT NULL AND t.status <> 'done'
            JOIN app."user" u ON u.tenant_id = t.tenant_id AND u.id = t.owner_id AND u.active AND u.deleted_at IS NULL
            UNION ALL
            SELECT e.tenant_id, e.id, e.owner_id, u.time_zone, e.starts_at AT TIME ZONE u.time_zone, e.reminder
            FROM app.workspace w
            JOIN app.event e ON e.tenant_id = w.tenant_id AND e.starts_at BETWEEN transaction_timestamp() - interval '2 days' AND transaction_timestamp() + interval '9 days'
                AND e.deleted_at IS NULL AND e.reminder IS NOT NULL
            JOIN app."user" u ON u.tenant_id = e.tenant_id AND u.id = e.owner_id AND u.active AND u.deleted_at IS NULL
        ), timed AS (
            SELECT n.tenant_id, n.id, n.owner_id,
                to_char((n.local AT TIME ZONE n.time_zone) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS moment,
                ((n.local - make_interval(days => a.days)) AT TIME ZONE n.time_zone) - a.clock AS at
            FROM wanted n JOIN ahead a ON a.name = n.reminder
        )
        SELECT t.* FROM timed t
        WHERE t.at <= transaction_timestamp() AND t.at > transaction_timestamp() - interval '1 day'
        AND NOT EXISTS (SELECT FROM app.notification n WHERE n.tenant_id = t.tenant_id AND n.user_id = t.owner_id AND n.kind = 'reminder'
            AND n.record_id = t.id AND n.marker = t.moment)
        ORDER BY t.at
    LOOP
        PERFORM app.tell(due.tenant_id, ARRAY[due.owner_id], 'reminder', ARRAY[due.id], '', due.moment);
        told := told + 1;
    END LOOP;
    RETURN told;
END
$$;
SELECT app.serve('app.tell_reminders()', 'fieldstone_worker');
