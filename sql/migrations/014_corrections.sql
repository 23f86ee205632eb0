-- pgherald: set=core
--
-- What experience with 000 to 009 has asked for. Each part says what could go wrong before it.

-- ---------------------------------------------------------------- rights that nobody was meant to have

-- Default privileges that are not bound to a schema also reach the schemas, functions and
-- sequences that pgherald makes. Of sequences that is Supabase's case: setval() on one could
-- make the daemon's inserts collide.
revoke all on schema pgherald, pgherald_audit from public, anon, authenticated, service_role;
revoke all on all tables in schema pgherald, pgherald_audit from public, anon, authenticated, service_role;
do $rights$
declare
  f record;
  s record;
begin
  if obj_description(to_regnamespace('auth'), 'pg_namespace') like 'pgherald:%' then
    revoke create on schema auth from public, anon, authenticated, service_role;
  end if;

  -- All but the one that policies call with the client's rights.
  for f in
    select p.oid::regprocedure as signature
    from pg_catalog.pg_proc p
    where p.pronamespace in ('pgherald'::regnamespace, 'pgherald_audit'::regnamespace)
      and p.proname <> 'joined_meetings'
  loop
    execute format('revoke execute on function %s from public, anon, authenticated, service_role', f.signature);
  end loop;
  if to_regprocedure('pgherald.joined_meetings()') is not null then
    revoke execute on function pgherald.joined_meetings() from public, anon, service_role;
  end if;

  for s in
    select pg_get_serial_sequence(t.name, 'id') as name
    from (values ('public.audit_logs'), ('public.webhook_deliveries')) as t (name)
  loop
    if s.name is not null then
      execute format('revoke all on sequence %s from public, anon, authenticated, service_role', s.name);
      -- whoever may insert may also take a number
      execute format('grant usage on sequence %s to service_role', s.name);
    end if;
  end loop;
end
$rights$;

-- As in 003, and each partition loses what default privileges give: by its own name it has no
-- row level security.
create or replace function pgherald.ensure_audit_partitions(ahead int default 3) returns int
language plpgsql
security definer
set search_path = ''
set timezone = 'UTC'
set lock_timeout = 0
as $$
declare
  month timestamptz := date_trunc('month', now());
  partition text;
  door constant text := coalesce(current_setting('pgherald.audit_maintenance', true), '');
  moved bigint;
  made int := 0;
