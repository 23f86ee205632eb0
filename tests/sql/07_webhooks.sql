-- Webhooks and their outbox.
begin;
select no_plan();
select tap.people();

create temporary table made as
select (r ->> 'id')::uuid as id, r ->> 'secret' as secret
from (select tap.call('authenticated', tap.ann(), $$ select to_jsonb(w) from public.create_webhook('mine', 'https://example.test/in', '{memories.*}', 'importance=gt.0.5', '{"X-A": "1"}') w $$)::jsonb) as t (r);
select results_eq('select user_id, name, url, events, filter, headers, secret, timeout_seconds, max_retries, is_active from public.webhooks',
  $$ select tap.ann(), 'mine', 'https://example.test/in', '{memories.*}'::text[], 'importance=gt.0.5', '{"X-A": "1"}'::jsonb, secret, 15, 9, true from made $$,
  'a webhook is its maker''s, and its secret is shown once');
select is(tap.attempt('authenticated', tap.ann(), 'select secret from public.webhooks'), '42501', 'not twice');
select is(tap.attempt('authenticated', tap.ann(), 'select * from public.webhooks'), '42501', 'not by the star');
select is(tap.attempt('authenticated', tap.ann(), 'update public.webhooks set name = secret'), '42501', 'not through another column');
select is(tap.attempt('authenticated', tap.ann(), 'select id from public.webhooks where secret like ''whsec_%'''), '42501', 'nor by asking about it');
select is(tap.attempt('authenticated', tap.ann(), 'insert into public.webhooks (user_id, name, url, events) values (auth.uid(), ''x'', ''http://a'', ''{*}'') returning secret'), '42501', 'nor by returning');
select is(tap.attempt('authenticated', tap.ann(), 'update public.webhooks set secret = ''whsec_'' || repeat(''A'', 44)'), '1', 'its owner may replace it');
select is(tap.attempt('authenticated', tap.ann(), 'insert into public.webhooks (name, url, events) values (''x'', ''http://a'', ''{*}'')'), '42501', 'a system-wide one is not a user''s to make');
select is(tap.attempt('authenticated', tap.ann(), 'update public.webhooks set user_id = null'), '42501', 'nor to turn his into');
select is(tap.attempt('authenticated', tap.ann(), format('select public.create_webhook(''x'', ''http://a'', ''{*}'', p_user_id => %L)', tap.bob())), '42501', 'nor one for another user');
select is(tap.attempt('authenticated', tap.ann(), 'select public.create_webhook(''x'', ''http://a'', ''{*}'', p_user_id => null)'), '42501', 'nor by saying null');
select is(tap.attempt('authenticated', null, 'select public.create_webhook(''x'', ''http://a'', ''{*}'')'), '42501', 'nor by being nobody');
select is(tap.call('service_role', null, 'select w.secret like ''whsec_%'' from public.create_webhook(''all'', ''http://a'', ''{*}'') w'), 'true', 'the service makes it');
select is((select user_id from public.webhooks where name = 'all'), null, 'without a user');
select is(tap.call('authenticated', tap.ann(), 'select count(id) from public.webhooks'), '1', 'which users do not see');

-- ---------------------------------------------------------------- what is wrong is said by the column

insert into public.webhooks (name, url, events) values ('asked', 'http://a', '{*}');
create function pg_temp.said(change text) returns text language plpgsql as $$
begin
  execute 'update public.webhooks set ' || change || ' where name = ''asked''';
  return 'taken';
exception when check_violation then
  return sqlerrm;
