-- pgherald: set=core
--
-- The audit policy of a table holds for the tables below it: the partitions of a partitioned one, and
-- what inherits from it. Rows come under the name of the table that holds them, so each of those gets a
-- row of its own in audit_policies, made here. It travels in the stream like any other. What is
-- below is worked out when a policy changes and, where event triggers may be made, when tables do.
-- docs/audit-retention.md has what that means for who uses it.

alter table pgherald.audit_policies add column if not exists inherited_from text;
comment on column pgherald.audit_policies.inherited_from is 'the table above, of whose policy this is a copy; null: a policy of its own';

-- Of several above the nearest counts. A table with a policy of its own is none of these, and hands on its own.
create or replace function pgherald.policy_heirs() returns table (table_name text, inherited_from text)
language sql stable
set search_path = ''
as $$
  with recursive below as (
    select c.oid, p.table_name as above, 0 as depth
    from pgherald.audit_policies p
    join pg_catalog.pg_class c on c.relkind in ('r', 'p')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname || '.' || c.relname = p.table_name
    where p.inherited_from is null
    union all
    select i.inhrelid, b.above, b.depth + 1
    from below b
    join pg_catalog.pg_inherits i on i.inhparent = b.oid
  ), nearest as (
    select distinct on (b.oid) b.oid, b.above, b.depth
    from below b
    order by b.oid, b.depth, b.above
  )
  select n.nspname || '.' || c.relname, b.above
  from nearest b
  join pg_catalog.pg_class c on c.oid = b.oid and c.relkind = 'r'
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where b.depth > 0
$$;
comment on function pgherald.policy_heirs() is 'pgherald: the tables for which the policy of a table above holds';
revoke execute on function pgherald.policy_heirs() from public, anon, authenticated, service_role;

-- Makes the copies what they should be; says how many were made or taken away. A table that is no
-- longer below keeps its copy, as its own: what it holds has not become less worthy of care.
create or replace function pgherald.inherit_policies() returns int
language plpgsql
security definer
set search_path = ''
as $$
declare
  not_copied constant text[] := '{table_name,inherited_from,hash_secret,created_at,updated_at}';
  taken int;
  made int;
begin
  perform set_config('pgherald.inheriting', 'on', true);
  with heirs as materialized (select h.table_name, h.inherited_from from pgherald.policy_heirs() as h)
  update pgherald.audit_policies p
  set inherited_from = null
  where p.inherited_from is not null
    and p.table_name not in (select h.table_name from heirs h)
    and exists (select from pgherald.audit_policies a where a.table_name = p.inherited_from)
    and exists (
      select from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname || '.' || c.relname = p.table_name);

  with heirs as materialized (select h.table_name, h.inherited_from from pgherald.policy_heirs() as h)
  delete from pgherald.audit_policies p
  where p.inherited_from is not null
    and not exists (
      select from heirs h
      join pgherald.audit_policies a on a.table_name = h.inherited_from
      where h.table_name = p.table_name and to_jsonb(a) - not_copied = to_jsonb(p) - not_copied and h.inherited_from = p.inherited_from);
  get diagnostics taken = row_count;

  insert into pgherald.audit_policies (table_name, inherited_from, is_enabled, redact, ignore, hash, only_if_changed, keep)
  select h.table_name, h.inherited_from, a.is_enabled, a.redact, a.ignore, a.hash, a.only_if_changed, a.keep
  from pgherald.policy_heirs() as h
  join pgherald.audit_policies a on a.table_name = h.inherited_from
  on conflict do nothing;
  get diagnostics made = row_count;
  perform set_config('pgherald.inheriting', '', true);
  return taken + made;
end
$$;
comment on function pgherald.inherit_policies() is 'pgherald: has the audit policy of a table hold for its partitions and for what inherits from it';
revoke execute on function pgherald.inherit_policies() from public, anon, authenticated, service_role;

-- What somebody writes is a policy of the table's own, in place of what it inherited.
create or replace function pgherald.own_policy() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if current_setting('pgherald.inheriting', true) = 'on' then
    return new;
  end if;
  new.inherited_from := null;
  if tg_op = 'INSERT' then
    perform set_config('pgherald.inheriting', 'on', true);
    delete from pgherald.audit_policies p where p.table_name = new.table_name and p.inherited_from is not null;
    perform set_config('pgherald.inheriting', '', true);
  end if;
  return new;
