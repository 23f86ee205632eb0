-- A page of rows with their sealed tokens, in the order of their ids. `version` changes with every
-- change of a row.
-- $1 the id that the page before ended with, null: the first page; $2 leave out the rows under the
-- key of this id, null: none; $3 rows; $4 bytes: a longer token is not read
select id, user_id, google_account_id, left(encryption_key_id, 100),
  case when octet_length(access_token_encrypted) <= $4::int then access_token_encrypted end,
  refresh_token_encrypted is not null,
  case when octet_length(refresh_token_encrypted) <= $4::int then refresh_token_encrypted end,
  xmin as version
from public.google_oauth_tokens
where ($1::uuid is null or id > $1::uuid) and ($2::text is null or encryption_key_id <> $2::text)
order by id
limit $3::int
