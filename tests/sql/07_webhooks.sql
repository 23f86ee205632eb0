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

select * from finish();
rollback;
