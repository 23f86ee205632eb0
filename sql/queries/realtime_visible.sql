-- Who may read these rows? $1 the questions, $2 the sessions: see pgherald.realtime_visible().
select question, session, visible, old_visible, rls, hidden, problem
from pgherald.realtime_visible($1::jsonb, $2::jsonb)
