-- How the connection that asks who may read a row behaves: it never writes, and a policy that hangs
-- or waits for a lock is given up.
set default_transaction_read_only = on;
set statement_timeout = '10s';
set lock_timeout = '5s';
set jit = off;
