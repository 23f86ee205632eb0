-- pgherald: set=core

-- What the plugin pgoutput needs: publications that hold every table that is followed, from the
-- commit on that makes it. Two of them, since a published UPDATE of a table without a replica
-- identity would fail: such a table goes into `<name>_inserts`, which publishes new rows and
-- TRUNCATE. `pgherald init` fills this in for a slot of pgoutput.
create table if not exists pgherald.publications (
  name text primary key,
  schemas text[] not null,
  further text[] not null default '{}',
  constraint publications_name_check check (name <> '' and octet_length(name) <= 55)
);
comment on table pgherald.publications is 'pgherald: which tables the publications hold that pgoutput reads';
comment on column pgherald.publications.schemas is 'whose tables are followed';
comment on column pgherald.publications.further is 'tables of other schemas, as schema.table';
revoke all on pgherald.publications from public, anon, authenticated, service_role;

-- The tables that the publications of that name are to hold, and how: `whole` or `inserts`, or not
-- at all; `reason` says what is missing then. A partitioned table stands for its partitions, also
-- those to come, if all of them have a replica identity; else those that have one stand beside it.
create or replace function pgherald.published_tables(publication text)
returns table (relation regclass, held text, reason text)
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
    where c.relkind = 'r'
  ), candidate as (
    select c.oid, c.relispartition, c.relowner, c.relpersistence,
      pg_catalog.pg_has_role(c.relowner, 'usage') as ours,
      case c.relkind
        when 'r' then i.present
        else not exists (
          select 1
          from pg_catalog.pg_partition_tree(c.oid) t
          join identity leaf on leaf.relid = t.relid
          where not leaf.present)
      end as identified
    from pgherald.publications p
    join pg_catalog.pg_namespace n on true
    join pg_catalog.pg_class c on c.relnamespace = n.oid
    left join identity i on i.relid = c.oid
    where p.name = published_tables.publication
      and c.relkind in ('r', 'p')
      and (n.nspname = any (p.schemas) or n.nspname || '.' || c.relname = any (p.further))
      and not (n.nspname = 'pgherald' and c.relname not in ('audit_policies', 'jobs', 'store_marks'))
      and not (n.nspname = 'public' and c.relname in ('audit_logs', 'webhook_deliveries', 'webhook_attempts'))
  )
  select c.oid::regclass,
    case when c.relpersistence = 'p' and c.ours then case when c.identified then 'whole' else 'inserts' end end,
    case
      when c.relpersistence <> 'p' then 'unlogged: its changes are not in the WAL'
      when not c.ours then format('owned by %s: only the owner can publish it', c.relowner::regrole)
      when not c.identified then 'no replica identity: its UPDATEs and DELETEs are not seen'
    end
  from candidate c
  where not (c.relispartition and exists (
    select 1
    from pg_catalog.pg_partition_ancestors(c.oid) a
    join candidate above on above.oid = a.relid
    where above.oid <> c.oid and above.ours and (above.identified or not c.identified)))
  order by c.oid::regclass::text
$$;
comment on function pgherald.published_tables(text) is 'pgherald: which tables pgoutput''s publications hold, and which not';
revoke execute on function pgherald.published_tables(text) from public, anon, authenticated, service_role;

