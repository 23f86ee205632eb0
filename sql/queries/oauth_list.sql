-- A page of accounts, without their tokens.
-- $1 of this user, null: of all; $2, $3 user and account that the page before ended with, null: the
-- first page; $4 rows
select user_id, google_account_id, json_build_object(
    'user_id', user_id,
    'google_account_id', google_account_id,
    'google_email', google_email,
    'encryption_key_id', encryption_key_id,
    'has_refresh_token', refresh_token_encrypted is not null,
    'scopes', scopes,
    'token_type', token_type,
    'expires_at', expires_at,
    'last_refreshed_at', last_refreshed_at,
    'revoked_at', revoked_at)
from public.google_oauth_tokens
where ($1::uuid is null or user_id = $1::uuid)
  and ($2::uuid is null or (user_id, google_account_id) > ($2::uuid, $3::text))
order by user_id, google_account_id
limit $4::int
