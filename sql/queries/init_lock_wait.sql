-- The same lock as init_lock.sql, waiting for whoever has it.
select pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended('pgherald.init', 0))
