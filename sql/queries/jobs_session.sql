-- What is asked between the steps of jobs is short; a platform may have set no limit, or one that is
-- too tight.
set statement_timeout = '1min'
