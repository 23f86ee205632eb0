-- pgherald: set=core
--
-- The maintenance that pgherald does by itself: which jobs there are, when each is due, and what a
-- run of each does. docs/jobs.md tells the whole story.
--
-- A run is a row of public.job_logs in queue 'pgherald', from its wish to its end. Who works on a
-- run holds a session advisory lock on the job's name, so a run that is 'running' while its lock is
-- free has lost its runner. A job works in steps, one transaction each, that its runner calls one
-- after the other.
--
-- Everything here is for the daemon's own role, and for operators.

-- ---------------------------------------------------------------- which jobs there are

create table if not exists pgherald.jobs (
  name text primary key,
  description text not null,
  is_enabled boolean not null default true,
  run_every interval not null,
  run_at time,
  settings jsonb not null default '{}',
  max_attempts int not null default 3,
  retry_in interval not null default '5 minutes',
  timeout interval not null default '10 minutes',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- the name is part of a function's
  constraint jobs_name_check check (name ~ '^[a-z][a-z0-9_]{0,50}$'),
  constraint jobs_run_every_check check (run_every >= interval '1 second'),
  constraint jobs_run_at_check check (run_at is null
    or (run_every >= interval '1 day' and date_trunc('day', run_every) = run_every)),
  constraint jobs_settings_check check (jsonb_typeof(settings) = 'object'),
  constraint jobs_max_attempts_check check (max_attempts between 1 and 100),
  constraint jobs_retry_in_check check (retry_in >= interval '0'),
  constraint jobs_timeout_check check (timeout between interval '1 second' and interval '1 day')
);
comment on table pgherald.jobs is 'pgherald: the maintenance jobs, when they run and with which settings';
comment on column pgherald.jobs.is_enabled is 'whether it is run by itself; it can be run by hand all the same';
comment on column pgherald.jobs.run_at is 'time of day in UTC, for jobs of whole days; null: at any time';
comment on column pgherald.jobs.settings is 'what the job''s function reads, and "chunk": how many rows a step may take';
comment on column pgherald.jobs.timeout is 'of one step';
-- In the stream, so that it is on record who changed how long things are kept.
alter table pgherald.jobs replica identity full;
create or replace trigger set_updated_at before update on pgherald.jobs
  for each row execute function pgherald.set_updated_at();
revoke all on pgherald.jobs from public, anon, authenticated, service_role;

-- An operator's changes survive an upgrade.
insert into pgherald.jobs (name, description, is_enabled, run_every, run_at, settings) values
  ('expired_notifications', 'deletes notifications that have expired',
    true, '10 minutes', null, '{}'),
  ('audit_partitions', 'makes the next monthly partitions of the audit trail',
    true, '1 hour', null, '{"ahead": 3}'),
  -- Off means nothing is ever dropped: how long an audit trail has to be kept is not ours to guess.
  ('audit_retention', 'drops monthly partitions of the audit trail that are older than "keep"; null keeps them for ever',
    true, '1 day', '03:40', '{"keep": null}'),
  ('old_job_logs', 'deletes jobs that ended longer ago than "keep"',
    true, '1 day', '03:10', '{"keep": "30 days"}'),
  ('webhook_deliveries', 'deletes old deliveries of webhooks with their attempts',
    true, '1 day', '03:20', '{"keep_delivered": "30 days", "keep_failed": "90 days"}'),
  ('api_key_usage', 'deletes old daily usage of API keys',
    true, '1 day', '03:30', '{"keep": "400 days"}'),
  -- Off: that a worker says nothing is no proof that it died. An application whose jobs report
  -- progress more often than this may turn it on; another's would be done twice.
  ('stale_jobs', 'fails jobs of the application whose worker has been silent for "silent_for"',
    false, '5 minutes', null, '{"silent_for": "1 hour"}')
on conflict (name) do nothing;

-- At most one run of a job is open, whoever asks for it; and the last run of each is found at once.
create unique index if not exists job_logs_open_run_idx on public.job_logs (job_type)
  where queue = 'pgherald' and status in ('pending', 'running');
create index if not exists job_logs_last_run_idx on public.job_logs (job_type, created_at desc)
  where queue = 'pgherald';
-- The application's running jobs, for stale_jobs. Not on updated_at: progress would have to write
-- the index each time.
create index if not exists job_logs_running_idx on public.job_logs (queue) where status = 'running';
-- What the clean-ups ask.
create index if not exists webhook_deliveries_finished_idx on public.webhook_deliveries (created_at)
  where status <> 'pending';
