-- Some keys again; one that is not in the answer works no more. $1 array of ids
select id, user_id, name, encode(key_hash, 'base64'), to_json(scopes), rate_limit_per_minute, ends
from pgherald.live_api_keys
where id = any ($1::uuid[])
