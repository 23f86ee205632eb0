-- How the connection that asks about topics in batches behaves: it never writes, and does not wait for
-- slow policies.
set default_transaction_read_only = on;
set statement_timeout = '500ms';
set lock_timeout = '200ms';
set jit = off;
