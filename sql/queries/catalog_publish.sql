-- $1 publication: brings what pgoutput reads up to date with the tables that are there.
select pgherald.publish_tables($1)