create index if not exists api_key_usage_day_idx on public.api_key_usage (day);

-- As in 005, but that changes of pgherald.jobs are published too.
create or replace function pgherald.publishable_tables(schemas text[])
returns table (relation regclass, reason text)
language sql stable
set search_path = ''
as $$
  with identity (relid, present) as (
    select c.oid, case c.relreplident
      when 'f' then true
      when 'n' then false
      else exists (
        select 1 from pg_catalog.pg_index i
        where i.indrelid = c.oid and i.indisvalid and i.indimmediate
          and case c.relreplident when 'd' then i.indisprimary else i.indisreplident end)
      end
    from pg_catalog.pg_class c
    where c.relkind in ('r', 'p')
  )
  select c.oid::regclass, case
    when n.nspname = 'public' and c.relname in ('audit_logs', 'webhook_deliveries', 'webhook_attempts')
      then 'written by the sidecar itself'
    when n.nspname = 'pgherald' and c.relname not in ('audit_policies', 'jobs', 'store_marks')
      then 'the sidecar''s own state'
    when c.relpersistence <> 'p' then 'unlogged: its changes are not in the WAL'
    when not pg_catalog.pg_has_role(c.relowner, 'usage')
      then format('owned by %s: only the owner can publish it', c.relowner::regrole)
    else (
      select format('no replica identity on %s: add a primary key, or alter table %1$s replica identity full', i.relid::regclass)
      from identity i
      where not i.present
        and (i.relid = c.oid or i.relid in (select t.relid from pg_catalog.pg_partition_tree(c.oid) t))
      order by i.relid
      limit 1)
    end
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p')
    and n.nspname = any (schemas)
    -- a partition is published through its root, when that is in reach
    and not (c.relispartition and exists (
      select 1
      from pg_catalog.pg_class root
      join pg_catalog.pg_namespace rn on rn.oid = root.relnamespace
      where root.oid = pg_catalog.pg_partition_root(c.oid) and rn.nspname = any (schemas)))
  order by c.oid::regclass::text
$$;
comment on function pgherald.publishable_tables(text[]) is 'pgherald: which tables a publication can hold, and why not the others';
revoke execute on function pgherald.publishable_tables(text[]) from public, anon, authenticated, service_role;

-- The two clean-ups of 004. `= any (array(...))` and not `in (...)`: the planner then looks the rows up
-- and never reads the whole table for a part of it.
create or replace function public.cleanup_expired_notifications(p_limit int default null) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  deleted bigint;
begin
  delete from public.notifications
  where id = any (array(
    select id from public.notifications
    where expires_at <= now()
    order by expires_at
    limit p_limit
    for update skip locked));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
comment on function public.cleanup_expired_notifications(int) is 'pgherald: deletes expired notifications, says how many';

-- And the last run of each maintenance job stays, however old: from it the next one is reckoned.
create or replace function public.cleanup_old_job_logs(p_keep interval default '30 days', p_limit int default null) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  deleted bigint;
begin
  delete from public.job_logs
  where id = any (array(
    select l.id from public.job_logs l
    where l.finished_at < now() - p_keep
      and (l.queue <> 'pgherald' or exists (
        select 1 from public.job_logs later
        where later.queue = 'pgherald' and later.job_type = l.job_type and later.created_at > l.created_at))
    order by l.finished_at
    limit p_limit
    for update skip locked));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
comment on function public.cleanup_old_job_logs(interval, int) is 'pgherald: deletes jobs that ended long ago, says how many';

-- ---------------------------------------------------------------- what a job is made of

-- Tells the daemon, which reads it in the stream, that the rest of this transaction is
-- maintenance: neither the run's own row nor what the clean-ups delete goes to the audit trail, to
-- notification rules and to webhooks. A row a job, so that two jobs do not wait for each other.
create or replace function pgherald.mark_maintenance(job text) returns void
language sql
set search_path = ''
as $$
  insert into pgherald.store_marks as m (slot_name, batches)
  values ('job:' || job, 1)
  on conflict (slot_name) do update set batches = m.batches + 1
$$;
comment on function pgherald.mark_maintenance(text) is 'pgherald: what follows in this transaction is maintenance';
revoke execute on function pgherald.mark_maintenance(text) from public, anon, authenticated, service_role;

