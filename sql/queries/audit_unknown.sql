-- Which of these tables nothing is known of, null if of none. $1 their names with commas between
select nullif(array_to_string(pgherald.audit_unknown_tables(string_to_array($1::text, ',')), ', '), '')
