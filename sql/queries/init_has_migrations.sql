-- Whether anything of pgherald was ever installed here.
select pg_catalog.to_regclass('pgherald.migrations') is not null