end
$$;
select alike(pg_temp.said(change), 'webhooks.' || message, change)
from (values
  ($$name = ''$$, 'name: it is empty'),
  ($$url = 'ftp://a'$$, 'url: it begins with http:// or https://%'),
  ($$url = 'http://me:word@a'$$, 'url: no credentials in it%'),
  ($$events = '{}'$$, 'events: at least one pattern%'),
  ($$events = '{memories.*,memories.inserted}'$$, $$events: 'memories.inserted' is no pattern of an event%$$),
  ($$events = '{insert}'$$, $$events: 'insert' is no pattern%$$),
  ($$secret = 'whsec_short'$$, 'secret: whsec_ and the base64 of 24 to 64 bytes%'),
  ($$headers = '[]'$$, 'headers: an object of strings%'),
  ($$headers = '{"Webhook-Id": "x"}'$$, 'headers: Webhook-Id cannot be set%'),
  ($$headers = '{"ok": "x", "HOST": "x"}'$$, 'headers: HOST cannot be set%'),
  ($$headers = '{"n": 1}'$$, 'headers: the value of n is not a string'),
  ($$headers = '{"n": "a\nb: c"}'$$, 'headers: the value of n has a control character'),
  ($$headers = '{"a b": "x"}'$$, 'headers: a name in it is not a header''s name'),
  ($$timeout_seconds = 61$$, 'timeout_seconds: 1 to 60 seconds'),
  ($$max_retries = 21$$, 'max_retries: 0 to 20 attempts%'),
  ($$ordering = 'row'$$, 'ordering: none, or key%'),
  ($$rate_limit_per_second = 0$$, 'rate_limit_per_second: 1 to 1000000%'),
  ($$max_concurrency = 1001$$, 'max_concurrency: 1 to 1000%'),
  ($$retry_schedule = '{0}'$$, 'retry_schedule: 1 to 20 waits of 1 to 86400 seconds%'),
  ($$retry_schedule = '{}'$$, 'retry_schedule: 1 to 20 waits%'),
  ($$retry_schedule = '{{1,2}}'$$, 'retry_schedule: 1 to 20 waits%'),
  ($$payload_format = 'xml'$$, 'payload_format: standard, supabase or cloudevents'),
  ($$columns = '{}'$$, 'columns: at least one%'),
  ($$filter = 'status=foo.1'$$, $$filter: term 1: 'foo' is no operator; there are eq %$$),
  ($$filter = 'a=eq.1,b'$$, 'filter: term 2 is not column=operator.value%')) as t (change, message);
select is(pg_temp.said(change), 'taken', change)
from (values
  ($$events = '{public.memories.insert,mem*.delete,"odd table.update",*}'$$),
  ($$headers = '{"X-A": "a\tb \u00e9", "authorization": ""}'$$),
  ($$retry_schedule = '{1,86400}'$$), ('retry_schedule = null'), ('columns = null'), ('max_concurrency = null'),
  ('filter = null'), ($$filter = E' \n'$$)) as t (change);

-- What the program's parser takes has to pass; and what it refuses for its form alone has not.
select is(pgherald.condition_error(condition), null, 'taken: ' || condition)
from unnest(array['a=eq.', 'a=eq.x=y', 'old.a=not.in.("b,c",(d),e\)', '"odd, name"=is.Changed', 't=match.^(a|b)=\',
  't=like.a"b,c"', 'a=in.()', 'old."x"=is.NULL', ' a =eq.1', 'a=eq.)', 'a=isdistinct.null,b=not.imatch.\yword\y', 'a=eq."x\"y"']) as condition;
select isnt(pgherald.condition_error(condition), null, 'refused: ' || left(condition, 20))
from unnest(array['a', 'a=', 'a=1', '=eq.1', 'old.=eq.1', 'a=EQ.1', 'a=not.not.eq.1', 'a=eq.1,', ',a=eq.1', 'a=eq."1', 'a=eq.(1',
  'a=in.1', 'a=in.(1)2', 'a=is.maybe', 'old.a=is.changed', repeat('a', 16385)]) as condition;

-- A row from before the check can still be switched off.
alter table public.webhooks disable trigger check_webhook;
update public.webhooks set filter = 'nonsense', headers = '{"n": 1}', events = '{insert}' where name = 'asked';
alter table public.webhooks enable trigger check_webhook;
select is(pg_temp.said('is_active = false'), 'taken', 'what is wrong from before keeps nobody from switching it off');
select matches(pg_temp.said($$filter = 'nonsense2'$$), 'filter: term 1', 'but is told to who writes it again');
select is(tap.attempt('authenticated', tap.ann(), $$insert into public.webhooks (user_id, name, url, events, filter) values (auth.uid(), 'x', 'http://a', '{*}', 'a=b')$$),
  '23514', 'an owner is told too, who may not call the functions');
delete from public.webhooks where name = 'asked';

-- ---------------------------------------------------------------- rotation

