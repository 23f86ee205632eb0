-- API keys: shown once, stored as a hash, verified, rotated, revoked, counted.
begin;
select no_plan();
select tap.people();

create function pg_temp.new_key(role text, sub uuid, args text) returns table (id uuid, key text) language sql as $$
  select (r ->> 'id')::uuid, r ->> 'key'
  from (select tap.call(role, sub, format('select to_jsonb(k) from public.create_api_key(%s) k', args))::jsonb) as t (r)
$$;

create temporary table k as select * from pg_temp.new_key('authenticated', tap.ann(), $$ 'laptop', '{realtime,memories:read}', now() + interval '10 days' $$);
select matches((select key from k), '^phk_[0-9a-f]{64}$', 'a key is phk_ and 64 hex digits');
select results_eq(
  $$ select user_id, name, key_prefix, key_hash, scopes, rate_limit_per_minute, usage_count from public.api_keys $$,
  $$ select tap.ann(), 'laptop', left(key, 12), sha256(convert_to(key, 'UTF8')), '{realtime,memories:read}'::text[], 60, 0::bigint from k $$,
  'its hash and its first letters are stored');
select is_empty($$ select 1 from public.api_keys a, k where to_jsonb(a)::text like '%' || substr(k.key, 13) || '%' $$, 'the key itself is not');
select isnt((select key from k), (select key from pg_temp.new_key('authenticated', tap.ann(), '''x''')), 'no two are the same');

-- ---------------------------------------------------------------- who may make which

select is(tap.attempt('authenticated', tap.ann(), format('select public.create_api_key(''x'', p_user_id => %L)', tap.bob())), '42501', 'no key for another user');
select is(tap.attempt('authenticated', null, 'select public.create_api_key(''x'')'), '42501', 'nor without being one');
select is(tap.attempt('anon', null, 'select public.create_api_key(''x'')'), '42501', 'nor as anon');
select is(tap.attempt('authenticated', tap.ann(), format('select public.create_api_key(''x'', array[%L])', scope)), '42501', 'a user cannot give the scope ' || scope)
from unnest(array['*', 'admin', 'admin:jobs', 'service_role']) as scope;
select is(tap.attempt('authenticated', tap.ann(), 'select public.create_api_key(''x'', array[''administration'', ''realtime''])'), '1', 'a word that only begins like it is no such scope');
select is(tap.attempt('authenticated', tap.ann(), 'select public.create_api_key(''x'', p_rate_limit_per_minute => 601)'), '42501', 'nor more than 600 requests a minute');
select throws_like($$ select public.create_api_key('x', p_expires_at => now()) $$, '%has passed already');
create temporary table service as
select * from pg_temp.new_key('service_role', null, $$ 'crm', '{admin}', p_rate_limit_per_minute => 6000, p_service => 'crm' $$);
select results_eq('select user_id, service, scopes from public.api_keys join service using (id)', $$ values (null::uuid, 'crm', '{admin}'::text[]) $$, 'the service makes keys for services');

-- ---------------------------------------------------------------- verify

create function pg_temp.verified(p_key text, p_scope text default null) returns bigint language sql as $$
  select tap.call('service_role', null, format('select count(*) from public.verify_api_key(%L, %L)', p_key, p_scope))::bigint
$$;
select results_eq('select v.id, v.user_id, v.name, v.scopes, v.rate_limit_per_minute from k, public.verify_api_key(k.key) v',
  $$ select id, tap.ann(), 'laptop', '{realtime,memories:read}'::text[], 60 from k $$, 'a key says whose it is and what it may');
select is(pg_temp.verified(key), 1::bigint, 'good') from k;
select is(pg_temp.verified(key, 'realtime'), 1::bigint, 'good for its scope') from k;
select is(pg_temp.verified(key, 'admin'), 0::bigint, 'not for another') from k;
select is(pg_temp.verified(key || '0'), 0::bigint, 'nothing but the whole key') from k;
select is(pg_temp.verified(upper(key)), 0::bigint, 'letter by letter') from k;
select is(pg_temp.verified(left(key, 12)), 0::bigint, 'the prefix is no key') from k;
select is(pg_temp.verified(null), 0::bigint, 'null is no key');
select is(pg_temp.verified(key, 'anything'), 0::bigint, 'admin is not everything') from service;
update public.api_keys set scopes = '{*}' where id = (select id from service);
select is(pg_temp.verified(key, 'anything'), 1::bigint, '* is') from service;
select is(tap.attempt('authenticated', tap.ann(), format('select public.verify_api_key(%L)', key)), '42501', 'clients do not try keys') from k;
update public.api_keys set expires_at = now() - interval '1 s' where id = (select id from k);
select is(pg_temp.verified(key), 0::bigint, 'an expired key is none') from k;
update public.api_keys set created_at = now() - interval '1 day', expires_at = now() + interval '1 day' where id = (select id from k);

