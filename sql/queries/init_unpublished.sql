-- $1 publication: the tables that pgoutput cannot bring at all, and why. Of unlogged ones no plugin
-- sees anything.
select relation::text, reason
from pgherald.published_tables($1)
where held is null and reason not like 'unlogged:%'
