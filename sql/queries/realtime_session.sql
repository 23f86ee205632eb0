-- How the connection that asks who may read a row behaves: it never writes, and a policy that hangs
-- or waits for a lock is given up.
set default_transaction_read_only = on;
set statement_timeout = '5s';
set lock_timeout = '2s';
set jit = off;
