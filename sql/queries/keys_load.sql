-- The API keys that work, the oldest first: of more than there is room for, those that have always
-- worked go on. The last column is how many there are. $1 at most so many
select id, user_id, name, encode(key_hash, 'base64'), to_json(scopes), rate_limit_per_minute, ends,
       count(*) over ()
from pgherald.live_api_keys
order by created_at, id
limit $1::bigint
