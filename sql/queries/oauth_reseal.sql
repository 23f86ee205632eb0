-- Puts resealed tokens in the place of those that were read, where nobody has changed the row since
-- and nobody is about to: a row that is locked is left for the next time, so that no writer ever waits
-- for a rotation that waits for him.
-- $1 json: an array of {id, version, access, refresh}; $2 the id of the key they are under now
with resealed as materialized (
  select * from json_to_recordset($1::json) as r (id uuid, version xid, access bytea, refresh bytea)
),
free as materialized (
  select t.id
  from public.google_oauth_tokens t
  join resealed r on r.id = t.id and r.version = t.xmin
  for no key update of t skip locked
)
update public.google_oauth_tokens t
set access_token_encrypted = r.access, refresh_token_encrypted = r.refresh, encryption_key_id = $2::text
from resealed r
join free on free.id = r.id
where t.id = r.id and t.xmin = r.version
returning t.id
