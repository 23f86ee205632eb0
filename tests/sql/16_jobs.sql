-- The maintenance jobs: when each is due, what a run of it does, and who works on it. That two
-- sessions do not work on the same run is in concurrency.sh: locks are a session's own.
begin;
select no_plan();
select tap.people();

-- A whole run in this session, step by step. In one transaction all runs are made at the same time, so
-- the ones before are made older.
create function pg_temp.run(job text) returns table (step bigint, progress int, message text)
language plpgsql as $$
declare
  id uuid;
  finished boolean := false;
begin
  update public.job_logs set created_at = created_at - interval '1 us'
  where queue = 'pgherald' and job_type = job and finished_at is not null;
  id := pgherald.enqueue_run(job);
  perform pgherald.begin_run('tap', job);
  step := 0;
  while not finished loop
    step := step + 1;
    select s.is_finished, s.progress, s.message into finished, progress, message from pgherald.run_job_step(id) s;
    return next;
  end loop;
  perform pgherald.end_run(job);
end
$$;
create function pg_temp.last(job text) returns public.job_logs language sql as $$
  select * from public.job_logs where queue = 'pgherald' and job_type = job order by created_at desc, attempts desc limit 1
$$;
create function pg_temp.marks() returns bigint language sql as $$
  select coalesce(sum(batches), 0)::bigint from pgherald.store_marks where slot_name like 'job:%'
$$;
create function pg_temp.locks() returns bigint language sql as $$
  select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and objsubid = 1
$$;
create function pg_temp.age(by_interval interval) returns void language sql as $$
  update public.job_logs set created_at = created_at - by_interval where queue = 'pgherald'
$$;

-- ---------------------------------------------------------------- which there are

select results_eq(
  'select name, is_enabled, run_every, run_at, settings from pgherald.jobs order by name',
  $$ values
    ('api_key_usage', true, interval '1 day', time '03:30', '{"keep": "400 days"}'::jsonb),
    ('audit_partitions', true, '1 hour', null, '{"ahead": 3}'),
    ('audit_retention', true, '1 day', '03:40', '{"keep": null}'),
    ('expired_notifications', true, '10 minutes', null, '{}'),
    ('old_job_logs', true, '1 day', '03:10', '{"keep": "30 days"}'),
    ('realtime_messages', true, '1 day', '03:50', '{"keep": "3 days"}'),
    ('stale_jobs', false, '5 minutes', null, '{"silent_for": "1 hour"}'),
    ('webhook_deliveries', true, '1 day', '03:20', '{"keep_delivered": "30 days", "keep_failed": "90 days"}') $$,
  'the jobs and how they come');
select is_empty(
  $$ select name from pgherald.jobs where to_regprocedure(format('pgherald.job_%s(jsonb, int, jsonb)', name)) is null $$,
  'each has its function');
select lives_ok(format('update pgherald.jobs set %s where name = ''old_job_logs''', change), change)
from unnest(array['run_every = ''1 month''', 'run_every = ''7 days''', 'run_at = null, run_every = ''90 minutes''', 'run_at = ''03:10'', run_every = ''1 day''']) as change;

-- ---------------------------------------------------------------- when

create function pg_temp.next_run(zone text, made timestamptz, last timestamptz, every interval, at time) returns text
language plpgsql as $$
begin
  perform set_config('timezone', zone, true);
  delete from public.job_logs where queue = 'pgherald' and job_type = 'api_key_usage';
  insert into public.job_logs (queue, job_type, created_at, status, finished_at)
  select 'pgherald', 'api_key_usage', l, 'completed', l from unnest(array[last, last - interval '9 days']) as l where l is not null;
  update pgherald.jobs set created_at = made, run_at = null where name = 'api_key_usage';
  update pgherald.jobs set run_every = every, run_at = at where name = 'api_key_usage';
  return (select pgherald.next_run(j) at time zone 'UTC' from pgherald.jobs j where name = 'api_key_usage');
