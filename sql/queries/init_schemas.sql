-- $1 schemas: those that do not exist.
select s
from pg_catalog.unnest($1::text[]) as s
where not exists (select 1 from pg_catalog.pg_namespace n where n.nspname = s)
