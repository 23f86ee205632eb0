-- Who may do what with these topics? $1 the questions, $2 the sessions: see pgherald.realtime_authorize().
select question, read_broadcast, read_presence, write_broadcast, write_presence, problem
from pgherald.realtime_authorize($1::jsonb, $2::jsonb)
