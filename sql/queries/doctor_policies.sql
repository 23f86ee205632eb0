-- Tables below one that an audit policy names, partitions or heirs, that have none themselves: rows come
-- under the name of the table that holds them. The table above, and one of those below.
with recursive below as (
  select c.oid, p.table_name as above, 0 as depth
  from pgherald.audit_policies p
  join pg_catalog.pg_class c on c.relkind in ('r', 'p')
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname || '.' || c.relname = p.table_name
  union all
  select i.inhrelid, b.above, b.depth + 1
  from below b
  join pg_catalog.pg_inherits i on i.inhparent = b.oid
)
select b.above, min(n.nspname || '.' || c.relname)
from below b
join pg_catalog.pg_class c on c.oid = b.oid and c.relkind = 'r'
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where b.depth > 0
  and not exists (select from pgherald.audit_policies p where p.table_name = n.nspname || '.' || c.relname)
group by 1
order by 1