select is(tap.attempt('authenticated', tap.bob(), format('select public.rotate_webhook_secret(%L)', (select id from made))), 'P0002', 'nobody rotates another one''s secret');
select is(tap.attempt('authenticated', null, format('select public.rotate_webhook_secret(%L)', (select id from made))), 'P0002', 'nor does nobody');
select is(tap.attempt('anon', null, format('select public.rotate_webhook_secret(%L)', (select id from made))), '42501', 'nor who is not signed in');
update public.webhooks w set secret = made.secret from made where w.id = made.id;
create temporary table rotated as
select r ->> 'secret' as secret, (r ->> 'former_valid_until')::timestamptz as until
from (select tap.call('authenticated', tap.ann(), format('select to_jsonb(r) from public.rotate_webhook_secret(%L) r', id))::jsonb from made) as t (r);
select matches((select secret from rotated), '^whsec_[A-Za-z0-9+/]{43}=$', 'the owner gets a new secret of 32 bytes');
select is((select w.secret from public.webhooks w join made using (id)), (select secret from rotated), 'which is the webhook''s from now on');
select results_eq('select secret, valid_until from pgherald.webhook_secrets where webhook_id = (select id from made)',
  'select made.secret, now() + interval ''24 hours'' from made, rotated where rotated.until = now() + interval ''24 hours''',
  'the former one signs for another day');
select is(tap.attempt('authenticated', tap.ann(), 'select from pgherald.webhook_secrets'), '42501', 'and nobody reads it');
select is(tap.attempt('service_role', null, 'select from pgherald.webhook_secrets'), '42501', 'not even the service');
select lives_ok(format('select public.rotate_webhook_secret(%L, null), public.rotate_webhook_secret(%1$L, ''1 hour'')', (select id from made)), 'twice more');
select is((select count(*) from pgherald.webhook_secrets where webhook_id = (select id from made)), 3::bigint, 'is four secrets in all');
select throws_ok(format('select public.rotate_webhook_secret(%L)', (select id from made)), '54000', null, 'a fifth is refused');
select is((select count(*) from pgherald.webhook_secrets where valid_until is null), 1::bigint, 'an overlap of null has no end');
update pgherald.webhook_secrets set valid_until = now() where valid_until = now() + interval '1 hour';
select is(tap.attempt('service_role', null, format('select public.rotate_webhook_secret(%L)', (select id from made))), '1', 'an ended one makes room; the service rotates too');
select throws_ok(format('select public.rotate_webhook_secret(%L, ''-1 s'')', (select id from made)), '22023', null, 'time does not go back');
select throws_ok(format('select public.rotate_webhook_secret(%L, scheme => ''v2'')', (select id from made)), '22023', null, 'an unknown scheme is refused');
select throws_ok(format('select public.rotate_webhook_secret(%L, scheme => ''v1a'')', (select id from made)), '0A000', null, 'ed25519 is not for SQL');
select lives_ok(format('select pgherald.replace_webhook_secret(%L, ''whsk_'' || repeat(''A'', 86) || ''=='', ''0'')', (select id from made)), 'the program brings such a key');
select is((select count(*) from pgherald.webhook_secrets where webhook_id = (select id from made)), 0::bigint, 'an overlap of 0 ends all others at once');
select throws_ok(format('select public.rotate_webhook_secret(%L)', (select id from made)), '0A000', null, 'the scheme stays what it was');
select lives_ok(format('select public.rotate_webhook_secret(%L, scheme => ''v1'')', (select id from made)), 'unless another one is named');
select throws_ok(format('select pgherald.replace_webhook_secret(id, secret, ''1 h'') from public.webhooks where id = %L', (select id from made)), '22023', null, 'the present secret is not a new one');
select lives_ok(format('select pgherald.replace_webhook_secret(%L, ''whsk_'' || repeat(''A'', 86) || ''=='', ''1 h'')', (select id from made)), 'a former one may come back');
select is((select string_agg(left(secret, 6), ' ') from pgherald.webhook_secrets where webhook_id = (select id from made)), 'whsec_', 'and is then no former one');
select throws_ok('select public.rotate_webhook_secret(gen_random_uuid())', 'P0002', null, 'a webhook that is not there has no secret');

-- ---------------------------------------------------------------- outbox

insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload)
select w.id, 'msg_' || n, 'memories.insert', '{"b":  1, "a": 1.00,"b":2}' from public.webhooks w, generate_series(1, 3) as n;
insert into public.webhook_attempts (delivery_id, attempt, status_code) select id, 1, 503 from public.webhook_deliveries;
select is((select payload::text from public.webhook_deliveries limit 1), '{"b":  1, "a": 1.00,"b":2}', 'a payload is kept to the letter');
select results_eq('select distinct status, attempts, next_attempt_at, delivered_at from public.webhook_deliveries', $$ values ('pending', 0, now(), null::timestamptz) $$, 'a delivery is due at once');
select lives_ok($$ insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload) values (gen_random_uuid(), 'msg_x', 'x', '{}') $$,
  'a webhook that is gone meanwhile does not fail the batch');
