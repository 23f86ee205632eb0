-- What this session leaves out: see replay_known.sql. A table of its own, since the outbox has no
-- index by message_id, which each delivery would have to pay for.
create temporary table pgherald_replay_known (message_id text primary key)
