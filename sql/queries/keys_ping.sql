-- Whether the server is still there: a connection that only listens would never know.
select
