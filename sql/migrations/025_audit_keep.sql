-- pgherald: set=core
--
-- How long the audit trail is kept, what must not go, and what must. docs/audit-retention.md tells the
-- whole story.

-- ---------------------------------------------------------------- legal hold

-- All conditions of a hold have to be met; null asks nothing. It is lifted by a time, not by deleting
-- the row: that there was one is part of the record.
create table if not exists pgherald.audit_holds (
  id bigint generated always as identity primary key,
  reason text not null,
  table_name text,
  user_id uuid,
  key_pattern text,
  since timestamptz,
  until timestamptz,
  created_at timestamptz not null default now(),
  created_by text not null default session_user,
  released_at timestamptz,
  constraint audit_holds_reason_check check (reason <> ''),
  constraint audit_holds_table_name_check check (table_name = '*' or table_name ~ '^.+\..+$')
);
comment on table pgherald.audit_holds is 'pgherald: entries of the audit trail that neither retention nor erasure may touch';
comment on column pgherald.audit_holds.table_name is 'schema.table, schema.* or *; null: all';
comment on column pgherald.audit_holds.user_id is 'who did it, or whom the row is about';
comment on column pgherald.audit_holds.key_pattern is 'a LIKE pattern of resource_id';
revoke all on pgherald.audit_holds from public, anon, authenticated, service_role;

-- Who put something on hold, and who lifted it, is in the trail by the same transaction.
create or replace function pgherald.note_hold() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.audit_logs (xid, action, resource_type, resource_id, old_values, new_values, context)
  values (pg_current_xact_id()::xid::text::bigint, 'hold_' || lower(tg_op), 'pgherald.audit_holds', coalesce(new.id, old.id)::text,
    to_jsonb(old), to_jsonb(new), jsonb_build_object('source', 'pgherald', 'role', session_user));
  return null;
end
$$;
comment on function pgherald.note_hold() is 'pgherald: trigger that records holds in the audit trail';
revoke all on function pgherald.note_hold() from public, anon, authenticated, service_role;
create or replace trigger note_hold after insert or update or delete on pgherald.audit_holds
  for each row execute function pgherald.note_hold();

-- Whether an entry is about a person: the row with his id, or one with his id in one of the columns.
-- Of a hold it is not: that something of his was kept back has to stay.
create or replace function pgherald.audit_is_about(entry public.audit_logs, person uuid, columns text[] default '{user_id,owner_id}')
returns boolean
language sql stable
set search_path = ''
as $$
  select entry.resource_type <> 'pgherald.audit_holds'
    and (coalesce(person::text in (entry.resource_id, entry.old_resource_id), false)
      or exists (select 1 from unnest(columns) as c where person::text in (entry.old_values ->> c, entry.new_values ->> c)))
$$;
comment on function pgherald.audit_is_about(public.audit_logs, uuid, text[]) is 'pgherald: whether an entry''s row is a person''s';
revoke all on function pgherald.audit_is_about(public.audit_logs, uuid, text[]) from public, anon, authenticated, service_role;

create or replace function pgherald.audit_is_held(entry public.audit_logs) returns boolean
language sql stable
set search_path = ''
as $$
  select exists (
    select 1
    from pgherald.audit_holds h
    where h.released_at is null
      and (h.table_name is null or h.table_name = '*' or h.table_name = entry.resource_type
        or (h.table_name like '%.*' and starts_with(entry.resource_type, left(h.table_name, -1))))
      and (h.user_id is null or h.user_id = entry.user_id or pgherald.audit_is_about(entry, h.user_id))
      and (h.key_pattern is null or entry.resource_id like h.key_pattern)
      and (h.since is null or entry.occurred_at >= h.since)
      and (h.until is null or entry.occurred_at < h.until))
$$;
comment on function pgherald.audit_is_held(public.audit_logs) is 'pgherald: whether a hold keeps an entry';
revoke all on function pgherald.audit_is_held(public.audit_logs) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- retention

