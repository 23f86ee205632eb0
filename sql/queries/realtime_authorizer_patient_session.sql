-- The same for the connection that asks once more, one question at a time. A client waits 10 s.
set default_transaction_read_only = on;
set statement_timeout = '4s';
set lock_timeout = '2s';
set jit = off;
