-- $1 publication: whether another slot reads it, one of pgoutput, which needs more in it than others do.
select exists (select 1 from pgherald.publications where name = $1)
