-- Takes the sidecar out of a database, with everything in its tables: webhooks and their
-- deliveries, notifications and rules, API keys, job logs. Stop the daemon first, then:
--
--   psql -v ON_ERROR_STOP=1 -1 -f sql/uninstall.sql
--
-- The audit trail stays, readable and protected as before. To drop it too:
--
--   PGOPTIONS='-c pgherald.uninstall_audit=drop' psql ...
--
-- It does not touch: tables that were there before pgherald, roles (other databases may use
-- them), and the seed application, which is its database's owner and goes with it.

do $check$
declare
  found text;
begin
  if to_regnamespace('pgherald') is null or to_regclass('pgherald.adopted_tables') is null then
    raise exception 'pgherald is not installed in database %', current_database();
  end if;

  select string_agg(c.oid::regclass::text, ', ' order by c.relname) into found
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace
    and obj_description(c.oid, 'pg_class') like 'pgherald seed:%';
  if found is not null then
    raise exception 'this database holds the whole seed application, not the sidecar alone'
      using detail = found,
        hint = 'Its tables depend on pgherald. Drop the database, or drop these tables first.';
  end if;

  select string_agg(format('trigger %I on %s', t.tgname, t.tgrelid::regclass), ', ') into found
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_proc p on p.oid = t.tgfoid
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  where not t.tgisinternal
    and p.pronamespace = 'pgherald'::regnamespace
    and t.tgname <> 'pgherald_context'
    and c.relnamespace <> 'pgherald'::regnamespace
    and coalesce(obj_description(c.oid, 'pg_class'), '') not like 'pgherald:%';
  if found is not null then
    raise exception 'tables of the project use functions of schema pgherald'
      using detail = found, hint = 'Drop these triggers, or give them a function of your own.';
  end if;

  -- A slot that stays keeps WAL until the disk is full, so it goes, and it cannot while read.
  create temporary table pgherald_slots on commit preserve rows as
  select s.slot_name
  from pg_catalog.pg_replication_slots s
  where s.database = current_database()
    and s.slot_name in (
      select 'pgherald'
      union select slot_name from pgherald.checkpoints
      union select slot_name from pgherald.store_marks);
  select string_agg(s.slot_name, ', ') into found
  from pg_temp.pgherald_slots p
  join pg_catalog.pg_replication_slots s using (slot_name)
  where s.active;
  if found is not null then
    raise exception 'replication slot in use: %', found
      using hint = 'Stop the daemon (pgherald run), then run this again.';
  end if;
end
$check$;

do $uninstall$
declare
  item record;
  ours constant text[] := array(
    select c.relname::text
    from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace
      and obj_description(c.oid, 'pg_class') like 'pgherald:%'
      and not exists (select 1 from pgherald.adopted_tables a where a.name = c.relname)
      and (c.relname <> 'audit_logs' or current_setting('pgherald.uninstall_audit', true) = 'drop'));
begin
  -- before what follows fires it
  drop event trigger if exists pgherald_publications;

  -- from every table, the project's own too
  if to_regproc('pgherald.untrack_all') is not null then
    perform pgherald.untrack_all();
  end if;
  for item in
    select p.pubname from pg_catalog.pg_publication p where obj_description(p.oid, 'pg_publication') like 'pgherald:%'
  loop
    execute format('drop publication %I', item.pubname);
  end loop;

  -- views and functions before the tables whose row types they return
  for item in
    select c.relname from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'v' and c.relname = any (ours)
  loop
    execute format('drop view public.%I', item.relname);
  end loop;
  drop view if exists pgherald.live_api_keys;
  for item in
    select p.oid::regprocedure as signature from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') like 'pgherald:%'
  loop
    execute format('drop function %s', item.signature);
  end loop;

  drop function if exists pgherald.audit_is_held(public.audit_logs);
  drop function if exists pgherald.audit_ocsf(public.audit_logs);
  drop function if exists pgherald.audit_is_about(public.audit_logs, uuid, text[]);

  -- an adopted table keeps its rows and loses our triggers
  for item in
    select t.tgname, t.tgrelid::regclass as relation
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    where not t.tgisinternal
      and p.pronamespace = 'pgherald'::regnamespace
      and c.relnamespace = 'public'::regnamespace
      and c.relname <> all (ours)
  loop
    execute format('drop trigger %I on %s', item.tgname, item.relation);
  end loop;

  -- all at once: among themselves they have foreign keys, and no other leads in from outside
  drop table if exists pgherald.webhook_secrets;
  execute (
    select 'drop table ' || string_agg(format('public.%I', c.relname), ', ')
    from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname = any (ours));

  drop schema pgherald cascade;
  if to_regclass('public.audit_logs') is null then
    drop schema pgherald_audit cascade;
  end if;

  -- messages to topics, where the table is ours, with the policies on it
  if exists (
    select from pg_catalog.pg_class c
    where c.relnamespace = to_regnamespace('realtime') and c.relname = 'messages'
      and obj_description(c.oid, 'pg_class') like 'pgherald:%')
  then
    begin
      drop table realtime.messages;
    exception when dependent_objects_still_exist then
      raise notice 'realtime.messages stays: the project uses it';
    end;
  end if;

  -- auth.uid(), realtime.topic() and their kin, where they are ours and no policy of the project asks
  -- them
  for item in
    select p.oid::regprocedure as signature from pg_catalog.pg_proc p
    where p.pronamespace in (to_regnamespace('auth'), to_regnamespace('realtime')) and obj_description(p.oid, 'pg_proc') like 'pgherald:%'
  loop
    begin
      execute format('drop function %s', item.signature);
    exception when dependent_objects_still_exist then
      raise notice '% stays: policies use it', item.signature;
    end;
  end loop;
  for item in
    select n.nspname from pg_catalog.pg_namespace n
    where n.nspname in ('auth', 'realtime') and obj_description(n.oid, 'pg_namespace') like 'pgherald:%'
  loop
    begin
      execute format('drop schema %I', item.nspname);
    exception when dependent_objects_still_exist then
      raise notice 'schema % stays: it is not empty', item.nspname;
    end;
  end loop;
end
$uninstall$;

-- Last, because it cannot be rolled back.
select slot_name, pg_drop_replication_slot(slot_name) from pg_temp.pgherald_slots;
drop table pg_temp.pgherald_slots;
