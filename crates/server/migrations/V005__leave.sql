-- Leaving a connection: app.leave() takes the place of app.connection_is_clean().
--
-- It is called after COMMIT, in the same flight, and its text is parsed anew each time, so that nobody can have put another statement in
-- its place. A procedure needs no plan, which makes that cost half of what a function's call from SELECT does. And it refuses instead of
-- answering: whoever forgets to read an answer is not told that all is well.

-- As before, for procedures too.
CREATE OR REPLACE FUNCTION app.serve(target regprocedure, VARIADIC callers name[]) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    caller name;
BEGIN
    FOREACH caller IN ARRAY callers LOOP
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', target, caller);
    END LOOP;
    -- Owning a function takes CREATE on its schema at the moment of the change, and not after.
    EXECUTE 'GRANT CREATE ON SCHEMA app TO fieldstone_lookup';
    EXECUTE format('ALTER ROUTINE %s OWNER TO fieldstone_lookup', target);
    EXECUTE 'REVOKE CREATE ON SCHEMA app FROM fieldstone_lookup';
END
$$;

DROP FUNCTION app.connection_is_clean();

-- Raises FS005 when the last transaction left something behind that the next tenant's would run into: throw such a connection away.
-- Session settings need no verdict: RESET ALL returns them to what the connection started with.
CREATE PROCEDURE app.leave() LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    -- The functions, not the views over them: that halves the cost.
    IF current_setting('role') <> 'none'
        OR coalesce(current_setting('app.context', true), '') <> ''
        OR pg_my_temp_schema() <> 0
        OR EXISTS (SELECT FROM pg_listening_channels())
        OR EXISTS (SELECT FROM pg_cursor() c WHERE c.is_holdable)
        OR EXISTS (SELECT FROM pg_prepared_statement() s WHERE s.from_sql)
    THEN
        RAISE EXCEPTION 'something was left behind on this connection' USING ERRCODE = 'FS005';
    END IF;
    RESET ALL;
END
$$;
SELECT app.serve('app.leave()', 'fieldstone_app', 'fieldstone_worker');
