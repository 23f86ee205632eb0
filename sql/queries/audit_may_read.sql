-- Whether row level security would hide entries from this login: what is then seen is not the trail
select row_security_active('public.audit_logs')
