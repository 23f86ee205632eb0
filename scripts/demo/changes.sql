-- A second of an application's life: a few changes of several tables, in small transactions.
\set one '00000000-0000-4000-8000-00000000000'

insert into public.memories (user_id, title, content, importance, tags)
select (:'one' || 1 + floor(random() * 2)::int)::uuid, w.title, 'It was said that ' || w.title,
  round(random()::numeric, 2), array['demo', w.title]
from (select (array['engines compute', 'tables interpolate', 'loops repeat', 'tapes are long'])[1 + floor(random() * 4)::int]) as w (title);

insert into public.chat_messages (session_id, user_id, role, content, prompt_tokens)
select ('00000000-0000-4000-8000-00000000001' || n)::uuid, (:'one' || n)::uuid, 'user', 'tick ' || clock_timestamp(), 7
from (select 1 + floor(random() * 2)::int) as pick (n);

-- jobs begin, go on, and end well or badly
insert into public.job_logs (user_id, job_type, status, started_at)
select (:'one' || 1 + floor(random() * 2)::int)::uuid, 'transcribe', 'running', now()
where random() < 0.5;

update public.job_logs set progress = least(progress + 40, 100) where status = 'running';

update public.job_logs
set status = 'failed', error = 'the recording is silent', finished_at = now()
where status = 'running' and progress = 100 and random() < 0.3;

update public.job_logs set status = 'completed', finished_at = now()
where status = 'running' and progress = 100;

update public.memories set access_count = access_count + 1, last_accessed_at = now()
where id in (select id from public.memories order by random() limit 1);

-- so that the demo stays small however long it runs
delete from public.memories
where id in (select id from public.memories order by created_at desc offset 200);
delete from public.chat_messages
where id in (select id from public.chat_messages order by created_at desc offset 200);
delete from public.job_logs
where id in (select id from public.job_logs where finished_at is not null order by created_at desc offset 50);
