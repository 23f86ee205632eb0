-- Audit policies that name a partitioned table: its rows come under the names of its partitions.
select p.table_name
from pgherald.audit_policies p
join pg_catalog.pg_class c on c.relkind = 'p'
join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname || '.' || c.relname = p.table_name
order by 1