end
$$;
comment on function pgherald.own_policy() is 'pgherald: trigger: who writes the policy of a table makes it the table''s own';
revoke execute on function pgherald.own_policy() from public, anon, authenticated, service_role;
create or replace trigger own_policy before insert or update on pgherald.audit_policies
  for each row execute function pgherald.own_policy();

-- The lock: a table that somebody is attaching meanwhile is not seen yet.
create or replace function pgherald.policies_changed() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if current_setting('pgherald.inheriting', true) is distinct from 'on' then
    perform pg_advisory_xact_lock(hashtextextended('pgherald.audit_policies', 0));
    perform pgherald.inherit_policies();
  end if;
  return null;
end
$$;
comment on function pgherald.policies_changed() is 'pgherald: trigger: hands audit policies on to the tables below';
revoke execute on function pgherald.policies_changed() from public, anon, authenticated, service_role;
create or replace trigger hand_on after insert or update or delete or truncate on pgherald.audit_policies
  for each statement execute function pgherald.policies_changed();

-- ---------------------------------------------------------------- when tables change

-- As in 027, and the policies first.
create or replace function pgherald.note_ddl() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  kinds text[];
  names text[];
begin
  -- What a command makes may be below a table that has a policy, and what it renames no longer be.
  if tg_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'ALTER TABLE', 'ALTER SCHEMA') then
    begin
      if exists (select from pg_event_trigger_ddl_commands() d join pg_catalog.pg_inherits i on d.objid in (i.inhrelid, i.inhparent)) then
        perform pg_advisory_xact_lock_shared(hashtextextended('pgherald.audit_policies', 0));
      end if;
      if exists (select from pgherald.audit_policies p where p.table_name not like '%*') then
        perform pgherald.inherit_policies();
      end if;
    exception when others then
      raise warning 'pgherald: audit policies do not hold for the tables below: %', sqlerrm
        using hint = 'select pgherald.inherit_policies();';
    end;
  end if;

  with commands as (
    select lower(d.object_type) as kind, d.object_identity as name, d.command_tag = tg_tag or tg_tag = 'CREATE SCHEMA' as is_named
    from pg_event_trigger_ddl_commands() as d
    where d.schema_name is distinct from 'pg_temp' and not d.in_extension
  )
  select array_agg(c.kind), array_agg(c.name)
  into kinds, names
  from (
    select distinct kind, name
    from commands
    where is_named or not exists (select from commands where is_named)
    order by 1, 2
  ) as c;
  if kinds is not null then
    perform pgherald.emit_schema_change(tg_tag, kinds, names);
  end if;
exception when others then
  raise warning 'pgherald: % is no entry of the audit trail: %', tg_tag, sqlerrm;
end
$$;
comment on function pgherald.note_ddl() is 'pgherald: event trigger: what was made or changed in the schema';
revoke execute on function pgherald.note_ddl() from public, anon, authenticated, service_role;

create or replace function pgherald.note_drop() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  kinds text[];
  names text[];
  cascaded boolean[];
begin
  begin
    if exists (select from pgherald.audit_policies p where p.inherited_from is not null) then
      perform pgherald.inherit_policies();
    end if;
  exception when undefined_table or undefined_function then
    null; -- pgherald itself is dropped
  end;
  select array_agg(o.object_type), array_agg(o.object_identity), array_agg(not o.original)
  into kinds, names, cascaded
  from (
    select d.object_type, d.object_identity, d.original
    from pg_event_trigger_dropped_objects() as d
    where not d.is_temporary
      and ((d.original and tg_tag like 'DROP %')
        or d.object_type in ('table', 'view', 'materialized view', 'foreign table')
        or (tg_tag <> 'DROP EXTENSION' and d.object_type in ('function', 'procedure', 'policy', 'trigger')))
    order by d.original desc, d.object_type, d.object_identity
  ) as o;
  if kinds is not null then
    perform pgherald.emit_schema_change(tg_tag, kinds, names, cascaded);
  end if;
exception when others then
  raise warning 'pgherald: % is no entry of the audit trail: %', tg_tag, sqlerrm;
end
$$;
comment on function pgherald.note_drop() is 'pgherald: event trigger: what was dropped of the schema';
revoke execute on function pgherald.note_drop() from public, anon, authenticated, service_role;

-- Those that were made before this.
select pgherald.inherit_policies();