end
$$;
-- wherever the session thinks it is
select is(pg_temp.next_run(zone, made, last, every, at), next, says || ', in ' || zone)
from (values
  ('never run: at once', '2026-01-10 03:00Z'::timestamptz, null::timestamptz, '10 min'::interval, null::time, '2026-01-10 03:00:00'),
  ('never run, at a time of day: today', '2026-01-10 03:00Z', null, '1 day', '03:40', '2026-01-10 03:40:00'),
  ('this very minute', '2026-01-10 03:40Z', null, '1 day', '03:40', '2026-01-10 03:40:00'),
  ('or tomorrow', '2026-01-10 03:41Z', null, '1 day', '03:40', '2026-01-11 03:40:00'),
  ('the time after the last run', '2026-01-01Z', '2026-01-10 03:00Z', '10 min', null, '2026-01-10 03:10:00'),
  ('a daily job does not wander', '2026-01-01Z', '2026-01-10 03:40:09Z', '1 day', '03:40', '2026-01-11 03:40:00'),
  ('also when the last run was made up for', '2026-01-01Z', '2026-01-10 17:00Z', '1 day', '03:40', '2026-01-11 03:40:00'),
  ('or run by hand before its time', '2026-01-01Z', '2026-01-10 01:00Z', '1 day', '03:40', '2026-01-11 03:40:00'),
  ('every week', '2026-01-01Z', '2026-01-10 03:40:09Z', '7 days', '03:40', '2026-01-17 03:40:00'),
  ('every month, however long', '2026-01-01Z', '2026-01-31 03:40:09Z', '1 month', '03:40', '2026-02-28 03:40:00')
) as t (says, made, last, every, at, next), unnest(array['UTC', 'Pacific/Auckland', 'America/Los_Angeles']) as zone;
set local timezone = 'UTC';

update pgherald.jobs set run_every = '1 day', run_at = null, is_enabled = name = 'api_key_usage', created_at = now();
delete from public.job_logs;
select results_eq('select name from pgherald.due_jobs()', $$ values ('api_key_usage') $$, 'due');
insert into public.job_logs (queue, job_type) values ('default', 'api_key_usage');
select results_eq('select name from pgherald.due_jobs()', $$ values ('api_key_usage') $$, 'an application''s job of that name is none of ours');
select is(pgherald.enqueue_due_jobs(), 1::bigint, 'gets a run');
select results_eq($$ select status, attempts, max_attempts, user_id, payload from pg_temp.last('api_key_usage') $$,
  $$ values ('pending', 0, 3, null::uuid, '{}'::jsonb) $$, 'that waits');
select is(pgherald.enqueue_due_jobs(), 0::bigint, 'and no other');
select pg_temp.age('9 days');
select is(pgherald.enqueue_due_jobs(), 0::bigint, 'as long as it is open');
select * from pg_temp.run('api_key_usage');
select is(pgherald.enqueue_due_jobs(), 1::bigint, 'nine missed times');
select * from pg_temp.run('api_key_usage');
select is(pgherald.enqueue_due_jobs(), 0::bigint, 'are made up for once');
select pg_temp.age('23 hours');
select is(pgherald.enqueue_due_jobs(), 0::bigint, 'not before its time');
select pg_temp.age('1 hour');
update pgherald.jobs set is_enabled = false;
select is(pgherald.enqueue_due_jobs(), 0::bigint, 'not when disabled');
select throws_ok($$ insert into public.job_logs (queue, job_type, status) values ('pgherald', 'x', 'pending'), ('pgherald', 'x', 'running') $$,
  '23505', null, 'one open run of a job, whoever makes it');

-- ---------------------------------------------------------------- taking up and ending

delete from public.job_logs;
select is((select count(*) from pgherald.begin_run('w')), 0::bigint, 'nothing to do');
select public.enqueue_job('no_such_job', p_queue => 'pgherald');
select public.enqueue_job('old_job_logs', p_queue => 'default');
select public.enqueue_job('api_key_usage', p_queue => 'pgherald', p_run_at => now() + interval '1 hour');
select is((select count(*) from pgherald.begin_run('w')), 0::bigint, 'not an unknown job''s, another queue''s or one of later');
select tap.call('service_role', null, $$ select public.enqueue_job('old_job_logs', p_queue => 'pgherald') $$) is not null;
select pgherald.enqueue_run('expired_notifications');
select set_config('statement_timeout', '0', false);
update pgherald.jobs set timeout = '90 s' where name = 'expired_notifications';
select results_eq($$ select name, is_running, attempt, max_attempts, lost_by from pgherald.begin_run('w1') $$,
  $$ values ('expired_notifications', true, 1, 3, null::text) $$, 'what an operator asked for comes first');
select results_eq($$ select status, worker, attempts, started_at is not null from pg_temp.last('expired_notifications') $$,
  $$ values ('running', 'w1', 1, true) $$, 'it runs');
