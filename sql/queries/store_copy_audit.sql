-- The audit rows of a batch.
copy public.audit_logs
  (occurred_at, commit_lsn, ordinal, xid, action, resource_type, resource_id,
   old_resource_id, old_values, new_values, changed_fields, user_id, ip_address, session_id, user_agent, context)
from stdin (format binary)