-- ---------------------------------------------------------------- rotate

select throws_like(format('select tap.call(''authenticated'', tap.bob(), %L)', format('select public.rotate_api_key(%L)', id)),
  '%no key % that is yours and works', 'nobody rotates another''s key') from k;
select throws_like(format('select public.rotate_api_key(%L, ''-1 s'')', id), '%makes no sense') from k;
create temporary table k2 as
select (r ->> 'id')::uuid as id, r ->> 'key' as key
from k, lateral (select tap.call('authenticated', tap.ann(), format('select to_jsonb(x) from public.rotate_api_key(%L, ''1 hour'') x', k.id))::jsonb) as t (r);
select results_eq(
  'select user_id, name, scopes, rate_limit_per_minute, rotated_from, usage_count, revoked_at from public.api_keys join k2 using (id)',
  $$ select tap.ann(), 'laptop', '{realtime,memories:read}'::text[], 60, id, 0::bigint, null::timestamptz from k $$, 'the new key is what the old one was');
select is((select expires_at - now() from public.api_keys join k2 using (id)), interval '2 days', 'with the same span of life');
select is(pg_temp.verified(key), 1::bigint, 'the new key works') from k2;
select is(pg_temp.verified(key), 1::bigint, 'the old one too, for the time of grace') from k;
select is((select v.expires_at from k, public.verify_api_key(k.key) v), now() + interval '1 hour', 'which is now its end');
update public.api_keys set revoked_at = now() where id = (select id from k);
select is(pg_temp.verified(key), 0::bigint, 'and then no more') from k;
select throws_like(format('select public.rotate_api_key(%L)', id), '%no key %', 'a key is rotated once') from k;
create temporary table k3 as select * from public.rotate_api_key((select id from k2));
select is(pg_temp.verified(key), 0::bigint, 'without grace the old key ends at once') from k2;
select is(pg_temp.verified(key), 1::bigint, 'and the new one works') from k3;

-- ---------------------------------------------------------------- revoke

select is(tap.call('authenticated', tap.bob(), format('select public.revoke_api_key(%L)', id)), 'false', 'nobody revokes another''s key') from k3;
select is(pg_temp.verified(key), 1::bigint, 'it works still') from k3;
select is(tap.call('authenticated', tap.ann(), format('select public.revoke_api_key(%L)', id)), 'true', 'one''s own') from k3;
select is(pg_temp.verified(key), 0::bigint, 'it works no more') from k3;
select is(tap.call('authenticated', tap.ann(), format('select public.revoke_api_key(%L)', id)), 'false', 'there is nothing to end twice') from k3;
select is(tap.call('service_role', null, format('select public.revoke_api_key(%L)', id)), 'true', 'the service revokes any') from service;

-- ---------------------------------------------------------------- usage