select is(current_setting('statement_timeout'), '90s', 'with its own time-out');
select is(pg_temp.locks(), 1::bigint, 'under its lock');
select pgherald.end_run('expired_notifications');
select is(pg_temp.locks(), 0::bigint, 'until it is let go');
select is(current_setting('statement_timeout'), '1min', 'with the usual time-out');

-- Running, and nobody has the lock.
select results_eq($$ select name, is_running, attempt, lost_by from pgherald.begin_run('w2') $$,
  $$ values ('expired_notifications', true, 2, 'w1') $$, 'a run without a runner is taken over');
select is((pg_temp.last('expired_notifications')).error, 'w1 was working on it and is gone', 'and says why it is tried again');
select pgherald.end_run('expired_notifications');
update public.job_logs set attempts = max_attempts where job_type = 'expired_notifications';
select results_eq($$ select name, is_running, attempt, lost_by from pgherald.begin_run('w3') $$,
  $$ values ('expired_notifications', false, 3, 'w2') $$, 'unless that was the last attempt');
select is(pg_temp.locks(), 0::bigint, 'whose lock is let go at once');
select results_eq($$ select status, error from pg_temp.last('expired_notifications') $$,
  $$ values ('failed', 'w2 was working on it and is gone') $$, 'then it has failed');
select is((select name from pgherald.begin_run('w3', 'api_key_usage')), null, 'of one job: not its time');
select is((select name from pgherald.begin_run('w3', 'old_job_logs')), 'old_job_logs', 'of one job: what the application asked for');
select pgherald.end_run('old_job_logs');

create temporary table r as select (pg_temp.last('old_job_logs')).id;
update pgherald.jobs set retry_in = '7 min', max_attempts = 2 where name = 'old_job_logs';
update public.job_logs set attempts = 1, max_attempts = 2 where id = (select id from r);
select is(pgherald.return_run(id), true, 'given back') from r;
select results_eq($$ select status, attempts, worker, started_at from pg_temp.last('old_job_logs') $$,
  $$ values ('pending', 0, null::text, null::timestamptz) $$, 'it waits again, and the attempt does not count');
select is(pgherald.return_run(id), false, 'once') from r;
select is((select attempt from pgherald.begin_run('w4')), 1, 'the next one takes it');
select is(pgherald.fail_run(id, 'no disk'), 'pending', 'a failed attempt') from r;
select results_eq($$ select status, error, scheduled_at - now() from pg_temp.last('old_job_logs') $$,
  $$ values ('pending', 'no disk', interval '7 min') $$, 'is tried again after a while');
select is((select count(*) from pgherald.begin_run('w5')), 0::bigint, 'not before');
select is(pgherald.enqueue_run('old_job_logs'), id, 'unless an operator wants it now') from r;
select is((select attempt from pgherald.begin_run('w5')), 2, 'which is the next attempt');
select is(pgherald.fail_run(id, 'still no disk'), 'failed', 'and the last one') from r;
select is(pgherald.fail_run(id, 'x'), null, 'what does not run cannot fail') from r;
select is(pgherald.fail_run(public.start_job('other'), 'x'), null, 'and another queue''s is not ours');
select pgherald.end_run('old_job_logs');
select throws_ok(format('select pgherald.run_job_step(%L)', id), 'P0002', null, 'what does not run has no next step') from r;
select throws_ok(format('select pgherald.run_job_step(%L)', (select id from public.job_logs where job_type = 'other')), 'P0002', null, 'nor has another queue''s');

select throws_like($$ select pgherald.enqueue_run('nix') $$, 'there is no job "nix"', 'a job that is none');
select throws_like($$ select pgherald.enable_job('nix', true) $$, 'there is no job "nix"', 'cannot be enabled either');
select pgherald.enqueue_run('webhook_deliveries');
select pgherald.enable_job('webhook_deliveries', false);
select is((pg_temp.last('webhook_deliveries')).status, 'cancelled', 'disabling takes the waiting run away');
select is((select is_enabled from pgherald.jobs where name = 'webhook_deliveries'), false, 'and no other is made');
select pgherald.enable_job('webhook_deliveries', true);
select is((select is_enabled from pgherald.jobs where name = 'webhook_deliveries'), true, 'until it is enabled');

-- ---------------------------------------------------------------- what they do

-- Each in steps of two rows.
delete from public.job_logs;
update pgherald.jobs set settings = settings || '{"chunk": 2}';

