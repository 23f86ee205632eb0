-- What API keys were used for. $1 jsonb array of {id, requests, errors, used_at}
select pgherald.flush_api_key_usage($1::jsonb)
