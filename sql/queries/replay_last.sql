-- The last entry of the audit trail. What is written from now on is not replayed.
select coalesce(max(a.id), 0) from public.audit_logs a
