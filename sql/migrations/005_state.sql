-- pgherald: set=core
--
-- The sidecar's own memory, in schema pgherald: out of reach of anon, authenticated and
-- service_role. One row a slot, because one database may feed several daemons.

-- Which migrations ran. `pgherald init` makes this table with the same statement before it
-- applies the first file.
create table if not exists pgherald.migrations (
  name text primary key,
  checksum text not null,
  seed_app boolean not null,
  applied_at timestamptz not null default now()
);
comment on table pgherald.migrations is 'pgherald: which migrations ran, and with which content';

-- How far the stream has been turned into durable rows. Written in the transaction that
-- holds those rows: that is what makes them exactly-once.
create table if not exists pgherald.checkpoints (
  slot_name text primary key,
  commit_lsn pg_lsn not null,
  end_lsn pg_lsn not null,
  commit_time timestamptz,
  updated_at timestamptz not null default now()
);
comment on table pgherald.checkpoints is 'pgherald: everything up to here is durable';

-- The daemon's copy of the rules as of its checkpoint. A restart must apply to the rest of
-- the stream the rules that held then, not those of today.
create table if not exists pgherald.rules (
  slot_name text not null,
  kind text not null,
  id text not null,
  row jsonb not null,
  primary key (slot_name, kind, id),
  constraint rules_kind_check check (kind in ('webhook', 'notification_rule', 'audit_policy'))
);
comment on table pgherald.rules is 'pgherald: webhooks, rules and policies as of the checkpoint';

-- An update of this row is in every transaction that the daemon writes: seen in the stream,
-- it tells that the transaction is its own.
create table if not exists pgherald.store_marks (
  slot_name text primary key,
  batches bigint not null default 0
);
comment on table pgherald.store_marks is 'pgherald: touched by each of the daemon''s own transactions';

-- One row and one update a batch: without free space on the page each would be a new page.
alter table pgherald.checkpoints set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table pgherald.store_marks set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What the audit trail leaves out. The most exact name wins: schema.table, schema.*, *.
create table if not exists pgherald.audit_policies (
  table_name text primary key,
  is_enabled boolean not null default true,
  redact text[] not null default '{}',
  ignore text[] not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint audit_policies_table_name_check check (table_name = '*' or table_name ~ '^.+\..+$'),
  constraint audit_policies_redact_check check (array_position(redact, null) is null),
  constraint audit_policies_ignore_check check (array_position(ignore, null) is null)
);
comment on table pgherald.audit_policies is 'pgherald: which tables and columns the audit trail holds';
comment on column pgherald.audit_policies.redact is 'columns whose change is recorded but not their value';
comment on column pgherald.audit_policies.ignore is 'columns left out; a change of these alone makes no entry';
alter table pgherald.audit_policies replica identity full;
create or replace trigger set_updated_at before update on pgherald.audit_policies
  for each row execute function pgherald.set_updated_at();

-- On Supabase default privileges may reach further than schema public.
revoke all on all tables in schema pgherald from public, anon, authenticated, service_role;

-- The tables of these schemas, and for each that cannot be published the reason. A published
-- table without a replica identity would make its own UPDATEs and DELETEs fail; so would a
-- partitioned one of whose partitions that is true.
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
    when n.nspname = 'pgherald' and c.relname not in ('audit_policies', 'store_marks')
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
revoke execute on function pgherald.publishable_tables(text[]) from public;

-- Makes the publication list exactly the publishable tables of these schemas. Returns what
-- publishable_tables() says, so that the caller can tell the operator what is missing.
create or replace function pgherald.refresh_publication(publication text, schemas text[])
returns table (relation regclass, reason text)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  pub_oid oid;
  wanted oid[];
begin
  perform pg_advisory_xact_lock(hashtextextended('pgherald.refresh_publication', 0));

  select p.oid into pub_oid from pg_catalog.pg_publication p where p.pubname = publication;
  if pub_oid is not null and coalesce(obj_description(pub_oid, 'pg_publication'), '') not like 'pgherald:%' then
    raise exception 'publication % was not made by pgherald and is left as it is', quote_ident(publication)
      using hint = format('Name another publication in the configuration, or hand this one over: '
        'comment on publication %I is ''pgherald:''', publication);
  end if;

  select coalesce(array_agg(t.relation::oid order by t.relation::oid), '{}') into wanted
  from pgherald.publishable_tables(schemas) t
  where t.reason is null;

  if pub_oid is null then
    execute format('create publication %I', publication);
    execute format('comment on publication %I is %L', publication, 'pgherald: the tables that it watches');
    select p.oid into pub_oid from pg_catalog.pg_publication p where p.pubname = publication;
  end if;

  -- Only when needed: it makes every session look the tables up again.
  if exists (select 1 from pg_catalog.pg_publication_namespace pn where pn.pnpubid = pub_oid)
    or wanted is distinct from (
      select coalesce(array_agg(pr.prrelid order by pr.prrelid), '{}')
      from pg_catalog.pg_publication_rel pr
      where pr.prpubid = pub_oid)
  then
    if wanted = '{}' then
      -- SET TABLE takes no empty list
      execute format('drop publication %I', publication);
      execute format('create publication %I', publication);
      execute format('comment on publication %I is %L', publication, 'pgherald: the tables that it watches');
    else
      execute format('alter publication %I set table %s', publication,
        (select string_agg('only ' || w::regclass::text, ', ') from unnest(wanted) as w));
    end if;
  end if;

  return query select t.relation, t.reason from pgherald.publishable_tables(schemas) t;
end
$$;
comment on function pgherald.refresh_publication(text, text[]) is 'pgherald: makes a publication list the publishable tables of the schemas';
revoke execute on function pgherald.refresh_publication(text, text[]) from public;
