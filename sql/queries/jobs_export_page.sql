-- More of what is exported before it is dropped. $1 table (NULL: the first that waits), $2 and $3 the last
-- entry's id and time, NULL at its beginning
select table_name, last_id, last_time, entries, lines
from pgherald.export_page($1, $2::bigint, $3::timestamptz)
