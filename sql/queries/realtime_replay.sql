-- The newest messages of a private topic, oldest first: see pgherald.realtime_replay(). $1 topic, $2 since,
-- milliseconds since 1970, $3 at most so many, $4 transactions to wait for
select id, event, payload, bytes
from pgherald.realtime_replay($1, $2::bigint, $3::int, $4::bigint[])