insert into public.notifications (user_id, title, expires_at)
select tap.ann(), n::text, case when n <= 5 then now() - n * interval '1 s' when n = 6 then now() + interval '1 s' end
from generate_series(1, 7) as n;
select results_eq($$ select * from pg_temp.run('expired_notifications') $$,
  $$ values (1::bigint, 40, '2 of 5 expired notifications deleted'), (2, 80, '4 of 5 expired notifications deleted'),
    (3, 100, '5 of 5 expired notifications deleted') $$, 'expired_notifications');
select results_eq('select title from public.notifications order by 1', $$ values ('6'), ('7') $$, 'leaves those that have not expired');
select results_eq($$ select status, progress, progress_message, result, error, finished_at is not null from pg_temp.last('expired_notifications') $$,
  $$ values ('completed', 100, '5 of 5 expired notifications deleted', '{"done": 5, "total": 5}'::jsonb, null, true) $$, 'and the run tells');
select results_eq($$ select action, resource_type, resource_id, user_id, new_values, context - 'run', xid from public.audit_logs where action = 'maintenance' $$,
  $$ values ('maintenance', 'pgherald.jobs', 'expired_notifications', null::uuid,
    '{"done": 5, "total": 5, "message": "5 of 5 expired notifications deleted"}'::jsonb,
    '{"source": "pgherald", "worker": "tap", "attempts": 1}'::jsonb, pg_current_xact_id()::xid::text::bigint) $$,
  'and so does one entry of the audit trail');
select results_eq($$ select * from pg_temp.run('expired_notifications') $$,
  $$ values (1::bigint, 100, '0 of 0 expired notifications deleted') $$, 'nothing to do');
select is((select count(*) from public.audit_logs where action = 'maintenance'), 1::bigint, 'is not worth an entry');

insert into public.job_logs (queue, job_type, status, created_at, finished_at, scheduled_at)
select 'default', 'import', 'completed', now() - d * interval '1 day', now() - d * interval '1 day', now()
from unnest(array[29, 31, 32, 33]) as d;
insert into public.job_logs (queue, job_type, created_at) values ('default', 'waits', now() - interval '1 year');
insert into public.job_logs (queue, job_type, status, created_at, finished_at)
select 'pgherald', 'api_key_usage', 'completed', now() - d * interval '1 day', now() - d * interval '1 day' from unnest(array[40, 41]) as d;
select results_eq($$ select * from pg_temp.run('old_job_logs') $$,
  $$ values (1::bigint, 50, '2 of 4 ended jobs deleted'), (2, 99, '4 of 4 ended jobs deleted'), (3, 100, '4 of 4 ended jobs deleted') $$, 'old_job_logs');
select results_eq($$ select job_type, (now() - created_at) from public.job_logs where job_type in ('import', 'waits', 'api_key_usage') order by 2 $$,
  $$ values ('import', interval '29 days'), ('api_key_usage', '40 days'), ('waits', now() - (now() - interval '1 year')) $$,
  'leaves what ended lately or not at all, and the last run of each of our jobs: the next is reckoned from it');
update pgherald.jobs set settings = '{"chunk": 2, "keep": null}' where name = 'old_job_logs';
select results_eq($$ select progress, message from pg_temp.run('old_job_logs') $$, $$ values (100, '0 of 0 ended jobs deleted') $$, 'keep is null: for ever');

insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload, status, delivered_at, created_at)
select gen_random_uuid(), 'm', status || ' ' || d, '{}', status, case when status = 'delivered' then now() end, now() - d * interval '1 day'
from unnest(array['pending', 'delivered', 'failed']) as status, unnest(array[29, 31, 89, 91]) as d;
insert into public.webhook_attempts (delivery_id, attempt) select id, a from public.webhook_deliveries, generate_series(1, 3) as a;
select results_eq($$ select * from pg_temp.run('webhook_deliveries') $$,
  $$ values (1::bigint, 50, '2 of 4 old deliveries deleted'), (2, 99, '4 of 4 old deliveries deleted'), (3, 100, '4 of 4 old deliveries deleted') $$, 'webhook_deliveries');
select results_eq('select event_type from public.webhook_deliveries order by 1',
  $$ values ('delivered 29'), ('failed 29'), ('failed 31'), ('failed 89'), ('pending 29'), ('pending 31'), ('pending 89'), ('pending 91') $$,
  'leaves what is not old, and what is still to do');
select is((select count(*) from public.webhook_attempts), 24::bigint, 'attempts go with their delivery');
update pgherald.jobs set settings = '{"keep_delivered": "1 day"}' where name = 'webhook_deliveries';
select results_eq($$ select message from pg_temp.run('webhook_deliveries') $$, $$ values ('1 of 1 old deliveries deleted') $$, 'keep_failed is not there: for ever');