-- How long entries of a resource are kept: what the most exact policy says, else the rest's term.
create or replace function pgherald.audit_term(resource text, otherwise interval) returns interval
language sql stable
set search_path = ''
as $$
  select coalesce((
    select p.keep
    from pgherald.audit_policies p
    where p.table_name in (resource, '*')
      or (p.table_name like '%.*' and starts_with(resource, left(p.table_name, -1)))
    order by p.table_name = resource desc, p.table_name <> '*' desc
    limit 1), otherwise)
$$;
comment on function pgherald.audit_term(text, interval) is 'pgherald: how long entries of a resource are kept; null: for ever';
revoke all on function pgherald.audit_term(text, interval) from public, anon, authenticated, service_role;

-- The resources of a partition, each found by one look into the index.
create or replace function pgherald.audit_resources(partition regclass) returns setof text
language plpgsql stable
set search_path = ''
as $$
declare
  resource text := '';
begin
  loop
    execute format('select min(resource_type) from %s where resource_type > $1', partition) into resource using resource;
    exit when resource is null;
    return next resource;
  end loop;
end
$$;
comment on function pgherald.audit_resources(regclass) is 'pgherald: the resources that have entries in a partition';
revoke all on function pgherald.audit_resources(regclass) from public, anon, authenticated, service_role;

-- Months that are over and hold entries past their term: `whole` ones can leave, the others are
-- written anew without what is expired.
create or replace function pgherald.expired_audit_partitions(keep interval)
returns table (partition regclass, since timestamptz, until timestamptz, expired text[], whole boolean)
language plpgsql
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
  shortest constant interval := (select min(t) from (select expired_audit_partitions.keep union all select p.keep from pgherald.audit_policies p) as x (t));
  has_holds constant boolean := exists (select 1 from pgherald.audit_holds where released_at is null);
  resources text[];
  has_more boolean;
