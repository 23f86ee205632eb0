-- $1 publication, $2 schemas, $3 further tables: pgoutput is to bring all of these from now on, with
-- what the daemon needs to see of its own.
select pgherald.follow_tables($1, $2::text[] || array['realtime', 'pgherald'], $3::text[])
