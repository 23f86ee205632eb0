-- job_logs as a queue and as a record.
begin;
select no_plan();
select tap.people();

create temporary table j as
select tap.call('service_role', null, format($$ select public.enqueue_job('import', '{"file": 1}', 'slow', %L, 5, 2) $$, tap.ann()))::uuid as id;
select results_eq('select user_id, job_type, queue, status, priority, progress, attempts, max_attempts, payload, started_at from public.job_logs',
  $$ values (tap.ann(), 'import', 'slow', 'pending', 5, 0, 0, 2, '{"file": 1}'::jsonb, null::timestamptz) $$, 'a job waits');
select is((select count(*) from public.claim_job()), 0::bigint, 'not in this queue');
select is(tap.call('authenticated', tap.ann(), 'select status from public.job_logs'), 'pending', 'its user sees it');
select is(tap.call('authenticated', tap.bob(), 'select count(*) from public.job_logs'), '0', 'nobody else does');
select is(tap.attempt('authenticated', tap.ann(), 'select public.claim_job(''slow'')'), '42501', 'clients do no jobs');

select is(tap.call('service_role', null, 'select id from public.claim_job(''slow'', ''w1'')')::uuid, id, 'a worker takes it') from j;
select results_eq('select status, attempts, worker, started_at is not null from public.job_logs', $$ values ('running', 1, 'w1', true) $$, 'and it runs');
select is((select count(*) from public.claim_job('slow', 'w2')), 0::bigint, 'nobody else gets it');
select is(public.update_job_progress(id, 40, 'half way'), true, 'progress') from j;
select is(public.update_job_progress(id, 50), true, 'progress without a word') from j;
select results_eq('select progress, progress_message from public.job_logs', $$ values (50, 'half way') $$, 'leaves the last word');
select throws_ok(format('select public.update_job_progress(%L, 101)', id), '23514', null, 'progress ends at 100') from j;

select is(public.fail_job(id, 'no disk', '10 minutes'), 'pending', 'a failed attempt is tried again') from j;
select results_eq('select status, error, finished_at, scheduled_at - now() from public.job_logs', $$ values ('pending', 'no disk', null::timestamptz, interval '10 minutes') $$, 'later');
select is((select count(*) from public.claim_job('slow')), 0::bigint, 'not before');
update public.job_logs set scheduled_at = now();
select is((select attempts from public.claim_job('slow')), 2, 'the second attempt');
select is((select progress from public.job_logs), 0, 'begins at 0');
select is(public.fail_job(id, 'no disk'), 'failed', 'and is the last') from j;
select results_eq('select status, error, finished_at is not null from public.job_logs', $$ values ('failed', 'no disk', true) $$, 'which is on record');
select is(public.fail_job(id, 'x'), null, 'what does not run cannot fail') from j;
select is(public.finish_job(id), false, 'or finish') from j;
select is(public.update_job_progress(id, 1), false, 'or progress') from j;

create temporary table s as select public.start_job('cleanup', p_worker => 'pgherald') as id;
select is(public.finish_job(id, '{"deleted": 3}'), true, 'one''s own job, from start to finish') from s;
select results_eq('select status, progress, attempts, result, error, finished_at >= started_at from public.job_logs join s using (id)',
  $$ values ('completed', 100, 1, '{"deleted": 3}'::jsonb, null, true) $$, 'is on record');

-- order of the queue
select public.enqueue_job('low', p_priority => 0, p_run_at => now() - interval '1 h');
select public.enqueue_job('late', p_priority => 9, p_run_at => now() + interval '1 h');
select public.enqueue_job('high', p_priority => 9);
select public.enqueue_job('high, older', p_priority => 9, p_run_at => now() - interval '1 s');
select is(array[(select job_type from public.claim_job()), (select job_type from public.claim_job()), (select job_type from public.claim_job()), (select job_type from public.claim_job())],
  array['high, older', 'high', 'low', null], 'by priority, then by time, and none before its time');

-- silence
alter table public.job_logs disable trigger set_updated_at;
update public.job_logs set updated_at = now() - interval '2 hours' where job_type in ('high', 'low');
update public.job_logs set max_attempts = 1 where job_type = 'low';
alter table public.job_logs enable trigger set_updated_at;
select is(public.recover_stale_jobs('3 hours'), 0::bigint, 'not silent for so long');
select is(public.recover_stale_jobs('1 hour', 'other'), 0::bigint, 'not in that queue');
select is(public.recover_stale_jobs(), 2::bigint, 'two workers are silent');
select results_eq($$ select job_type, status from public.job_logs where job_type in ('high', 'low') order by 1 $$, $$ values ('high', 'pending'), ('low', 'failed') $$, 'again where attempts are left');
select matches((select error from public.job_logs where job_type = 'low'), 'no sign of life from its worker since', 'and why');

-- the view
select results_eq($$ select job_count, avg_attempts from public.job_status_summary where queue = 'slow' and job_type = 'import' and status = 'failed' $$,
  $$ values (1::bigint, 2.00) $$, 'job_status_summary counts');
select is((select oldest_pending_at from public.job_status_summary where job_type = 'late'), now() + interval '1 h', 'and tells what waits');
select ok((select avg_seconds >= 0 and last_finished_at is not null from public.job_status_summary where job_type = 'cleanup'), 'and how long it took');

-- clean-up
alter table public.job_logs disable trigger set_updated_at;
update public.job_logs set finished_at = now() - interval '31 days' where finished_at is not null;
insert into public.job_logs (job_type, status, finished_at) select 'old', 'cancelled', now() - interval '40 days' from generate_series(1, 10);
insert into public.job_logs (job_type, status, finished_at) values ('recent', 'completed', now() - interval '29 days');
insert into public.job_logs (job_type, created_at, scheduled_at) values ('waits long', now() - interval '1 year', now() - interval '1 year');
select is(public.cleanup_old_job_logs(p_limit => 6), 6::bigint, 'at most so many at a time');
select is(public.cleanup_old_job_logs(), 7::bigint, 'and the rest');
select is(public.cleanup_old_job_logs(), 0::bigint, 'then nothing');
select is((select count(*) from public.job_logs where job_type in ('recent', 'waits long')), 2::bigint, 'what ended lately or not at all stays');
select is(public.cleanup_old_job_logs('1 day'), 1::bigint, 'for as long as one says');

select * from finish();
rollback;
