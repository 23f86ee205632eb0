-- How many of these the webhook does not have: what replay_insert.sql would put into the outbox.
--
-- $1 uuid: the webhook   $2 json: an array of {id, event}
select count(*)
from json_to_recordset($2::json) as r (id text)
where $1::uuid is not null
  -- a look-up each: as a join all that is known would be hashed for each batch
  and (select k.message_id from pg_temp.pgherald_replay_known k where k.message_id = r.id) is null
