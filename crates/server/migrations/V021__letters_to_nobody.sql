-- Nobody has an address under .invalid (RFC 2606): what is written to such people is written to nobody, so it isn't queued.

CREATE OR REPLACE FUNCTION app.queue_letter_to(tenant text, to_address text, to_name text, to_locale text, to_time_zone text, content jsonb,
    link text, until timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF lower(to_address) LIKE '%.invalid' THEN
        RETURN;
    END IF;
    INSERT INTO app.letter (tenant_id, id, address, name, locale, time_zone, content, link_id, queued_at, due_at, expires_at)
        VALUES (tenant, gen_random_uuid()::text, to_address, to_name, to_locale, to_time_zone, content, link,
            transaction_timestamp(), transaction_timestamp(),
            least(transaction_timestamp() + interval '1 day', until));
END
$$;