insert into public.api_keys (name, key_hash, key_prefix) values ('k', sha256('k'), 'phk_k');
insert into public.api_key_usage (api_key_id, day, requests)
select id, (now() at time zone 'UTC')::date - d, 1 from public.api_keys, unnest(array[0, 399, 400, 401, 500, 600]) as d;
select results_eq($$ select * from pg_temp.run('api_key_usage') $$,
  $$ values (1::bigint, 66, '2 of 3 old days of usage deleted'), (2, 100, '3 of 3 old days of usage deleted') $$, 'api_key_usage');
select results_eq($$ select (now() at time zone 'UTC')::date - day from public.api_key_usage order by 1 $$, $$ values (0), (399), (400) $$, 'leaves the days that are kept');

insert into public.job_logs (queue, job_type, status, attempts, max_attempts, worker) values
  ('a', 'silent', 'running', 1, 3, 'w'), ('b', 'silent', 'running', 1, 1, 'w'), ('b', 'lively', 'running', 1, 1, 'w');
insert into public.job_logs (queue, job_type, status, attempts, worker) values ('pgherald', 'audit_partitions', 'running', 1, 'somebody');
alter table public.job_logs disable trigger set_updated_at;
update public.job_logs set updated_at = now() - interval '61 min' where status = 'running' and job_type <> 'lively';
alter table public.job_logs enable trigger set_updated_at;
select results_eq($$ select progress, message from pg_temp.run('stale_jobs') $$, $$ values (100, '2 jobs of silent workers failed') $$, 'stale_jobs');
select results_eq($$ select queue, job_type, status from public.job_logs where job_type in ('silent', 'lively', 'audit_partitions') order by 1, 2 $$,
  $$ values ('a', 'silent', 'pending'), ('b', 'lively', 'running'), ('b', 'silent', 'failed'), ('pgherald', 'audit_partitions', 'running') $$,
  'which of ours are alive, their locks tell');
delete from public.job_logs where job_type = 'audit_partitions';

-- ---------------------------------------------------------------- the audit trail's partitions

select results_eq($$ select progress, message from pg_temp.run('audit_partitions') $$, $$ values (100, '0 of 0 missing partitions made') $$, 'audit_partitions: all are there');
update pgherald.jobs set settings = '{"ahead": 5}' where name = 'audit_partitions';
select results_eq($$ select progress, message from pg_temp.run('audit_partitions') $$, $$ values (100, '2 of 2 missing partitions made') $$, 'two are not');
select results_eq($$ select result from pg_temp.last('audit_partitions') $$, $$ values ('{"done": 2, "total": 2}'::jsonb) $$, 'then they are');

create table pgherald_audit.audit_logs_2020_01 partition of public.audit_logs for values from ('2020-01-01Z') to ('2020-02-01Z');
create table pgherald_audit.audit_logs_2020_02 partition of public.audit_logs for values from ('2020-02-01Z') to ('2020-03-01Z');
create table pgherald_audit.audit_logs_last partition of public.audit_logs
  for values from ('2020-03-01Z') to (date_trunc('month', now()));
insert into public.audit_logs (occurred_at, action, resource_type) select at, 'old', 'x'
from unnest(array['2019-12-31Z', '2020-01-15Z', '2020-02-15Z', '2020-03-15Z']::timestamptz[]) as at;
create function pg_temp.left_over() returns text language sql as $$
  select string_agg(to_char(occurred_at, 'YYYY-MM'), ' ' order by occurred_at) from public.audit_logs where action = 'old'
$$;
select results_eq($$ select progress, message from pg_temp.run('audit_retention') $$, $$ values (100, 'the audit trail is kept for ever') $$, 'audit_retention: nothing unless asked for');
select is(pg_temp.left_over(), '2019-12 2020-01 2020-02 2020-03', 'all is there');
update pgherald.jobs set settings = jsonb_build_object('keep', now() - '2020-02-29Z'::timestamptz) where name = 'audit_retention';
select results_eq($$ select progress, message from pg_temp.run('audit_retention') $$, $$ values (50, '1 of 2 old partitions dropped'), (100, '2 of 2 old partitions dropped') $$, 'a month that ended long enough ago, and what has no month');
select is(pg_temp.left_over(), '2020-02 2020-03', 'leave; February has not quite');
select is(to_regclass('pgherald_audit.audit_logs_2020_01'), null, 'nothing of it stays');
insert into public.audit_logs (occurred_at, action, resource_type) values ('2020-01-20Z', 'old', 'x');
create table pgherald_audit.audit_logs_2019_11 partition of public.audit_logs for values from ('2019-11-01Z') to ('2019-12-01Z');
update pgherald.jobs set settings = jsonb_build_object('keep', now() - '2020-03-01Z'::timestamptz) where name = 'audit_retention';
select results_eq($$ select progress, message from pg_temp.run('audit_retention') $$,
  $$ values (33, '1 of 3 old partitions dropped'), (66, '2 of 3 old partitions dropped'), (100, '3 of 3 old partitions dropped') $$, 'one a step, the oldest first');
