-- All primary keys of tables. Of those with the default replica identity pgoutput tells itself, but
-- that may have been another when the change was made that is being read. A deferrable one is none to
-- logical replication.
select c.oid, a.attname
from pg_catalog.pg_class c
join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary and i.indisvalid and i.indimmediate
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
where c.relkind = 'r' and c.oid >= 16384
order by c.oid, a.attnum
