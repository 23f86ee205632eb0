-- How many rows are not under the key of this id? $1 the id
select count(*) from public.google_oauth_tokens where encryption_key_id <> $1::text