alter table public.api_keys disable trigger set_updated_at;
update public.api_keys set updated_at = '2020-01-01';
alter table public.api_keys enable trigger set_updated_at;
select tap.call('service_role', null, format('select public.log_api_key_usage(%L, 5, 1, ''2026-05-01 23:30:00+00'')', id)) from k;
select tap.call('service_role', null, format('select public.log_api_key_usage(%L, 2, 0, ''2026-05-01 12:00:00+00'')', id)) from k;
select tap.call('service_role', null, format('select public.log_api_key_usage(%L, p_used_at => ''2026-05-02 00:10:00+00'')', id)) from k;
select results_eq('select usage_count, last_used_at from public.api_keys join k using (id)', $$ values (8::bigint, '2026-05-02 00:10:00+00'::timestamptz) $$, 'added up, and the latest time');
select is((select updated_at from public.api_keys join k using (id)), '2020-01-01'::timestamptz, 'being used is no change of the key');
select results_eq('select day, requests, errors from public.api_key_usage order by day', $$ values ('2026-05-01'::date, 7::bigint, 1::bigint), ('2026-05-02', 1, 0) $$, 'by UTC day');
select lives_ok('select public.log_api_key_usage(gen_random_uuid(), 3)', 'a key that is gone is no error');
select is((select count(*) from public.api_key_usage), 2::bigint, 'and leaves no trace');
select is(tap.attempt('authenticated', tap.ann(), format('select public.log_api_key_usage(%L)', id)), '42501', 'clients do not count') from k;
select is(tap.call('authenticated', tap.ann(), 'select sum(requests) from public.api_key_usage'), '8', 'the owner reads the usage');
select is(tap.call('authenticated', tap.bob(), 'select count(*) from public.api_key_usage'), '0', 'nobody else does');

-- ---------------------------------------------------------------- what the daemon reads

delete from public.api_keys;
create temporary table d as select n, (public.create_api_key('d' || n, array['realtime'], null, 60 + n, null, case when n = 2 then tap.ann() end)).* from generate_series(1, 9) as n;
update public.api_keys k set created_at = now() + d.n * interval '1 s' from d where d.id = k.id;
update public.api_keys set expires_at = now() + interval '90.9 s' where name = 'd3';
update public.api_keys set expires_at = now() + interval '9 min', revoked_at = now() + interval '1 min' where name = 'd4';
update public.api_keys set expires_at = 'infinity' where name = 'd5';
update public.api_keys set expires_at = 'infinity', revoked_at = 'infinity' where name = 'd6';
update public.api_keys set revoked_at = now() where name = 'd7';
update public.api_keys set expires_at = now() where name = 'd8';
update public.api_keys set expires_at = '-infinity' where name = 'd9';
create temporary table at as select floor(extract(epoch from now()))::bigint as s, extract(epoch from now()) - floor(extract(epoch from now())) as part;
select results_eq(
  'select l.name, l.user_id, l.rate_limit_per_minute, l.scopes, l.key_hash, l.ends from pgherald.live_api_keys l order by l.created_at',
  $$ select 'd' || d.n, case when d.n = 2 then tap.ann() end, 60 + d.n, '{realtime}'::text[], sha256(convert_to(d.key, 'UTF8')),
       case d.n when 3 then at.s + floor(at.part + 90.9)::bigint when 4 then at.s + 60 end
     from d, at where d.n < 7 order by d.n $$,
  'the keys that work, with the second of their end');

-- ---------------------------------------------------------------- what the daemon has counted

select lives_ok($$ select pgherald.flush_api_key_usage((select jsonb_agg(jsonb_build_object('id', id, 'requests', n, 'errors', 1, 'used_at', '2026-05-0' || n || 'T12:00:00.5Z') order by n desc)
  from (select id, n from d union all select id, 9 from d where n = 1 union all select gen_random_uuid(), 5) as u (id, n))) $$, 'counts of many keys and days, in any order, also of a key that is gone');
select results_eq($$ select k.name, k.usage_count, k.last_used_at, count(*), sum(u.requests), sum(u.errors) from public.api_keys k join public.api_key_usage u on u.api_key_id = k.id where k.name in ('d1', 'd2', 'd9') group by k.id order by 1 $$,
  $$ values ('d1', 10::bigint, '2026-05-09 12:00:00.5+00'::timestamptz, 2::bigint, 10::numeric, 2::numeric), ('d2', 2, '2026-05-02 12:00:00.5+00', 1, 2, 1), ('d9', 9, '2026-05-09 12:00:00.5+00', 1, 9, 1) $$, 'are added up');
select is((select batches from pgherald.store_marks where slot_name = 'usage:api_keys'), 1::bigint, 'in a transaction that the daemon knows as its own');
select lives_ok($$ select pgherald.flush_api_key_usage('[]') $$, 'nothing is no error');
select throws_ok($$ select pgherald.flush_api_key_usage('[{"id": "x", "requests": 1, "errors": 0, "used_at": "2026-05-01T00:00:00Z"}]') $$, '22P02', null, 'nonsense is');

select * from finish();
rollback;
