-- A signed context lives for a minute by the database's clock, too: one that a server with a fast clock has signed isn't good for longer than
-- that and the half minute by which clocks may differ. app.enter() as the migrations before have made it, with one more refusal.
DO $migration$
DECLARE
    body text := pg_get_functiondef('app.enter(text, text, bigint, bigint)'::regprocedure);
    old  constant text := $q$        RAISE EXCEPTION 'the tenant context has expired' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
$q$;
BEGIN
    IF strpos(body, old) = 0 THEN
        RAISE EXCEPTION 'app.enter() is not what this migration knows';
    END IF;
    EXECUTE replace(body, old, old || $q$    IF to_timestamp(part[8]::float8) > transaction_timestamp() + interval '90 seconds' THEN
        RAISE EXCEPTION 'the tenant context lives too long' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
$q$);
END
$migration$;
