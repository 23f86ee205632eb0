-- One init at a time in a database. Session level: it outlasts the transactions of the migrations.
select pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('pgherald.init', 0))
