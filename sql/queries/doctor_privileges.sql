-- What the daemon reads and writes: those of these tables where a privilege is missing or where row
-- level security would apply to it.
select
  needed.relation,
  needed.privileges,
  pg_catalog.row_security_active(needed.relation) as hidden
from (values
  ('public.audit_logs', 'insert'),
  ('public.notifications', 'select, insert, delete'),
  ('public.notification_rules', 'select'),
  ('public.webhooks', 'select'),
  ('public.webhook_deliveries', 'select, insert, update, delete'),
  ('public.webhook_attempts', 'select, insert'),
  ('public.job_logs', 'select, insert, update, delete'),
  ('public.api_keys', 'select, update'),
  ('public.api_key_usage', 'select, insert, update, delete'),
  ('pgherald.jobs', 'select'),
  ('pgherald.checkpoints', 'select, insert, update, delete'),
  ('pgherald.rules', 'select, insert, update, delete'),
  ('pgherald.store_marks', 'select, insert, update'),
  ('pgherald.audit_policies', 'select')
) as needed (relation, privileges)
where pg_catalog.to_regclass(needed.relation) is not null
  and (pg_catalog.row_security_active(needed.relation)
    or exists (
      select 1
      from pg_catalog.regexp_split_to_table(needed.privileges, ', ') as p
      where not pg_catalog.has_table_privilege(needed.relation, p)))
