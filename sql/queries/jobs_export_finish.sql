-- It is in a file. $1 table, $2 host, $3 file, $4 how many entries it has; the columns of jobs_export_page.sql
select pgherald.finish_export($1, $2, $3, $4::bigint)::text as table_name, null as last_id, null as last_time, null as entries, null as lines