begin
  if ahead is null or ahead not between 0 and 120 then
    raise exception 'ensure_audit_partitions: ahead must be 0 to 120 months, not %', ahead;
  end if;
  -- Two daemons that start together must not race for the same partition.
  perform pg_advisory_xact_lock(hashtextextended('pgherald.ensure_audit_partitions', 0));

  -- Attaching locks the default partition, and so waits for whoever reads the whole trail,
  -- with every later reader queued behind. Better to give up soon: what is missing is made
  -- the next time, and until then the default partition takes the rows.
  perform set_config('lock_timeout', '3s', true);

  for i in 0 .. ahead loop
    partition := 'audit_logs_' || to_char(month, 'YYYY_MM');
    if to_regclass(format('pgherald_audit.%I', partition)) is null then
      begin
        -- Made apart and attached, because CREATE ... PARTITION OF would lock the whole trail.
        execute format('create table pgherald_audit.%I (like public.audit_logs including defaults including storage including compression)', partition);
        execute format('revoke all on pgherald_audit.%I from public, anon, authenticated, service_role', partition);

        -- While this month had no partition its rows went to the default one, and nothing
        -- can be attached as long as they are there. Locked before it is looked at: rows may
        -- be on their way.
        lock table pgherald_audit.audit_logs_default in access exclusive mode;
        if exists (
          select 1 from pgherald_audit.audit_logs_default
          where occurred_at >= month and occurred_at < month + interval '1 month'
        ) then
          perform set_config('pgherald.audit_maintenance', 'on', true);
          execute format(
            'with late as (
               delete from pgherald_audit.audit_logs_default
               where occurred_at >= $1 and occurred_at < $2
               returning *
             )
             insert into pgherald_audit.%I select * from late', partition)
          using month, month + interval '1 month';
          get diagnostics moved = row_count;
          perform set_config('pgherald.audit_maintenance', door, true);
          raise notice 'moved % row(s) from the default partition to pgherald_audit.%', moved, partition;
        end if;

        execute format('alter table public.audit_logs attach partition pgherald_audit.%I for values from (%L) to (%L)',
          partition, month, month + interval '1 month');
        execute format('create trigger refuse_truncate before truncate on pgherald_audit.%I
          for each statement execute function pgherald_audit.refuse_change()', partition);
        made := made + 1;
      exception when lock_not_available then
        raise warning 'pgherald_audit.% is not made now: the audit trail is in use', partition
          using hint = 'Its rows go to audit_logs_default and move when ensure_audit_partitions() runs again.';
        exit;
      end;
    end if;
    month := month + interval '1 month';
  end loop;
  return made;
end
$$;

-- ---------------------------------------------------------------- indexes whose name was taken

-- A table of the project's that was renamed to make room keeps the names of its indexes, and
-- `create index if not exists` is content with a name. Without the unique one there is no
-- dedupe.
do $indexes$
declare
  wanted record;
begin
  for wanted in
    select *
    from (values
      ('audit_logs_occurred_at_brin', 'audit_logs', '', 'using brin (occurred_at) with (pages_per_range = 32, autosummarize = on)'),
      ('audit_logs_resource_idx', 'audit_logs', '', '(resource_type, resource_id, occurred_at)'),
      ('audit_logs_user_idx', 'audit_logs', '', '(user_id, occurred_at) where user_id is not null'),
      ('notifications_user_idx', 'notifications', '', '(user_id, created_at desc)'),
      ('notifications_unread_idx', 'notifications', '', '(user_id) include (expires_at) where not is_read and archived_at is null'),
      ('notifications_dedupe_idx', 'notifications', 'unique', '(user_id, dedupe_key) where dedupe_key is not null'),
      ('notifications_expires_idx', 'notifications', '', '(expires_at) where expires_at is not null'),
      ('webhooks_user_idx', 'webhooks', '', '(user_id)'),
      ('api_keys_user_idx', 'api_keys', '', '(user_id, created_at desc)'),
      ('job_logs_user_idx', 'job_logs', '', '(user_id, created_at desc)'),
      ('job_logs_type_status_idx', 'job_logs', '', '(job_type, status, created_at desc)'),
      ('job_logs_ready_idx', 'job_logs', '', '(queue, priority desc, scheduled_at) where status = ''pending'''),
      ('job_logs_finished_idx', 'job_logs', '', '(finished_at) where finished_at is not null'),
      ('webhook_deliveries_pending_idx', 'webhook_deliveries', '', '(webhook_id, next_attempt_at) where status = ''pending'''),
      ('webhook_deliveries_webhook_idx', 'webhook_deliveries', '', '(webhook_id, created_at desc)')
    ) as t (name, relation, uniqueness, definition)
    where not exists (
      select 1
      from pg_catalog.pg_index i
      where i.indrelid = to_regclass('public.' || t.relation) and i.indexrelid = to_regclass('public.' || t.name))
  loop
    raise notice 'index name % is taken, so pgherald_% is made', wanted.name, wanted.name;
    execute format('create %s index if not exists %I on public.%I %s', wanted.uniqueness,
      'pgherald_' || wanted.name, wanted.relation, wanted.definition);
  end loop;
end
$indexes$;

-- ---------------------------------------------------------------- policies that read whole tables

-- An EXISTS about the parent is asked for every row of the table. An array is computed once a
-- query, and looked up in the index of the child.
drop policy if exists webhook_deliveries_owner_select on public.webhook_deliveries;
create policy webhook_deliveries_owner_select on public.webhook_deliveries
  for select to authenticated using (webhook_id = any (array(
    select w.id from public.webhooks w where w.user_id = (select auth.uid()))));
drop policy if exists api_key_usage_owner_select on public.api_key_usage;
create policy api_key_usage_owner_select on public.api_key_usage
  for select to authenticated using (api_key_id = any (array(
    select k.id from public.api_keys k where k.user_id = (select auth.uid()))));

-- ---------------------------------------------------------------- notifications

-- When a row changed last: an inbox that was away asks for what is newer. Not in a table that
-- was the project's before.
do $updated$
begin
  if exists (select 1 from pgherald.adopted_tables where name = 'notifications') then
    return;
  end if;
  alter table public.notifications add column if not exists updated_at timestamptz not null default now();
  create or replace trigger set_updated_at before update on public.notifications
    for each row execute function pgherald.set_updated_at();
end
$updated$;

-- A dedupe key that no index row can hold becomes its digest: a template may make one of a
-- whole text. And a notification that has expired holds its key no longer, whether or not it
-- has been cleaned up. A trigger, so that rules and applications are treated alike;
-- create_notification() knows the digest.
create or replace function pgherald.free_dedupe_key() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if octet_length(new.dedupe_key) > 1000 then
    new.dedupe_key := 'sha256:' || encode(sha256(convert_to(new.dedupe_key, 'UTF8')), 'hex');
  end if;
  delete from public.notifications
  where user_id = new.user_id and dedupe_key = new.dedupe_key and expires_at <= now();
  return new;
end
$$;
comment on function pgherald.free_dedupe_key() is 'pgherald: trigger that bounds dedupe keys and frees those of expired notifications';
revoke all on function pgherald.free_dedupe_key() from public, anon, authenticated, service_role;
create or replace trigger free_dedupe_key before insert on public.notifications
  for each row when (new.dedupe_key is not null) execute function pgherald.free_dedupe_key();

create or replace function public.create_notification(
  p_user_id uuid,
  p_title text,
  p_message text default null,
  p_type text default null,
  p_priority text default 'medium',
  p_data jsonb default '{}',
  p_expires_at timestamptz default null,
  p_dedupe_key text default null
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  -- as the trigger free_dedupe_key stores it
  stored_key constant text := case when octet_length(p_dedupe_key) > 1000
    then 'sha256:' || encode(sha256(convert_to(p_dedupe_key, 'UTF8')), 'hex') else p_dedupe_key end;
  notification_id uuid;
begin
  insert into public.notifications (user_id, title, message, type, priority, data, expires_at, dedupe_key)
  values (p_user_id, p_title, p_message, p_type, coalesce(p_priority, 'medium'), coalesce(p_data, '{}'), p_expires_at, stored_key)
  on conflict (user_id, dedupe_key) where dedupe_key is not null do nothing
  returning id into notification_id;

  -- a second statement has a new snapshot: it sees the row that another session won with
  if notification_id is null and stored_key is not null then
    select id into notification_id
    from public.notifications
    where user_id = p_user_id and dedupe_key = stored_key;
  end if;
  return notification_id;
end
$$;

-- The notifications of a batch. One that the table refuses (a trigger or constraint of the
-- project's, a date beyond the calendar) is left out and counted: it must not hold up the audit
-- trail for good. What is no fault of the row (a deadlock, a full disk) fails the batch, which is
-- tried again.
create or replace function pgherald.store_notifications(
  batch jsonb,
  out refused bigint,
  out reason text
)
language plpgsql
set search_path = ''
as $$
declare
  item jsonb;
begin
  refused := 0;
  begin
    perform pgherald.insert_notifications(batch);
    return;
  exception when others then
    if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
      raise;
    end if;
  end;
  for item in select v from pg_catalog.jsonb_array_elements(batch) as v loop
    begin
      perform pgherald.insert_notifications(pg_catalog.jsonb_build_array(item));
    exception when others then
      if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
        raise;
      end if;
      refused := refused + 1;
      reason := coalesce(reason, pg_catalog.format('rule %s: %s (SQLSTATE %s)', item ->> 'rule_id', sqlerrm, sqlstate));
    end;
  end loop;
end
$$;
comment on function pgherald.store_notifications(jsonb) is 'pgherald: the notifications of a batch; how many the table refused, and why the first';
revoke all on function pgherald.store_notifications(jsonb) from public, anon, authenticated, service_role;

-- [{user_id, rule_id, type, title, message, priority, data, expires_in, dedupe_key}]; one that says
-- again what its dedupe key has said is left out.
create or replace function pgherald.insert_notifications(batch jsonb) returns void
language sql
set search_path = ''
as $$
  insert into public.notifications
    (user_id, rule_id, type, title, message, priority, data, expires_at, dedupe_key)
  select n.user_id, n.rule_id, n.type, n.title, n.message, n.priority, n.data,
    now() + n.expires_in::interval, n.dedupe_key
  from pg_catalog.jsonb_to_recordset(batch) as n
    (user_id uuid, rule_id uuid, type text, title text, message text, priority text, data jsonb,
     expires_in text, dedupe_key text)
  on conflict do nothing
$$;
comment on function pgherald.insert_notifications(jsonb) is 'pgherald: inserts notifications, without those said already';
revoke all on function pgherald.insert_notifications(jsonb) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- audit policies

-- pgherald.rules keeps them by this name, beside a slot's: a longer one than any table has
-- could be stored here and not there, and the daemon's batch with it.
do $policies$
begin
  if not exists (
    select 1 from pg_catalog.pg_constraint
    where conrelid = 'pgherald.audit_policies'::regclass and conname = 'audit_policies_table_name_length_check'
  ) then
    alter table pgherald.audit_policies add constraint audit_policies_table_name_length_check
      check (octet_length(table_name) <= 255) not valid;
  end if;
end
$policies$;

-- ---------------------------------------------------------------- with the seed application

do $seed$
begin
  if coalesce(current_setting('pgherald.seed_app', true), '') = 'off' then
    return;
  end if;

  -- Notifications have no foreign key to users; the inbox of an account that is deleted goes
  -- all the same.
  create or replace function pgherald.delete_user_notifications() returns trigger
  language plpgsql
  security definer
  set search_path = ''
  as $$
  begin
    delete from public.notifications where user_id = old.id;
    return null;
  end
  $$;
  comment on function pgherald.delete_user_notifications() is 'pgherald: trigger that clears the inbox of a deleted user';
  revoke all on function pgherald.delete_user_notifications() from public, anon, authenticated, service_role;
  create or replace trigger delete_notifications after delete on public.users
    for each row execute function pgherald.delete_user_notifications();

  -- As in 001, but whatever users may say to the new row (a column of the project's that must
  -- not be null, a trigger), the sign-up goes on.
  if to_regclass('auth.users') is not null then
    create or replace function pgherald.mirror_auth_user() returns trigger
    language plpgsql
    security definer
    set search_path = ''
    as $$
    begin
      insert into public.users (id, email, full_name, avatar_url, last_sign_in_at)
      values (new.id, new.email, new.raw_user_meta_data ->> 'full_name',
        new.raw_user_meta_data ->> 'avatar_url', new.last_sign_in_at)
      on conflict (id) do update
        set email = excluded.email, last_sign_in_at = excluded.last_sign_in_at;
      return null;
    exception when others then
      -- An address that another row still holds, or one that we would not accept: the account
      -- comes without it.
      raise warning 'users: % is mirrored without its e-mail address: %', new.id, sqlerrm;
      begin
        insert into public.users (id) values (new.id) on conflict (id) do nothing;
      exception when others then
        raise warning 'users: % is not mirrored: %', new.id, sqlerrm;
      end;
      return null;
    end
    $$;
  end if;

  -- As in 002, but nothing is near what is not a number: PostgreSQL holds NaN for greater than any
  -- threshold, and so it was nearest of all. pgvector takes no such embedding in the first place.
  if (select a.atttypid from pg_catalog.pg_attribute a
    where a.attrelid = 'public.memories'::regclass and a.attname = 'embedding') = 'real[]'::regtype
  then
    create or replace function public.match_memories(
      query_embedding real[],
      match_threshold double precision default 0.7,
      match_count int default 10,
      filter_user_id uuid default null
    ) returns table (
      id uuid, user_id uuid, title text, content text, memory_type text,
      metadata jsonb, created_at timestamptz, similarity double precision
    )
    language plpgsql stable
    set search_path = ''
    as $body$
    #variable_conflict use_column
    declare
      query_norm constant double precision := (select sqrt(sum(q::double precision * q)) from unnest(query_embedding) as q);
    begin
      -- as pgvector would say it
      if cardinality(query_embedding) <> 1536 then
        raise exception 'different vector dimensions 1536 and %', cardinality(query_embedding)
          using errcode = 'data_exception';
      end if;
      if query_norm >= 'Infinity' then
        raise exception 'NaN and infinite values are not allowed in vector' using errcode = 'data_exception';
      end if;
      return query
        select m.id, m.user_id, m.title, m.content, m.memory_type, m.metadata, m.created_at,
          least(1, greatest(-1, s.cosine))  -- rounding may have gone a hair beyond
        from public.memories m
        cross join lateral (
          -- no neighbour of a zero vector, instead of a division by zero
          select sum(a::double precision * q) / nullif(sqrt(sum(a::double precision * a)) * query_norm, 0) as cosine
          from unnest(m.embedding, query_embedding) as pair (a, q)
        ) as s
        where m.embedding is not null
          and not m.is_archived
          and (filter_user_id is null or m.user_id = filter_user_id)
          and s.cosine >= match_threshold
          and s.cosine < 'NaN'
        order by s.cosine desc
        limit least(match_count, 1000);
    end
    $body$;
  end if;
end
$seed$;
