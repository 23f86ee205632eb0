-- Puts deliveries into the outbox, in their order, without those that the webhook has. How many.
--
-- $1 uuid: the webhook   $2 json: an array of {id, event, payload, row_key}
with made as (
  insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload, row_key, origin)
  select $1::uuid, r.id, r.event, r.payload, r.row_key, 'replay'
  from rows from (json_to_recordset($2::json) as (id text, event text, payload json, row_key text))
    with ordinality as r (id, event, payload, row_key, place)
  -- a look-up each: as a join all that is known would be hashed for each batch
  where (select k.message_id from pg_temp.pgherald_replay_known k where k.message_id = r.id) is null
  order by r.place
  returning id
)
select count(*) from made
