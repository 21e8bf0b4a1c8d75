-- Attempts to sign in are counted without waiting for the disk. What a crash takes with it is a fraction of a second of counting, after
-- which nobody could sign in for longer than that; sessions and the audit log wait as before.

CREATE OR REPLACE FUNCTION app.take_attempts(keys bytea[], bursts float8[], paces float8[], at timestamptz) RETURNS float8
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one  record;
    wait float8 := 0;
BEGIN
    PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
    -- In one order, so that two of these never wait for each other.
    FOR one IN SELECT k.key, make_interval(secs => k.burst * k.pace) AS share, make_interval(secs => k.pace) AS pace
        FROM unnest(keys, bursts, paces) AS k (key, burst, pace) ORDER BY k.key
    LOOP
        INSERT INTO app.attempt AS a (key_hash, used_until) VALUES (one.key, at + one.pace)
            ON CONFLICT (key_hash) DO UPDATE SET used_until = greatest(a.used_until, at) + one.pace
            WHERE greatest(a.used_until, at) + one.pace <= at + one.share;
        IF NOT FOUND THEN
            wait := greatest(wait, (SELECT extract(epoch FROM a.used_until + one.pace - one.share - at) FROM app.attempt a WHERE a.key_hash = one.key));
        END IF;
    END LOOP;
    RETURN wait;
END
$$;

CREATE OR REPLACE FUNCTION app.return_attempts(keys bytea[], paces float8[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one record;
BEGIN
    PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
    FOR one IN SELECT k.key, make_interval(secs => k.pace) AS pace FROM unnest(keys, paces) AS k (key, pace) ORDER BY k.key LOOP
        UPDATE app.attempt a SET used_until = a.used_until - one.pace WHERE a.key_hash = one.key;
    END LOOP;
END
$$;