select is(tap.call('authenticated', tap.ann(), 'select count(*) from public.webhook_deliveries'), '3', 'the owner follows his deliveries');
select is(tap.call('authenticated', tap.ann(), 'select count(*) from public.webhook_attempts'), '3', 'and every attempt');
select is(tap.call('authenticated', tap.bob(), 'select count(*) from public.webhook_deliveries'), '0', 'nobody else does');
select is(tap.call('authenticated', tap.ann(), 'with gone as (delete from public.webhooks where name = ''mine'' returning id) select count(*) from gone'), '1', 'the owner deletes his webhook');
select is((select count(*) from public.webhook_deliveries where webhook_id = (select id from made)), 0::bigint, 'and its deliveries go');
select is((select count(*) from public.webhook_attempts), 3::bigint, 'with their attempts, and no others');
select ok((select reloptions @> array['fillfactor=80', 'autovacuum_vacuum_scale_factor=0.01'] from pg_class where oid = 'public.webhook_deliveries'::regclass), 'vacuum comes often enough for a queue');

-- ---------------------------------------------------------------- order by key

-- What the dispatcher runs, as it runs it.
\set claim `cat sql/queries/dispatch_claim.sql`
\set record `cat sql/queries/dispatch_record.sql`
\set next `cat sql/queries/dispatch_next.sql`
\set unblock `cat sql/queries/dispatch_unblock.sql`
prepare claim(int, bigint, int, uuid[], int[], int) as :claim;
prepare record(json, bigint) as :record;
prepare next(uuid[]) as :next;
prepare unblock as :unblock;
-- By an endpoint that is not known and has so many slots: message ids, and `more` if it says so.
create function pg_temp.claim(slots int default 10) returns text language plpgsql as $$
declare
  r record;
  got text[] := '{}';
begin
  for r in execute format('execute claim(100, 1000000, %s, ''{}'', ''{}'', 10000)', slots) loop
    got := got || coalesce(r.message_id || case when r.probe is not null then ' probe ' || r.probe else '' end, 'more');
  end loop;
  return (select string_agg(g, ', ' order by g) from unnest(got) as g);
end
$$;
-- What came of deliveries; they are called by their message ids.
create function pg_temp.record(ids text[], outcome text, more jsonb default '{}') returns text language plpgsql as $$
declare
  r record;
  said text := '';
begin
  for r in execute format('execute record(%L, 432000000)', (
      select json_agg(jsonb_build_object('id', d.id, 'attempt', d.attempts + 1, 'status', outcome, 'age_ms', 10,
        'duration_ms', 5, 'delay_ms', 60000, 'status_code', case outcome when 'delivered' then 200 else 500 end) || more)
      from public.webhook_deliveries d where d.message_id = any (ids))) loop
    said := said || coalesce(r.reason, 'released') || ';';
  end loop;
  return said;
end
$$;
create function pg_temp.aside() returns text language sql as
$$ select string_agg(message_id, ', ' order by message_id) from public.webhook_deliveries where next_attempt_at = 'infinity' $$;
create function pg_temp.deliver(ids text[], key text) returns void language sql as $$
  insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload, row_key)
  select '00000000-0000-4000-8000-0000000000aa', i, 'x', '{}', key from unnest(ids) with ordinality as t (i, n) order by n
$$;

