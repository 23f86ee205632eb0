-- An account with its sealed tokens; two rows if the user has several and none was named.
-- $1 user, $2 account or null, $3 bytes: a longer token is not read
select id, user_id, google_account_id, left(encryption_key_id, 100),
  case when octet_length(access_token_encrypted) <= $3::int then access_token_encrypted end,
  refresh_token_encrypted is not null,
  case when octet_length(refresh_token_encrypted) <= $3::int then refresh_token_encrypted end,
  json_build_object(
    'google_account_id', google_account_id,
    'google_email', google_email,
    'scopes', scopes,
    'token_type', token_type,
    'expires_at', expires_at),
  revoked_at
from public.google_oauth_tokens
where user_id = $1::uuid and ($2::text is null or google_account_id = $2::text)
order by google_account_id
limit 2