begin
  for partition, since, until in
    select c.oid, b.since, b.until
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    cross join lateral (
      select substring(pg_get_expr(c.relpartbound, c.oid) from $re$FROM \('([^']+)'\)$re$)::timestamptz,
        substring(pg_get_expr(c.relpartbound, c.oid) from $re$ TO \('([^']+)'\)$re$)::timestamptz) as b (since, until)
    where i.inhparent = 'public.audit_logs'::regclass
      and c.relnamespace = 'pgherald_audit'::regnamespace
      and b.until <= now() - shortest
    order by b.until
  loop
    resources := array(select pgherald.audit_resources(partition));
    expired := array(select r from unnest(resources) as r where until <= now() - pgherald.audit_term(r, keep));
    whole := cardinality(expired) = cardinality(resources) and (resources <> '{}' or until <= now() - keep);
    if whole and has_holds then
      execute format('select exists (select 1 from %s e where pgherald.audit_is_held(e))', partition) into has_more;
      whole := not has_more;
    end if;
    if not whole then
      -- what is held does not count as expired, so that a month is not written anew each day
      execute format('select exists (select 1 from %s e where e.resource_type = any ($1) and not pgherald.audit_is_held(e))', partition)
      into has_more using expired;
      continue when not has_more;
    end if;
    return next;
  end loop;
end
$$;
comment on function pgherald.expired_audit_partitions(interval) is 'pgherald: partitions with entries past their term';
revoke all on function pgherald.expired_audit_partitions(interval) from public, anon, authenticated, service_role;

-- Takes a partition out of the trail. Kept, it stays as a table of its own that is as hard to change.
create or replace function pgherald.leave_audit_partition(partition regclass, kept_as text default null) returns void
language plpgsql
set search_path = ''
as $$
declare
  name constant text := (select c.relname from pg_catalog.pg_class c where c.oid = partition);
begin
  execute format('alter table public.audit_logs detach partition pgherald_audit.%I', name);
  if kept_as is null then
    execute format('drop table pgherald_audit.%I', name);
    return;
  end if;
  if kept_as <> name then
    execute format('alter table pgherald_audit.%I rename to %I', name, kept_as);
  end if;
  execute format('create or replace trigger refuse_row before update or delete on pgherald_audit.%I
    for each row execute function pgherald_audit.refuse_change()', kept_as);
  execute format('comment on table pgherald_audit.%I is %L', kept_as,
    'pgherald: entries that have left the audit trail; export them and drop the table');
end
$$;
comment on function pgherald.leave_audit_partition(regclass, text) is 'pgherald: detaches a partition of the audit trail, and drops it unless it is kept';
revoke all on function pgherald.leave_audit_partition(regclass, text) from public, anon, authenticated, service_role;

-- Writes a month anew without the entries of the expired resources, but with those that are held, and
-- puts it in the place of the old one: no dead rows, and no mass DELETE. Nobody can add to the month
-- meanwhile; the trail as a whole is locked for the exchange alone. Says how many entries went.
create or replace function pgherald.rewrite_audit_partition(partition regclass, since timestamptz, until timestamptz, expired text[], kept_as text default null)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  name constant text := (select c.relname from pg_catalog.pg_class c where c.oid = partition);
  fresh constant text := name || '_new';
  before bigint;
  after bigint;
begin
  execute format('lock table pgherald_audit.%I in share mode', name);
  execute format('create table pgherald_audit.%I (like public.audit_logs including defaults including storage including compression including indexes)', fresh);
  execute format('insert into pgherald_audit.%I overriding system value select e.* from pgherald_audit.%I e
    where e.resource_type <> all ($1) or pgherald.audit_is_held(e) order by e.occurred_at, e.id', fresh, name) using expired;
  get diagnostics after = row_count;
  execute format('select count(*) from pgherald_audit.%I', name) into before;
  -- so that attaching reads nothing again
  execute format('alter table pgherald_audit.%I add constraint month_check check (occurred_at >= %L and occurred_at < %L)', fresh, since, until);

  perform pgherald.leave_audit_partition(partition, kept_as);
  execute format('alter table pgherald_audit.%I rename to %I', fresh, name);
  execute format('alter table public.audit_logs attach partition pgherald_audit.%I for values from (%L) to (%L)', name, since, until);
  execute format('alter table pgherald_audit.%I drop constraint month_check', name);
  execute format('revoke all on pgherald_audit.%I from public, anon, authenticated, service_role', name);
  execute format('create trigger refuse_truncate before truncate on pgherald_audit.%I
    for each statement execute function pgherald_audit.refuse_change()', name);
  return before - after;
end
$$;
comment on function pgherald.rewrite_audit_partition(regclass, timestamptz, timestamptz, text[], text) is 'pgherald: writes a partition anew without expired entries';
revoke all on function pgherald.rewrite_audit_partition(regclass, timestamptz, timestamptz, text[], text) from public, anon, authenticated, service_role;

-- As in 011, and each table has its own term, holds are respected, and what leaves may be kept as a
-- table. One month a step; what is in the default partition stays.
create or replace function pgherald.job_audit_retention(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
set timezone = 'UTC'
set lock_timeout = '3s'
as $$
declare
  keep constant interval := pgherald.job_interval(settings, 'keep');
  leaving constant text := coalesce(settings ->> 'then', 'drop');
  due record;
  left_over bigint;
  name text;
  gone bigint;
begin
  if leaving not in ('drop', 'detach') then
    raise exception 'the setting "then" is "%"', leaving
      using errcode = 'invalid_parameter_value', hint = 'It is "drop" or "detach".';
  end if;
  select count(*) into left_over from pgherald.expired_audit_partitions(keep);
  figures := coalesce(figures, jsonb_build_object('total', left_over, 'dropped', '[]'::jsonb, 'detached', '[]'::jsonb, 'rewritten', '{}'::jsonb));
  select e.*, c.relname into due
  from pgherald.expired_audit_partitions(keep) e
  join pg_catalog.pg_class c on c.oid = e.partition
  order by e.until
  limit 1;
  if found then
    name := due.relname;
    if due.whole then
      perform pgherald.leave_audit_partition(due.partition, case leaving when 'detach' then name end);
      figures := jsonb_set(figures, array[case leaving when 'detach' then 'detached' else 'dropped' end],
        figures -> case leaving when 'detach' then 'detached' else 'dropped' end || to_jsonb(name));
    else
      gone := pgherald.rewrite_audit_partition(due.partition, due.since, due.until, due.expired,
        case leaving when 'detach' then name || to_char(clock_timestamp(), '"_left_"YYYYMMDD_HH24MISS') end);
      figures := jsonb_set(figures, array['rewritten', name], to_jsonb(gone));
    end if;
    figures := pgherald.add_done(figures, 1);
  else
    figures := pgherald.add_done(figures, 0);
  end if;
  message := case
    when keep is null and not exists (select 1 from pgherald.audit_policies p where p.keep is not null) then 'the audit trail is kept for ever'
    else format('%s of %s old partitions %s', figures ->> 'done', figures ->> 'total', case leaving when 'detach' then 'detached' else 'dropped' end) end;
  is_finished := left_over <= 1;
end
$$;
revoke execute on function pgherald.job_audit_retention(jsonb, int, jsonb) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- erasure of one subject

-- Takes out of the trail what tells of a person, and leaves that something happened: action, time,
-- table, a digest of the key. For the owner of the trail; the door that refuse_change() leaves him is
-- open in this transaction alone. What a hold keeps stays, and is counted.
create or replace function pgherald.erase_subject(subject uuid, reason text, columns text[] default '{user_id,owner_id}')
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  door constant text := coalesce(current_setting('pgherald.audit_maintenance', true), '');
  mark jsonb;
  result jsonb;
  rows_erased bigint;
  actors_erased bigint;
  held bigint;
  mentioned bigint;
begin
  if subject is null or coalesce(reason, '') = '' then
    raise exception 'erase_subject: a subject and a reason are needed' using errcode = 'null_value_not_allowed';
  end if;
  mark := jsonb_build_object('erased', jsonb_build_object('at', now(), 'by', session_user, 'reason', reason));

  perform set_config('pgherald.audit_maintenance', 'on', true);
  update public.audit_logs e
  set old_values = case when e.old_values is not null then '{}'::jsonb end,
      new_values = case when e.new_values is not null then '{}'::jsonb end,
      resource_id = pgherald.audit_hash(e.resource_id),
      old_resource_id = pgherald.audit_hash(e.old_resource_id),
      context = coalesce(e.context, '{}') || mark
  where pgherald.audit_is_about(e, subject, columns) and not pgherald.audit_is_held(e);
  get diagnostics rows_erased = row_count;
  update public.audit_logs e
  set user_id = null, ip_address = null, session_id = null, user_agent = null, context = mark
  where (e.user_id = subject or e.context::text like '%' || subject || '%') and not pgherald.audit_is_held(e);
  get diagnostics actors_erased = row_count;
  perform set_config('pgherald.audit_maintenance', door, true);

  select count(*) filter (where pgherald.audit_is_held(e)), count(*) filter (where not pgherald.audit_is_held(e))
  into held, mentioned
  from public.audit_logs e
  where e.user_id = subject or e.resource_id = subject::text or e.context::text like '%' || subject || '%'
    or e.old_resource_id = subject::text or e.old_values::text like '%' || subject || '%' or e.new_values::text like '%' || subject || '%';
  result := jsonb_build_object('rows_erased', rows_erased, 'actors_erased', actors_erased, 'held', held, 'mentioned', mentioned);
  insert into public.audit_logs (xid, action, resource_type, resource_id, new_values, context)
  values (pg_current_xact_id()::xid::text::bigint, 'erase', 'public.audit_logs', pgherald.audit_hash(subject::text), result,
    jsonb_build_object('source', 'pgherald', 'role', session_user, 'reason', reason));
  return result;
end
$$;
comment on function pgherald.erase_subject(uuid, text, text[]) is 'pgherald: erases a person from the audit trail; what a hold keeps stays';
revoke all on function pgherald.erase_subject(uuid, text, text[]) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- images take less room

-- lz4 makes and reads images several times faster than pglz, at the same size. For entries from now
-- on, where the server has it.
do $compression$
declare
  relation regclass;
begin
  for relation in select t.relid from pg_catalog.pg_partition_tree('public.audit_logs') t loop
    execute format('alter table %s alter old_values set compression lz4, alter new_values set compression lz4, alter context set compression lz4', relation);
  end loop;
exception when feature_not_supported then
  raise notice 'this server has no lz4: images are compressed with pglz';
end
$compression$;
