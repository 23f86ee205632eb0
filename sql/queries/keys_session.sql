-- How the connection for API keys behaves: it learns of changes, and a lock that somebody holds on a
-- key must not keep it from learning of the next one.
set statement_timeout = '10s';
set lock_timeout = '500ms';
set jit = off;
listen pgherald_api_keys;