-- null, or a key that is not there, means "for ever", so a slip of the pen keeps too much.
create or replace function pgherald.job_interval(settings jsonb, key text) returns interval
language plpgsql stable
set search_path = ''
as $$
declare
  span interval;
begin
  begin
    span := (settings ->> key)::interval;
  exception when others then
    null;
  end;
  if (span is null and settings ->> key is not null) or span < interval '0' then
    raise exception 'the setting "%" is "%"', key, settings ->> key
      using errcode = 'invalid_parameter_value', hint = 'It is a span of time such as "30 days", or null for ever.';
  end if;
  return span;
end
$$;
comment on function pgherald.job_interval(jsonb, text) is 'pgherald: a span of time in a job''s settings';
revoke execute on function pgherald.job_interval(jsonb, text) from public, anon, authenticated, service_role;

-- Adds to "done"; what there is to do grows with it if it was counted too low.
create or replace function pgherald.add_done(figures jsonb, more bigint) returns jsonb
language sql immutable
set search_path = ''
as $$
  select figures || jsonb_build_object('done', d.done, 'total', greatest((figures ->> 'total')::bigint, d.done))
  from (select coalesce((figures ->> 'done')::bigint, 0) + coalesce(more, 0)) as d (done)
$$;
comment on function pgherald.add_done(jsonb, bigint) is 'pgherald: a job''s figures after one more step';
revoke execute on function pgherald.add_done(jsonb, bigint) from public, anon, authenticated, service_role;

-- The step of job NAME is pgherald.job_NAME(). It does a part of the work, at most `chunk` rows,
-- and is called again, in a new transaction, until it says that it is finished. `figures` is what
-- the run has come to: null at the first step, kept in job_logs.result between them, also when
-- another instance takes the run over. Of them "done" and "total" make the progress; the first step
-- counts the total.

