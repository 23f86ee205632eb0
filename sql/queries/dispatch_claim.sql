-- Claims due deliveries: pushes their next attempt ahead by more than an attempt can take, so that
-- they come back by themselves if whoever claimed them dies. Attempts are not counted here.
--
-- Every endpoint gives up to its own free slots, found by the index from its oldest due delivery,
-- so a long queue of one costs the others nothing. The round starts at a random endpoint: when the
-- total is less than what is due, each gets its turn.
--
-- $1 int: deliveries in all   $2 bigint: bytes of payload in all (the first one always fits)
-- $3 int: free slots of an endpoint that is not in $4   $4 uuid[], $5 int[]: those of known ones
-- $6 int: the margin of the lease in ms, on top of the endpoint's time-out
with start as materialized (
  select gen_random_uuid() as id
),
room as materialized (
  select w.id, w.name, w.url, w.secret, w.headers, w.timeout_seconds, w.max_retries, w.updated_at,
    coalesce(known.slots, $3::int) as slots
  from start
  cross join public.webhooks w
  left join unnest($4::uuid[], $5::int[]) as known (id, slots) on known.id = w.id
  where w.is_active and coalesce(known.slots, $3::int) > 0
  order by w.id < start.id, w.id
),
locked as materialized (
  select due.id, due.webhook_id, due.bytes
  from room
  cross join lateral (
    select d.id, d.webhook_id, d.next_attempt_at, octet_length(d.payload::text) as bytes
    from public.webhook_deliveries d
    where d.webhook_id = room.id and d.status = 'pending' and d.next_attempt_at <= now()
    order by d.next_attempt_at
    limit room.slots
    for update skip locked
  ) due
  limit $1::int
),
claimed as materialized (
  select sized.id, sized.webhook_id
  from (
    select locked.id, locked.webhook_id, locked.bytes,
      sum(locked.bytes) over (rows unbounded preceding) as running
    from locked
  ) sized
  where sized.running - sized.bytes < $2::bigint
)
update public.webhook_deliveries d
set next_attempt_at = now() + room.timeout_seconds * interval '1 second' + $6::int * interval '1 millisecond'
from claimed
join room on room.id = claimed.webhook_id
where d.id = claimed.id
returning d.id, d.webhook_id, d.message_id, d.event_type, d.payload, room.name, room.url,
  -- every secret that is valid, the newest first, with spaces between: base64 has none
  concat_ws(' ', room.secret, (
    select string_agg(s.secret, ' ' order by s.created_at desc, s.secret)
    from pgherald.webhook_secrets s
    where s.webhook_id = d.webhook_id and (s.valid_until is null or s.valid_until > now()))),
  room.headers, room.updated_at, d.attempts, room.timeout_seconds, room.max_retries
