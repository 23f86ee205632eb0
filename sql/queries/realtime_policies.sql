-- What roles may do with tables, where that is not what the daemon knows already. $1: see
-- pgherald.realtime_policies().
select place, print, facts
from pgherald.realtime_policies($1::jsonb)
