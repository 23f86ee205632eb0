-- pgherald: set=core

-- As in 011, for databases with thousands of tables: each looks at itself or its partitions, not at all
-- the others.
create or replace function pgherald.publishable_tables(schemas text[])
returns table (relation regclass, reason text)
language sql stable
set search_path = ''
as $$
  select c.oid::regclass, case
    when n.nspname = 'public' and c.relname in ('audit_logs', 'webhook_deliveries', 'webhook_attempts')
      then 'written by the sidecar itself'
    when n.nspname = 'pgherald' and c.relname not in ('audit_policies', 'jobs', 'store_marks')
      then 'the sidecar''s own state'
    when c.relpersistence <> 'p' then 'unlogged: its changes are not in the WAL'
    when not pg_catalog.pg_has_role(c.relowner, 'usage')
      then format('owned by %s: only the owner can publish it', c.relowner::regrole)
    else (
      select format('no replica identity on %s: add a primary key, or alter table %1$s replica identity full', part.relid::regclass)
      from (
        select c.oid where c.relkind = 'r'
        union all
        select t.relid from pg_catalog.pg_partition_tree(c.oid) t where c.relkind = 'p'
      ) as part (relid)
      -- a value, so that it is looked up by its oid and not joined
      where not (
        select case p.relreplident
          when 'f' then true
          when 'n' then false
          else exists (
            select 1 from pg_catalog.pg_index i
            where i.indrelid = p.oid and i.indisvalid and i.indimmediate
              and case p.relreplident when 'd' then i.indisprimary else i.indisreplident end)
          end
        from pg_catalog.pg_class p
        where p.oid = part.relid)
      order by part.relid
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
