-- What make run starts with. :receiver is where the webhook goes, :secret what it is signed with.
insert into public.users (id, email, full_name) values
  ('00000000-0000-4000-8000-000000000001', 'ada@example.com', 'Ada Lovelace'),
  ('00000000-0000-4000-8000-000000000002', 'alan@example.com', 'Alan Turing');

insert into public.chat_sessions (id, user_id, title) values
  ('00000000-0000-4000-8000-000000000011', '00000000-0000-4000-8000-000000000001', 'Engines'),
  ('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000002', 'Machines');

insert into public.notification_rules (name, table_name, events, condition, recipient, type, priority, title, message) values
  ('job failed', 'job_logs', '{update}', 'status=eq.failed,old.status=isdistinct.failed', 'user_id',
   'job', 'high', '{{new.job_type}} failed', '{{new.error}}'),
  ('important memory', 'memories', '{insert}', 'importance=gte.0.8', 'user_id',
   'memory', 'low', 'Remember: {{new.title}}', null);

insert into public.webhooks (name, url, events, secret)
select 'demo receiver', :'receiver', '{memories.insert,job_logs.update}', :'secret'
where :'receiver' <> '';
