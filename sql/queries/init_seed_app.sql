-- $1 on or off: whether the statements of this session are to count the seed application in.
select set_config('pgherald.seed_app', $1, false)
