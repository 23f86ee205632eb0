-- Claims due deliveries: pushes their next attempt ahead by more than an attempt can take, so that
-- they come back by themselves if whoever claimed them dies. Attempts are not counted here.
--
-- Every endpoint gives up to its own free slots, found by the index from its oldest due delivery,
-- so a long queue of one costs the others nothing. The round starts at a random endpoint: when the
-- total is less than what is due, each gets its turn.
--
-- Of deliveries with a row_key only the first one of the row may go. Those behind it that are met on
-- the way are set aside (next_attempt_at infinity), each once: see pgherald.release_row_keys(). That
-- needs the lock of the first one, so that it cannot be recorded in between and leave them there.
--
-- An endpoint whose breaker is open gets a single delivery once its time has come: the probe.
--
-- $1 int: deliveries in all   $2 bigint: bytes of payload in all (the first one always fits)
-- $3 int: free slots of an endpoint that is not in $4   $4 uuid[], $5 int[]: those of known ones
-- $6 int: the margin of the lease in ms, on top of the endpoint's time-out
--
-- A last row without an id says that some were set aside: there may be more that can go.
with start as materialized (
  select gen_random_uuid() as id
),
probe as materialized (
  select h.webhook_id
  from pgherald.webhook_health h
  where h.breaker <> 'closed' and h.breaker_until <= now()
  for no key update skip locked
),
room as materialized (
  select w.*,
    row_number() over (order by w.id < start.id, w.id) as place,
    coalesce(known.slots, $3::int) as free,
    h.webhook_id is not null as is_probe,
    coalesce(h.breaker_opened, 0) as breaker_opened,
    case when h.webhook_id is null then coalesce(known.slots, $3::int) else 1 end as slots,
    case w.ordering when 'key' then 256 else 0 end as behind
  from start
  cross join public.webhooks w
  left join unnest($4::uuid[], $5::int[]) as known (id, slots) on known.id = w.id
  left join pgherald.webhook_health h on h.webhook_id = w.id and h.breaker <> 'closed'
  where w.is_active and coalesce(known.slots, $3::int) > 0
    and (h.webhook_id is null or h.webhook_id in (select probe.webhook_id from probe))
),
due as materialized (
  select met.*, r.place, r.slots
  from (select id, place, slots, behind from room order by place) r
  cross join lateral (
    select d.id, d.webhook_id, d.row_key, d.next_attempt_at, d.payload
    from public.webhook_deliveries d
    where d.webhook_id = r.id and d.status = 'pending' and d.next_attempt_at <= now()
    order by d.next_attempt_at
    limit r.slots + r.behind
    for no key update skip locked
  ) met
  limit $1::int + (select sum(behind) from room)
),
first as materialized (
  select k.webhook_id, k.row_key, f.id
  from (select distinct due.webhook_id, due.row_key from due where due.row_key is not null) k
  cross join lateral (
    -- one comparison, as in pgherald.release_row_keys()
    select d.id
    from public.webhook_deliveries d
    where (d.webhook_id, d.row_key, d.id) >= (k.webhook_id, k.row_key, 0)
      and d.status = 'pending' and d.row_key is not null
    order by d.webhook_id, d.row_key, d.id
    limit 1
  ) f
),
held as materialized (
  select first.webhook_id, first.row_key, first.id
  from first
  cross join lateral (
    select from public.webhook_deliveries d
    where d.id = first.id and d.status not in ('delivered', 'failed')
    for no key update skip locked
  ) locked
),
aside as (
  update public.webhook_deliveries d
  set next_attempt_at = 'infinity'
  from due
  join held on held.webhook_id = due.webhook_id and held.row_key = due.row_key
  where d.id = due.id and due.id <> held.id
  returning d.id
),
chosen as materialized (
  select able.id, able.webhook_id, octet_length(able.payload::text) as bytes
  from (
    select due.*, row_number() over (partition by due.webhook_id order by due.next_attempt_at, due.id) as turn
    from due
    -- held, and not first: its locks come before the updates, which would hide the rows from them
    left join held on held.id = due.id
    where due.row_key is null or held.id is not null
  ) able
  where able.turn <= able.slots
  order by able.place, able.turn
  limit $1::int
),
claimed as materialized (
  select sized.id, sized.webhook_id
  from (
    select chosen.id, chosen.webhook_id, chosen.bytes,
      sum(chosen.bytes) over (rows unbounded preceding) as running
    from chosen
  ) sized
  where sized.running - sized.bytes < $2::bigint
),
probing as (
  update pgherald.webhook_health h
  set breaker = 'half_open', updated_at = now(),
    breaker_until = now() + room.timeout_seconds * interval '1 second' + $6::int * interval '1 millisecond'
  from claimed
  join room on room.id = claimed.webhook_id
  where room.is_probe and h.webhook_id = room.id
),
former as materialized (
  select s.webhook_id, string_agg(s.secret, ' ' order by s.created_at desc, s.secret) as secrets
  from pgherald.webhook_secrets s
  where s.webhook_id in (select claimed.webhook_id from claimed) and (s.valid_until is null or s.valid_until > now())
  group by s.webhook_id
),
taken as (
  update public.webhook_deliveries d
  set next_attempt_at = now() + room.timeout_seconds * interval '1 second' + $6::int * interval '1 millisecond'
  from claimed
  join room on room.id = claimed.webhook_id
  left join former on former.webhook_id = claimed.webhook_id
  where d.id = claimed.id
  returning d.id, d.webhook_id, d.message_id, d.event_type, d.payload, room.name, room.url,
    -- every secret that is valid, the newest first, with spaces between: base64 has none
    concat_ws(' ', room.secret, former.secrets),
    room.headers, room.updated_at, d.attempts, room.timeout_seconds, room.max_retries, room.retry_schedule,
    room.rate_limit_per_second, room.max_concurrency,
    case when room.is_probe then room.breaker_opened end as probe, d.origin
)
select * from taken
union all
select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null
where exists (select from aside)
