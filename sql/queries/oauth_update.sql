-- A token that was fetched anew. What was not said of the account stays as it is; expires_at is the
-- new access token's, so it does not. Who grants access again has not revoked it.
-- $1 user, $2 jsonb: what was said of it besides the tokens; $3, $4 sealed tokens, $5 the key's id
update public.google_oauth_tokens t
set access_token_encrypted = $3::bytea,
  refresh_token_encrypted = $4::bytea,
  encryption_key_id = $5::text,
  google_email = case when given ? 'google_email' then given ->> 'google_email' else t.google_email end,
  scopes = case when given ? 'scopes'
    then array(select jsonb_array_elements_text(given -> 'scopes')) else t.scopes end,
  token_type = coalesce(given ->> 'token_type', t.token_type),
  expires_at = (given ->> 'expires_at')::timestamptz,
  last_refreshed_at = now(),
  revoked_at = null
from (select $2::jsonb as given) g
where t.user_id = $1::uuid and t.google_account_id = given ->> 'google_account_id'
returning t.user_id
