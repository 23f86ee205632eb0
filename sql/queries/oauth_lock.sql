-- The refresh token that is there, and the row is ours until the transaction ends.
-- $1 user, $2 account, $3 bytes: a longer token is not read
select user_id, left(encryption_key_id, 100), refresh_token_encrypted is not null,
  case when octet_length(refresh_token_encrypted) <= $3::int then refresh_token_encrypted end
from public.google_oauth_tokens
where user_id = $1::uuid and google_account_id = $2::text
for update