delete from public.webhook_deliveries;
delete from public.webhooks;
insert into public.webhooks (id, user_id, name, url, events, ordering)
values ('00000000-0000-4000-8000-0000000000aa', tap.ann(), 'ordered', 'http://a', '{*}', 'key');
select pg_temp.deliver('{a1,a2,a3}', 'public.t:a');
select pg_temp.deliver('{b1}', 'public.t:b');
select pg_temp.deliver('{n1,n2}', null);
select is(pg_temp.claim(), 'a1, b1, more, n1, n2', 'of each row the first one is claimed, and all that are of no row');
select is(pg_temp.aside(), 'a2, a3', 'those behind it are set aside');
select is(pg_temp.claim(), null, 'and are not met again');
select pg_temp.deliver('{a4}', 'public.t:a');
select is(pg_temp.claim(), 'more', 'one that comes later is set aside too');
select is(pg_temp.record('{a1}', 'pending'), '', 'a failure');
select is(pg_temp.claim(), null, 'keeps the row waiting');
update public.webhook_deliveries set next_attempt_at = now() where message_id = 'a1';
select is(pg_temp.claim(), 'a1', 'it is tried again before the next');
select is(pg_temp.record('{a1,b1}', 'delivered'), 'released;', 'when it is delivered');
select is(pg_temp.claim(), 'a2', 'the next one goes');
select is(pg_temp.record('{a2}', 'failed'), 'released;', 'and when it is given up');
select is(pg_temp.claim(), 'a3', 'the next one after it');
select is(pg_temp.record('{a3}', 'delivered') || pg_temp.record('{a3}', 'delivered'), 'released;', 'what is recorded twice lets go once');
select is(pg_temp.claim(), 'a4', 'the last one');
select pg_temp.deliver('{a5,a6}', 'public.t:a');
select is(pg_temp.claim(), 'more', 'more of the row');
delete from public.webhook_deliveries where message_id = 'a4';
execute unblock;
select is(pg_temp.aside(), 'a6', 'deleted by hand: the sweep lets the next one go');
select is(pg_temp.claim(), 'a5', 'and that alone');
update public.webhooks set ordering = 'none';
select is(pg_temp.claim(), null, 'what was queued in order stays in order');
select pg_temp.record('{a5}', 'delivered');
select is(pg_temp.claim(), 'a6', 'to its end');
update public.webhooks set ordering = 'key';
select pg_temp.deliver(array(select 'c' || lpad(n::text, 3, '0') from generate_series(1, 600) as n), 'public.t:c');
select is(pg_temp.claim(), 'c001, more', 'a long queue of one row');
select is(pg_temp.claim() || pg_temp.claim() || coalesce(pg_temp.claim(), ''), 'moremore', 'is set aside bit by bit');
delete from public.webhook_deliveries;

-- ---------------------------------------------------------------- health, breaker, disabling

create function pg_temp.health() returns text language sql as $$
  select format('%s, %s failures, %s, %s', breaker, consecutive_failures,
    case when failing_since is null then 'not failing' else 'failing' end,
    case when last_success_at is null then 'never delivered' else 'delivered' end)
  from pgherald.webhook_health $$;
create function pg_temp.next() returns text language plpgsql as $$
declare
  r record;
begin
  for r in execute 'execute next(''{}'')' loop
    return format('%s s, %s', round(r.due_in_ms / 1000.0), r.breakers);
  end loop;
end
$$;
select is(pg_temp.health(), 'closed, 0 failures, not failing, delivered', 'what was recorded is known');
delete from pgherald.webhook_health;
select pg_temp.deliver('{d1,d2,d3,d4}', null);
select is(pg_temp.claim(2), 'd1, d2', 'two');
select pg_temp.record('{d1,d2}', 'pending');
select is(pg_temp.health(), 'closed, 2 failures, failing, never delivered', 'failures add up');
select is(pg_temp.claim(1), 'd3', 'another one');
select pg_temp.record('{d3}', 'delivered');
select is(pg_temp.health(), 'closed, 0 failures, not failing, delivered', 'until a success');
select is(pg_temp.claim(1), 'd4', 'and another one');
select pg_temp.record('{d4}', 'pending', '{"breaker": "open", "breaker_ms": 30000, "breaker_opened": 2}');
select is(pg_temp.health(), 'open, 1 failures, failing, delivered', 'the dispatcher opens the breaker');
update public.webhook_deliveries set next_attempt_at = now() where status = 'pending';
select is(pg_temp.claim(), null, 'while it is open nothing is claimed');
select matches(pg_temp.next(), '^(2[0-9]|30) s, 1$', 'what is due is due when its time has come');
update pgherald.webhook_health set breaker_until = now();
select is(pg_temp.claim(), 'd1 probe 2', 'then one is: the probe');
select is(pg_temp.health(), 'half_open, 1 failures, failing, delivered', 'half open');
select is(pg_temp.claim(), null, 'nobody else probes meanwhile');
update pgherald.webhook_health set breaker_until = now();
select is(pg_temp.claim(), 'd2 probe 2', 'unless the probe is lost');
select pg_temp.record('{d2}', 'delivered', '{"breaker": "closed", "breaker_opened": 0}');
select is(pg_temp.health(), 'closed, 0 failures, not failing, delivered', 'its success closes the breaker');
select is(pg_temp.claim(), 'd4', 'and all may go');

update pgherald.webhook_health set failing_since = now() - interval '6 days';
select matches(pg_temp.record('{d1}', 'pending'), '^nothing but failures since .* UTC;$', 'after days of nothing but failures');
select results_eq('select is_active, disabled_reason like ''nothing but failures%'' from public.webhooks', 'values (false, true)', 'it is switched off');
select results_eq($$ select action, resource_type, user_id, new_values ->> 'is_active' from public.audit_logs where action = 'webhook.disabled' $$,
  $$ values ('webhook.disabled', 'public.webhooks', tap.ann(), 'false') $$, 'the audit trail knows');
