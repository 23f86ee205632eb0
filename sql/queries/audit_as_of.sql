-- A row as it was, null if it was not there. $1 table, $2 key, $3 when
select coalesce(jsonb_pretty(pgherald.row_as_of($1::text, $2::text, $3::timestamptz)), 'null')
