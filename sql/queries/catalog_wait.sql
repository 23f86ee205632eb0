-- Between two looks at whether a transaction is over.
select pg_catalog.pg_sleep(0.01)