select is((pg_temp.last('audit_retention')).result -> 'dropped', '["audit_logs_2019_11", "audit_logs_2020_02"]', 'and which they were');
select results_eq($$ select new_values -> 'dropped' from public.audit_logs where resource_id = 'audit_retention' order by id $$,
  $$ values ('["audit_logs_2020_01"]'::jsonb), ('["audit_logs_2019_11", "audit_logs_2020_02"]') $$, 'is in the trail itself');
select is(pg_temp.left_over(), '2020-03', 'and nothing else');
select throws_ok('delete from public.audit_logs', '42501', null, 'and the trail is append only as before');
select throws_ok('truncate pgherald_audit.audit_logs_default', '42501', null, 'its partitions too');

-- ---------------------------------------------------------------- settings that are wrong, jobs of one's own

update pgherald.jobs set settings = settings || '{"keep": "30 dayz"}' where name = 'old_job_logs';
select throws_like($$ select * from pg_temp.run('old_job_logs') $$, 'the setting "keep" is "30 dayz"', 'a span that is none');
update pgherald.jobs set settings = settings || '{"keep": "-1 day"}' where name = 'old_job_logs';
select throws_like($$ select * from pg_temp.run('old_job_logs') $$, 'the setting "keep" is "-1 day"', 'or would delete what is to come');
update pgherald.jobs set settings = settings || '{"chunk": 0, "keep": "30 days"}' where name = 'old_job_logs';
select throws_like($$ select * from pg_temp.run('old_job_logs') $$, 'the setting "chunk" of job old_job_logs is 0%', 'steps of nothing');

create function pgherald.job_custom(settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql as $$
begin
  figures := pgherald.add_done(coalesce(figures, '{"total": 3}'), 1);
  message := settings ->> 'word';
  is_finished := (figures ->> 'done')::int = 3;
end
$$;
insert into pgherald.jobs (name, description, run_every, settings) values ('custom', 'mine', '1 day', '{"word": "hi"}');
select results_eq($$ select * from pg_temp.run('custom') $$, $$ values (1::bigint, 33, 'hi'), (2, 66, 'hi'), (3, 100, 'hi') $$, 'a job of one''s own');

-- A run that was taken over goes on with its figures.
select pgherald.enqueue_run('custom');
select pgherald.begin_run('w1', 'custom');
create temporary table c as select id from public.job_logs where job_type = 'custom' and status = 'running';
select results_eq(format('select * from pgherald.run_job_step(%L)', id), $$ values (false, 33, 'hi') $$, 'a step') from c;
select pgherald.end_run('custom');
select pgherald.begin_run('w2', 'custom');
select results_eq(format('select * from pgherald.run_job_step(%L)', id), $$ values (false, 66, 'hi') $$, 'the next one is another runner''s') from c;
select results_eq($$ select worker, attempts, progress, result from public.job_logs join c using (id) $$,
  $$ values ('w2', 2, 66, '{"done": 2, "total": 3}'::jsonb) $$, 'who goes on where it stood');
select pgherald.end_run('custom');

-- What is marked as maintenance, and what is not.
create temporary table m (n bigint);
insert into m select pg_temp.marks();
select pgherald.fail_run(id, 'x') from c;
select is(pg_temp.marks() - n, 0::bigint, 'a failure is told to everybody') from m;
select pgherald.enqueue_run('custom');
select is(pg_temp.marks() - n, 0::bigint, 'so is the wish of an operator') from m;
select pgherald.begin_run('w3', 'custom');
select is(pg_temp.marks() - n, 1::bigint, 'beginning is maintenance') from m;
select pgherald.run_job_step(id) from c;
select is(pg_temp.marks() - n, 2::bigint, 'so is a step') from m;
select pgherald.end_run('custom');

select * from finish();
rollback;