-- One publication that publishes these operations of exactly these tables. Only what differs is
-- changed: every table that is named is locked against VACUUM and DDL until the commit.
create or replace function pgherald.set_publication(name text, operations text, tables oid[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  found record;
  difference record;
begin
  select p.oid, p.pubviaroot, p.puballtables, concat_ws(', ', case when p.pubinsert then 'insert' end,
      case when p.pubupdate then 'update' end, case when p.pubdelete then 'delete' end,
      case when p.pubtruncate then 'truncate' end) as operations
  into found
  from pg_catalog.pg_publication p
  where p.pubname = set_publication.name;

  if found.oid is null then
    -- from PostgreSQL 18 on the values of generated columns can be published
    execute format('create publication %I with (publish = %L%s)', name, operations,
      case when current_setting('server_version_num')::int >= 180000 then ', publish_generated_columns = stored' else '' end);
    execute format('comment on publication %I is %L', name, 'pgherald: the tables that it watches');
    select p.oid into found.oid from pg_catalog.pg_publication p where p.pubname = set_publication.name;
  elsif coalesce(obj_description(found.oid, 'pg_publication'), '') not like 'pgherald:%' or found.puballtables then
    raise exception 'publication % was not made by pgherald and is left as it is', quote_ident(name)
      using hint = format('Name another publication in the configuration, or drop this one: drop publication %I', name);
  elsif found.operations <> operations or found.pubviaroot then
    execute format('alter publication %I set (publish = %L, publish_via_partition_root = false)', name, operations);
  end if;

  for difference in
    select coalesce(w.oid, r.prrelid)::regclass as relation, w.oid is not null as wanted
    from unnest(tables) as w (oid)
    full join (
      select prrelid, (prqual is not null or prattrs is not null) as partial
      from pg_catalog.pg_publication_rel
      where prpubid = found.oid) r on r.prrelid = w.oid and not r.partial
    where w.oid is null or r.prrelid is null
    order by w.oid is not null
  loop
    execute format('alter publication %I %s table only %s', name,
      case when difference.wanted then 'add' else 'drop' end, difference.relation);
  end loop;
end
$$;
comment on function pgherald.set_publication(text, text, oid[]) is 'pgherald: makes a publication hold these tables';
revoke execute on function pgherald.set_publication(text, text, oid[]) from public, anon, authenticated, service_role;

-- Brings both publications of that name up to date.
create or replace function pgherald.publish_tables(publication text) returns void
language plpgsql
set search_path = ''
as $$
declare
  whole oid[];
  inserts oid[];
begin
  perform pg_advisory_xact_lock(hashtextextended('pgherald.refresh_publication', 0));
  select coalesce(array_agg(t.relation::oid) filter (where t.held = 'whole'), '{}'),
    coalesce(array_agg(t.relation::oid) filter (where t.held = 'inserts'), '{}')
  into whole, inserts
  from pgherald.published_tables(publication) t;
  perform pgherald.set_publication(publication, 'insert, update, delete, truncate', whole);
  perform pgherald.set_publication(publication || '_inserts', 'insert, truncate', inserts);
end
$$;
comment on function pgherald.publish_tables(text) is 'pgherald: brings pgoutput''s publications up to date';
revoke execute on function pgherald.publish_tables(text) from public, anon, authenticated, service_role;

-- In the transaction of the DDL, so that a table is published from its first row on. What goes wrong
-- here must not make the project's DDL fail: `pgherald doctor` and the daemon's log tell of it too.
create or replace function pgherald.publish_after_ddl() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  item record;
begin
  if tg_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') and not exists (
    select 1
    from pg_catalog.pg_event_trigger_ddl_commands() d
    join pgherald.publications p
      on d.schema_name = any (p.schemas) or d.object_identity = any (p.further))
  then
    return;
  end if;
  for item in select p.name from pgherald.publications p order by p.name loop
    begin
      perform pgherald.publish_tables(item.name);
    exception when others then
      raise warning 'pgherald: publication % could not be brought up to date: %', item.name, sqlerrm
        using hint = 'Changes of new tables are not seen before `pgherald init` has been run.';
    end;
  end loop;
end
$$;
comment on function pgherald.publish_after_ddl() is 'pgherald: publishes a table in the transaction that makes it';
revoke execute on function pgherald.publish_after_ddl() from public, anon, authenticated, service_role;

-- What `pgherald init` asks for: these tables are followed from now on. The event trigger takes a
-- superuser; without one, tables are published when init runs and when the daemon starts.
create or replace function pgherald.follow_tables(publication text, schemas text[], further text[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into pgherald.publications as p (name, schemas, further)
  values (publication, follow_tables.schemas, follow_tables.further)
  on conflict (name) do update set schemas = excluded.schemas, further = excluded.further
  where (p.schemas, p.further) is distinct from (excluded.schemas, excluded.further);
  perform pgherald.publish_tables(publication);
  if exists (select 1 from pg_catalog.pg_event_trigger e where e.evtname = 'pgherald_publications') then
    return;
  end if;
  begin
    create event trigger pgherald_publications on ddl_command_end
      when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE SCHEMA', 'ALTER SCHEMA', 'DROP INDEX')
      execute function pgherald.publish_after_ddl();
    comment on event trigger pgherald_publications is 'pgherald: publishes a table in the transaction that makes it';
  exception when insufficient_privilege then
    null;  -- `pgherald init` and `pgherald doctor` say so
  end;
end
$$;
comment on function pgherald.follow_tables(text, text[], text[]) is 'pgherald: which tables pgoutput''s publications hold from now on';
revoke execute on function pgherald.follow_tables(text, text[], text[]) from public, anon, authenticated, service_role;

-- A slot keeps its plugin, so changing the plugin takes another slot. This lets the new one go on
-- exactly where the old one stopped: its daemon skips what the old one's has stored.
create or replace function pgherald.hand_over(old_slot text, new_slot text) returns void
language plpgsql
set search_path = ''
as $$
declare
  old record;
  new record;
begin
  select * into old from pg_catalog.pg_replication_slots s where s.slot_name = old_slot and s.database = current_database();
  select * into new from pg_catalog.pg_replication_slots s where s.slot_name = new_slot and s.database = current_database();
  if old.slot_name is null or new.slot_name is null then
    raise exception 'there is no slot % in this database', case when old.slot_name is null then old_slot else new_slot end;
  elsif old.active or new.active then
    raise exception 'slot % is in use', case when old.active then old_slot else new_slot end
      using hint = 'Stop the daemon (pgherald run), then run this again.';
  elsif old.confirmed_flush_lsn < new.confirmed_flush_lsn then
    raise exception 'slot % begins at %, and what is before that is not stored yet: slot % is at %',
      new_slot, new.confirmed_flush_lsn, old_slot, old.confirmed_flush_lsn
      using hint = format('Start the daemon with slot %s once more; it may be stopped as soon as it has passed that point.', old_slot);
  elsif exists (select 1 from pgherald.checkpoints c where c.slot_name = new_slot) then
    raise exception 'slot % was read already', new_slot;
  end if;
  insert into pgherald.checkpoints (slot_name, commit_lsn, end_lsn, commit_time)
  select new_slot, c.commit_lsn, c.end_lsn, c.commit_time from pgherald.checkpoints c where c.slot_name = old_slot;
  if not found then
    raise exception 'slot % was never read: use the new one as it is', old_slot;
  end if;
  delete from pgherald.rules r where r.slot_name = new_slot;
  insert into pgherald.rules (slot_name, kind, id, row)
  select new_slot, r.kind, r.id, r.row from pgherald.rules r where r.slot_name = old_slot;
end
$$;
comment on function pgherald.hand_over(text, text) is 'pgherald: a new slot goes on where an old one stopped';
revoke execute on function pgherald.hand_over(text, text) from public, anon, authenticated, service_role;
