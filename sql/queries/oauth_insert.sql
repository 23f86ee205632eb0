-- A new account; the user's id comes back, and nothing if it is there by now.
-- $1 user, $2 jsonb: what was said of it besides the tokens; $3, $4 sealed tokens, $5 the key's id
insert into public.google_oauth_tokens (user_id, google_account_id, google_email, access_token_encrypted,
  refresh_token_encrypted, encryption_key_id, scopes, token_type, expires_at)
select $1::uuid, given ->> 'google_account_id', given ->> 'google_email', $3::bytea, $4::bytea, $5::text,
  array(select jsonb_array_elements_text(coalesce(given -> 'scopes', '[]'))),
  coalesce(given ->> 'token_type', 'Bearer'), (given ->> 'expires_at')::timestamptz
from (select $2::jsonb as given) g
on conflict (user_id, google_account_id) do nothing
returning user_id