create or replace function pgherald.job_expired_notifications(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
as $$
declare
  deleted bigint;
begin
  figures := coalesce(figures, jsonb_build_object('total',
    (select count(*) from public.notifications n where n.expires_at <= now())));
  deleted := public.cleanup_expired_notifications(chunk);
  figures := pgherald.add_done(figures, deleted);
  message := format('%s of %s expired notifications deleted', figures ->> 'done', figures ->> 'total');
  is_finished := deleted < chunk;
end
$$;
comment on function pgherald.job_expired_notifications(jsonb, int, jsonb) is 'pgherald: a step of the job expired_notifications';
revoke execute on function pgherald.job_expired_notifications(jsonb, int, jsonb) from public, anon, authenticated, service_role;

create or replace function pgherald.job_old_job_logs(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
as $$
declare
  keep constant interval := pgherald.job_interval(settings, 'keep');
  deleted bigint;
begin
  figures := coalesce(figures, jsonb_build_object('total',
    (select count(*) from public.job_logs l
     where l.finished_at < now() - keep
       and (l.queue <> 'pgherald' or exists (
         select 1 from public.job_logs later
         where later.queue = 'pgherald' and later.job_type = l.job_type and later.created_at > l.created_at)))));
  deleted := public.cleanup_old_job_logs(keep, chunk);
  figures := pgherald.add_done(figures, deleted);
  message := format('%s of %s ended jobs deleted', figures ->> 'done', figures ->> 'total');
  is_finished := deleted < chunk;
end
$$;
comment on function pgherald.job_old_job_logs(jsonb, int, jsonb) is 'pgherald: a step of the job old_job_logs';
revoke execute on function pgherald.job_old_job_logs(jsonb, int, jsonb) from public, anon, authenticated, service_role;

-- The age is that of the event: a delivery that failed has no other date, and one that was
-- delivered was so within days.
create or replace function pgherald.job_webhook_deliveries(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
as $$
declare
  delivered_before constant timestamptz := now() - pgherald.job_interval(settings, 'keep_delivered');
  failed_before constant timestamptz := now() - pgherald.job_interval(settings, 'keep_failed');
  deleted bigint;
begin
  figures := coalesce(figures, jsonb_build_object('total',
    (select count(*) from public.webhook_deliveries d
     where d.status <> 'pending' and d.created_at < greatest(delivered_before, failed_before)
       and d.created_at < case d.status when 'delivered' then delivered_before else failed_before end)));
  -- the attempts go with their delivery
  delete from public.webhook_deliveries
  where id = any (array(
    select d.id from public.webhook_deliveries d
    where d.status <> 'pending' and d.created_at < greatest(delivered_before, failed_before)
      and d.created_at < case d.status when 'delivered' then delivered_before else failed_before end
    order by d.created_at
    limit chunk
    for update skip locked));
  get diagnostics deleted = row_count;
  figures := pgherald.add_done(figures, deleted);
  message := format('%s of %s old deliveries deleted', figures ->> 'done', figures ->> 'total');
  is_finished := deleted < chunk;
end
$$;
comment on function pgherald.job_webhook_deliveries(jsonb, int, jsonb) is 'pgherald: a step of the job webhook_deliveries';
revoke execute on function pgherald.job_webhook_deliveries(jsonb, int, jsonb) from public, anon, authenticated, service_role;

create or replace function pgherald.job_api_key_usage(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
as $$
declare
  first_day constant date := ((now() at time zone 'UTC')::date - pgherald.job_interval(settings, 'keep'))::date;
  deleted bigint;
begin
  figures := coalesce(figures, jsonb_build_object('total',
    (select count(*) from public.api_key_usage u where u.day < first_day)));
  delete from public.api_key_usage
  where ctid = any (array(
    select u.ctid from public.api_key_usage u
    where u.day < first_day
    order by u.day
    limit chunk
    for update skip locked));
  get diagnostics deleted = row_count;
  figures := pgherald.add_done(figures, deleted);
  message := format('%s of %s old days of usage deleted', figures ->> 'done', figures ->> 'total');
  is_finished := deleted < chunk;
end
$$;
comment on function pgherald.job_api_key_usage(jsonb, int, jsonb) is 'pgherald: a step of the job api_key_usage';
revoke execute on function pgherald.job_api_key_usage(jsonb, int, jsonb) from public, anon, authenticated, service_role;

-- ensure_audit_partitions() gives up when somebody reads the whole trail, and what was made before
-- stays. It is a failure only if nothing could be made.
create or replace function pgherald.job_audit_partitions(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
as $$
declare
  ahead constant int := coalesce((settings ->> 'ahead')::int, 3);
  missing int;
begin
  select count(*) into missing
  from generate_series(0, ahead) as n
  where to_regclass('pgherald_audit.audit_logs_'
    || to_char((now() at time zone 'UTC') + n * interval '1 month', 'YYYY_MM')) is null;
  figures := pgherald.add_done(jsonb_build_object('total', missing), pgherald.ensure_audit_partitions(ahead));
  if missing > 0 and (figures ->> 'done')::int = 0 then
    raise exception 'none of % missing partitions of the audit trail could be made: the trail was in use', missing
      using errcode = 'lock_not_available', hint = 'Until then entries go to audit_logs_default; nothing is lost.';
  end if;
  message := format('%s of %s missing partitions made', figures ->> 'done', figures ->> 'total');
  is_finished := true;
end
$$;
comment on function pgherald.job_audit_partitions(jsonb, int, jsonb) is 'pgherald: the step of the job audit_partitions';
revoke execute on function pgherald.job_audit_partitions(jsonb, int, jsonb) from public, anon, authenticated, service_role;

-- Months that ended longer ago than "keep" leave whole, one a step; never a mass DELETE. What is in
-- the default partition stays. Detaching locks the whole trail for a moment, so it does not wait
-- for long: everybody else would wait behind it.
create or replace function pgherald.job_audit_retention(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO'
set lock_timeout = '3s'
as $$
declare
  keep constant interval := pgherald.job_interval(settings, 'keep');
  old_partitions text[];
begin
  select coalesce(array_agg(c.relname order by b.until), '{}') into old_partitions
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  cross join lateral (
    select substring(pg_get_expr(c.relpartbound, c.oid) from $re$ TO \('([^']+)'\)$re$)::timestamptz) as b (until)
  where i.inhparent = 'public.audit_logs'::regclass
    and c.relnamespace = 'pgherald_audit'::regnamespace
    and b.until <= now() - keep;

  figures := coalesce(figures, jsonb_build_object('total', cardinality(old_partitions), 'dropped', '[]'::jsonb));
  if old_partitions <> '{}' then
    execute format('alter table public.audit_logs detach partition pgherald_audit.%I', old_partitions[1]);
    execute format('drop table pgherald_audit.%I', old_partitions[1]);
    figures := pgherald.add_done(figures, 1)
      || jsonb_build_object('dropped', figures -> 'dropped' || to_jsonb(old_partitions[1]));
  else
    figures := pgherald.add_done(figures, 0);
  end if;
  message := case when keep is null then 'the audit trail is kept for ever'
    else format('%s of %s old partitions dropped', figures ->> 'done', figures ->> 'total') end;
  is_finished := cardinality(old_partitions) <= 1;
end
$$;
comment on function pgherald.job_audit_retention(jsonb, int, jsonb) is 'pgherald: a step of the job audit_retention';
revoke execute on function pgherald.job_audit_retention(jsonb, int, jsonb) from public, anon, authenticated, service_role;

-- Our own runs have a better sign of life than silence: the lock.
create or replace function pgherald.job_stale_jobs(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
as $$
declare
  silent_for constant interval := pgherald.job_interval(settings, 'silent_for');
begin
  figures := pgherald.add_done('{"total": 0}', (
    select sum(public.recover_stale_jobs(silent_for, q.queue))
    from (select distinct l.queue from public.job_logs l where l.status = 'running' and l.queue <> 'pgherald') as q)::bigint);
  message := format('%s jobs of silent workers failed', figures ->> 'done');
  is_finished := true;
end
$$;
comment on function pgherald.job_stale_jobs(jsonb, int, jsonb) is 'pgherald: the step of the job stale_jobs';
revoke execute on function pgherald.job_stale_jobs(jsonb, int, jsonb) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- when a job is due

-- The first time after the run that was made last, whatever times were missed since. A time of day
-- is reckoned from the day of that run, so that it does not wander.
create or replace function pgherald.next_run(job pgherald.jobs) returns timestamptz
language sql stable
set search_path = ''
as $$
  select case
    when last.at is null and job.run_at is null then job.created_at
    when last.at is null then
      (utc.made::date + job.run_at + case when utc.made::time > job.run_at then interval '1 day' else interval '0' end)
        at time zone 'UTC'
    when job.run_at is null then last.at + job.run_every
    else ((utc.last::date + job.run_every)::date + job.run_at) at time zone 'UTC'
  end
  from (
    select max(l.created_at) from public.job_logs l where l.queue = 'pgherald' and l.job_type = job.name
  ) as last (at)
  cross join lateral (select job.created_at at time zone 'UTC', last.at at time zone 'UTC') as utc (made, last)
$$;
comment on function pgherald.next_run(pgherald.jobs) is 'pgherald: when a job is due next';
revoke execute on function pgherald.next_run(pgherald.jobs) from public, anon, authenticated, service_role;

create or replace function pgherald.due_jobs() returns table (name text, due_at timestamptz)
language sql stable
set search_path = ''
as $$
  select j.name, n.due_at
  from pgherald.jobs j
  cross join lateral (select pgherald.next_run(j)) as n (due_at)
  where j.is_enabled
    and n.due_at <= now()
    and not exists (
      select 1 from public.job_logs l
      where l.queue = 'pgherald' and l.job_type = j.name and l.status in ('pending', 'running'))
  order by n.due_at, j.name
$$;
comment on function pgherald.due_jobs() is 'pgherald: enabled jobs whose time has come and that have no open run';
revoke execute on function pgherald.due_jobs() from public, anon, authenticated, service_role;

-- Says how many. Several may ask at once: the index lets one run of a job through.
create or replace function pgherald.enqueue_due_jobs() returns bigint
language plpgsql
set search_path = ''
as $$
declare
  due record;
  made bigint := 0;
begin
  for due in
    select j.name, j.max_attempts from pgherald.due_jobs() d join pgherald.jobs j on j.name = d.name order by d.due_at
  loop
    perform pgherald.mark_maintenance(due.name);
    insert into public.job_logs (job_type, queue, max_attempts)
    values (due.name, 'pgherald', due.max_attempts)
    on conflict (job_type) where queue = 'pgherald' and status in ('pending', 'running') do nothing;
    made := made + found::int;
  end loop;
  return made;
end
$$;
comment on function pgherald.enqueue_due_jobs() is 'pgherald: makes a run for each job that is due';
revoke execute on function pgherald.enqueue_due_jobs() from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- working on a run

create or replace function pgherald.job_lock_key(job text) returns bigint
language sql immutable
set search_path = ''
as $$
  select hashtextextended('pgherald.job.' || job, 0)
$$;
comment on function pgherald.job_lock_key(text) is 'pgherald: the advisory lock of who works on a run of this job';
revoke execute on function pgherald.job_lock_key(text) from public, anon, authenticated, service_role;

-- Takes up a run that waits, or one whose runner died; of this job, or (null) of any. From then on
-- this session holds the job's lock and has the job's time-out for its statements, until end_run().
-- No row: there is nothing to do. A row that is not running: its runner died at the last attempt.
create or replace function pgherald.begin_run(worker text, job text default null)
returns table (run_id uuid, name text, is_running boolean, attempt int, max_attempts int, lost_by text)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  candidate record;
  run public.job_logs;
begin
  for candidate in
    select l.id, l.job_type, j.timeout
    from public.job_logs l
    join pgherald.jobs j on j.name = l.job_type
    where l.queue = 'pgherald'
      and (l.status = 'running' or (l.status = 'pending' and l.scheduled_at <= clock_timestamp()))
      and (begin_run.job is null or l.job_type = begin_run.job)
    order by l.status = 'pending', l.priority desc, l.scheduled_at
  loop
    continue when not pg_try_advisory_lock(pgherald.job_lock_key(candidate.job_type));

    -- Looked at again: whoever had the lock until now may have ended the run.
    select * into run
    from public.job_logs l
    where l.id = candidate.id
      and (l.status = 'running' or (l.status = 'pending' and l.scheduled_at <= clock_timestamp()))
    for update skip locked;
    if not found then
      perform pg_advisory_unlock(pgherald.job_lock_key(candidate.job_type));
      continue;
    end if;

    name := run.job_type;
    run_id := run.id;
    max_attempts := run.max_attempts;
    lost_by := null;
    if run.status = 'running' then
      lost_by := coalesce(run.worker, 'an unknown runner');
      if public.fail_job(run.id, format('%s was working on it and is gone', lost_by)) = 'failed' then
        perform pg_advisory_unlock(pgherald.job_lock_key(name));
        is_running := false;
        attempt := run.attempts;
        return next;
        return;
      end if;
    end if;

    perform pgherald.mark_maintenance(name);
    update public.job_logs l
    set status = 'running', worker = begin_run.worker, attempts = l.attempts + 1, started_at = clock_timestamp()
    where l.id = run.id
    returning l.attempts into attempt;
    perform set_config('statement_timeout', (extract(epoch from candidate.timeout) * 1000)::bigint::text, false);
    is_running := true;
    return next;
    return;
  end loop;
end
$$;
comment on function pgherald.begin_run(text, text) is 'pgherald: takes up a run for this session';
revoke execute on function pgherald.begin_run(text, text) from public, anon, authenticated, service_role;

-- One step of a run, in the transaction of the call. At the last one the run is completed, and the
-- audit trail gets one entry if anything was done.
create or replace function pgherald.run_job_step(run_id uuid, out is_finished boolean, out progress int, out message text)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  run public.job_logs;
  job pgherald.jobs;
  chunk int;
  figures jsonb;
begin
  select * into run from public.job_logs l
  where l.id = run_job_step.run_id and l.queue = 'pgherald' and l.status = 'running'
  for update;
  select * into job from pgherald.jobs j where j.name = run.job_type;
  if job.name is null then
    raise exception 'run % is not running, or its job is gone', run_job_step.run_id using errcode = 'no_data_found';
  end if;
  chunk := coalesce((job.settings ->> 'chunk')::int, 10000);
  if chunk not between 1 and 1000000 then
    raise exception 'the setting "chunk" of job % is %, not 1 to 1000000', job.name, chunk
      using errcode = 'invalid_parameter_value';
  end if;

  perform pgherald.mark_maintenance(job.name);
  execute format('select s.figures, s.message, s.is_finished from pgherald.%I($1, $2, $3) as s', 'job_' || job.name)
  into figures, message, is_finished
  using job.settings, chunk, run.result;

  progress := case when (figures ->> 'total')::bigint > 0
    then least(99, (figures ->> 'done')::bigint * 100 / (figures ->> 'total')::bigint) else 0 end;
  update public.job_logs l
  set progress = run_job_step.progress, progress_message = run_job_step.message, result = figures
  where l.id = run.id;
  if not is_finished then
    return;
  end if;

  progress := 100;
  perform public.finish_job(run.id, figures);
  if (figures ->> 'done')::bigint > 0 then
    insert into public.audit_logs (xid, action, resource_type, resource_id, new_values, context)
    values (pg_current_xact_id()::xid::text::bigint, 'maintenance', 'pgherald.jobs', job.name,
      figures || jsonb_build_object('message', message),
      jsonb_build_object('source', 'pgherald', 'run', run.id, 'worker', run.worker, 'attempts', run.attempts));
  end if;
end
$$;
comment on function pgherald.run_job_step(uuid) is 'pgherald: does one step of a run';
revoke execute on function pgherald.run_job_step(uuid) from public, anon, authenticated, service_role;

-- The attempt failed: 'pending' if the run is tried again, 'failed' if not. Not marked as
-- maintenance: a failure is on record, and rules and webhooks may tell somebody.
create or replace function pgherald.fail_run(run_id uuid, problem text) returns text
language sql
set search_path = ''
as $$
  select public.fail_job(l.id, problem, coalesce(j.retry_in, interval '0'))
  from public.job_logs l
  left join pgherald.jobs j on j.name = l.job_type
  where l.id = run_id and l.queue = 'pgherald'
$$;
comment on function pgherald.fail_run(uuid, text) is 'pgherald: an attempt of a run failed';
revoke execute on function pgherald.fail_run(uuid, text) from public, anon, authenticated, service_role;

-- Its runner stops; another one goes on from here, and the attempt does not count.
create or replace function pgherald.return_run(run_id uuid) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  perform pgherald.mark_maintenance(l.job_type)
  from public.job_logs l
  where l.id = run_id and l.queue = 'pgherald' and l.status = 'running';
  update public.job_logs l
  set status = 'pending', worker = null, attempts = l.attempts - 1, started_at = null, scheduled_at = now()
  where l.id = run_id and l.queue = 'pgherald' and l.status = 'running';
  return found;
end
$$;
comment on function pgherald.return_run(uuid) is 'pgherald: gives an unfinished run back';
revoke execute on function pgherald.return_run(uuid) from public, anon, authenticated, service_role;

-- After finishing, failing or giving back.
create or replace function pgherald.end_run(job text) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform pg_advisory_unlock(pgherald.job_lock_key(job));
  perform set_config('statement_timeout', '1min', false);
end
$$;
comment on function pgherald.end_run(text) is 'pgherald: lets go of a job';
revoke execute on function pgherald.end_run(text) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- what operators ask for

-- A run now, whether it is due, enabled or waiting for another attempt. The id of the open run.
create or replace function pgherald.enqueue_run(job text) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  attempts_allowed int;
  run_id uuid;
begin
  select j.max_attempts into attempts_allowed from pgherald.jobs j where j.name = job;
  if not found then
    raise exception 'there is no job "%"', job using errcode = 'no_data_found',
      hint = 'There are: ' || (select string_agg(j.name, ', ' order by j.name) from pgherald.jobs j);
  end if;
  -- Looked for first: an insert would wait for whoever is just writing the open run. One may come or
  -- end between the statements.
  while run_id is null loop
    select l.id into run_id from public.job_logs l
    where l.queue = 'pgherald' and l.job_type = job and l.status in ('pending', 'running');
    if found then
      update public.job_logs l set scheduled_at = now()
      where l.id = run_id and l.status = 'pending' and l.scheduled_at > now();
    else
      insert into public.job_logs (job_type, queue, max_attempts, priority)
      values (job, 'pgherald', attempts_allowed, 10)
      on conflict (job_type) where queue = 'pgherald' and status in ('pending', 'running') do nothing
      returning id into run_id;
    end if;
  end loop;
  return run_id;
end
$$;
comment on function pgherald.enqueue_run(text) is 'pgherald: a run of a job, now';
revoke execute on function pgherald.enqueue_run(text) from public, anon, authenticated, service_role;

create or replace function pgherald.enable_job(job text, enable boolean) returns void
language plpgsql
set search_path = ''
as $$
begin
  update pgherald.jobs j set is_enabled = enable where j.name = job;
  if not found then
    raise exception 'there is no job "%"', job using errcode = 'no_data_found',
      hint = 'There are: ' || (select string_agg(j.name, ', ' order by j.name) from pgherald.jobs j);
  end if;
  if not enable then
    update public.job_logs l set status = 'cancelled', finished_at = clock_timestamp()
    where l.queue = 'pgherald' and l.job_type = job and l.status = 'pending';
  end if;
end
$$;
comment on function pgherald.enable_job(text, boolean) is 'pgherald: whether a job is run by itself; disabled, it does not wait for another attempt either';
revoke execute on function pgherald.enable_job(text, boolean) from public, anon, authenticated, service_role;