select results_eq($$ select user_id, type, priority, data ->> 'webhook_id' from public.notifications where type = 'webhook_disabled' $$,
  $$ values (tap.ann(), 'webhook_disabled', 'high', '00000000-0000-4000-8000-0000000000aa') $$, 'and its owner');
select is(pg_temp.record('{d4}', 'pending'), '', 'once');
update public.webhook_deliveries set next_attempt_at = now() where status = 'pending';
select is(pg_temp.claim(), null, 'nothing goes to it');
select is((select tap.attempt('authenticated', tap.ann(), 'update public.webhooks set is_active = true')), '1', 'its owner may switch it on');
update public.webhooks set is_active = true;
select is((select disabled_reason from public.webhooks), null, 'then there is no reason any more');
select is(pg_temp.health(), null, 'nor anything held against it');
select is(pg_temp.claim(), 'd1, d4', 'what waited goes');
select is(pg_temp.record('{d1}', 'failed', '{"gone": "00000000-0000-4000-8000-0000000000aa", "version": "2020-01-01"}'), '', '410 of what it was before says nothing');
select is(pg_temp.record('{d4}', 'failed', jsonb_build_object('gone', '00000000-0000-4000-8000-0000000000aa', 'version', (select updated_at from public.webhooks))),
  'the endpoint answered 410 Gone;', '410 of what it is switches it off at once');
select is((select count(*) from public.audit_logs where action = 'webhook.disabled'), 2::bigint, 'which is audited too');
update public.webhooks set is_active = true, user_id = null;
select pgherald.disable_webhook(id, null, 'x') from public.webhooks;
select is((select count(*) from public.notifications where type = 'webhook_disabled'), 2::bigint, 'a system-wide one has nobody to notify');
select is((select count(*) from public.audit_logs where action = 'webhook.disabled' and user_id is null), 1::bigint, 'but is in the audit trail');
update public.webhooks set is_active = true;
insert into pgherald.webhook_health (webhook_id, failing_since) select id, now() from public.webhooks;
update public.webhooks set name = 'another';
select is((select count(*) from pgherald.webhook_health), 1::bigint, 'another name is no news');
update public.webhooks set url = 'http://b';
select is((select count(*) from pgherald.webhook_health), 0::bigint, 'another address is');

-- the sweep, which is about webhooks that are gone
\set sweep `cat sql/queries/dispatch_sweep.sql`
prepare sweep as :sweep;
insert into pgherald.webhook_health (webhook_id, breaker, breaker_until)
select w.id, 'closed', null from public.webhooks w union all select gen_random_uuid(), 'open', now();
insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload) values (gen_random_uuid(), 'lost', 'x', '{}');
execute sweep;
select is((select status from public.webhook_deliveries where message_id = 'lost'), 'failed', 'its deliveries are closed');
select results_eq('select webhook_id from pgherald.webhook_health', 'select id from public.webhooks', 'and its breaker is forgotten, no other');
delete from pgherald.webhook_health;

-- what waits for a webhook that is off is kept as long as what failed
delete from public.webhook_deliveries;
select pg_temp.deliver('{old1,old2,new1}', 'public.t:o');
update public.webhook_deliveries set next_attempt_at = 'infinity' where message_id <> 'old1';
update public.webhook_deliveries set created_at = now() - interval '100 days' where message_id <> 'new1';
select pgherald.job_webhook_deliveries('{"keep_delivered": "30 days", "keep_failed": "90 days"}', 100, null);
select is((select count(*) from public.webhook_deliveries), 3::bigint, 'the backlog of a webhook that is on is not touched');
update public.webhooks set is_active = false;
select is((select figures ->> 'done' from pgherald.job_webhook_deliveries('{"keep_delivered": "30 days", "keep_failed": "90 days"}', 100, null)), '2', 'of one that is off the old part goes');
select results_eq('select message_id, next_attempt_at <= now() from public.webhook_deliveries', $$ values ('new1', true) $$, 'what was behind it is behind it no longer');
insert into pgherald.webhook_health (webhook_id) select id from public.webhooks;
delete from public.webhooks;
select is((select count(*) from pgherald.webhook_health), 0::bigint, 'a webhook takes along what is known of it');

select * from finish();
rollback;
