-- The figures of a user, against rows that were counted by hand.
begin;
select no_plan();
select tap.people();

insert into public.memories (user_id, title, content, created_at) values
  (tap.ann(), 'tea', 'green', now()), (tap.ann(), null, repeat('long ', 40), now() - interval '1 day'),
  (tap.ann(), 'old', 'x', now() - interval '40 days'), (tap.bob(), 'bob''s', 'x', now());
update public.memories set is_archived = true where title = 'old';  -- it is his still
insert into public.files (user_id, file_name, storage_path, file_size, upload_status) values
  (tap.ann(), 'a', '1', 5000000000, 'completed'), (tap.ann(), 'b', '2', 7, 'completed'),
  (tap.ann(), 'c', '3', 100, 'failed'), (tap.bob(), 'd', '4', 9, 'completed');
insert into public.chat_sessions (id, user_id, created_at) values
  ('10000000-0000-4000-8000-000000000000', tap.ann(), now() - interval '2 days'), ('20000000-0000-4000-8000-000000000000', tap.bob(), now());
insert into public.chat_messages (session_id, user_id, role, content, prompt_tokens, completion_tokens, created_at) values
  ('10000000-0000-4000-8000-000000000000', tap.ann(), 'user', 'hi', 0, 0, now() - interval '2 days'),
  ('10000000-0000-4000-8000-000000000000', tap.ann(), 'assistant', 'hello', 2000000000, 2000000000 - 1900000000, now() - interval '50 days'),
  ('10000000-0000-4000-8000-000000000000', tap.ann(), 'assistant', 'well', 2000000000, 10, now()),
  ('20000000-0000-4000-8000-000000000000', tap.bob(), 'assistant', 'no', 5, 5, now());
insert into public.transcripts (user_id, title) values (tap.ann(), 'talk');
insert into public.summaries (user_id, content, prompt_tokens, completion_tokens) values (tap.ann(), 's', 100, 20);
insert into public.meetings (id, user_id, title, start_time, end_time) values
  ('30000000-0000-4000-8000-000000000000', tap.ann(), 'next', now() + interval '1 h', now() + interval '2 h'),
  ('40000000-0000-4000-8000-000000000000', tap.ann(), 'past', now() - interval '1 h', now());
insert into public.meeting_summaries (meeting_id, user_id, summary, prompt_tokens, completion_tokens) values
  ('40000000-0000-4000-8000-000000000000', tap.ann(), 'm', 3, 4);
insert into public.notifications (user_id, title) values (tap.ann(), 'n');
insert into public.job_logs (user_id, job_type) values (tap.ann(), 'j');

select is(tap.call('authenticated', tap.ann(), 'select public.get_user_memory_count()'), '3', 'memories');
select is(tap.call('authenticated', tap.ann(), format('select public.get_user_memory_count(%L)', tap.bob())), '0', 'not another user''s');
select is(tap.call('service_role', null, format('select public.get_user_memory_count(%L)', tap.bob())), '1', 'but by the service');

select is(tap.call('authenticated', tap.ann(), 'select s::text from public.get_user_storage_usage() s'), '(2,5000000007)', 'files that are stored, with more bytes than an int holds');
select is(tap.call('authenticated', tap.cy(), 'select s::text from public.get_user_storage_usage() s'), '(0,0)', 'nothing is zero, not null');

select is(tap.call('authenticated', tap.ann(), 'select t::text from public.get_user_token_usage() t'), '(4,4000000103,100000034,4100000137)', 'tokens of chats, summaries and meetings, more than an int holds');
select is(tap.call('authenticated', tap.ann(), 'select t::text from public.get_user_token_usage(p_since => now() - interval ''30 days'') t'), '(3,2000000103,34,2000000137)', 'since');
select is(tap.call('authenticated', tap.ann(), 'select t::text from public.get_user_token_usage(p_until => now() - interval ''30 days'') t'), '(1,2000000000,100000000,2100000000)', 'until');
select is(tap.call('authenticated', tap.cy(), 'select t::text from public.get_user_token_usage() t'), '(0,0,0,0)', 'nothing is zero');

select is(tap.call('authenticated', tap.ann(), 'select count(*) from public.get_user_activity_summary(p_days => 7)'), '7', 'a row a day');
select is(tap.call('authenticated', tap.ann(), 'select count(*) from public.get_user_activity_summary(p_days => 0)'), '1', 'at least today');
select is(tap.call('authenticated', tap.ann(), 'select a::text from public.get_user_activity_summary() a limit 1'),
  format('(%s,1,1,2,0,1,2,3,10)', (now() at time zone 'UTC')::date), 'today');
select is(tap.call('authenticated', tap.ann(), 'select sum(total) from public.get_user_activity_summary(p_days => 30)'), '13', 'in 30 days');
select is(tap.call('authenticated', tap.ann(), 'select sum(total) from public.get_user_activity_summary(p_days => 60)'), '15', 'in 60 days');
select is(tap.call('authenticated', tap.bob(), format('select sum(total) from public.get_user_activity_summary(%L)', tap.ann())), '0', 'not another user''s');

select results_eq(
  $$ select activity_type, title from public.user_recent_activity where user_id = tap.ann() and activity_type = 'memory' order by occurred_at desc $$,
  $$ values ('memory', 'tea'), ('memory', left(repeat('long ', 40), 80)), ('memory', 'old') $$, 'user_recent_activity, with a title made of the text where there is none');

select is(
  (select d - 'recent_activity' - 'generated_at' from (select tap.call('authenticated', tap.ann(), 'select public.get_user_dashboard_stats()')::jsonb) as t (d)),
  jsonb_build_object('memories', 3, 'transcripts', 1, 'summaries', 1, 'chat_sessions', 1,
    'meetings', jsonb_build_object('total', 2, 'upcoming', 1),
    'storage', jsonb_build_object('file_count', 2, 'total_bytes', 5000000007),
    'tokens', jsonb_build_object(
      'total', jsonb_build_object('request_count', 4, 'prompt_tokens', 4000000103, 'completion_tokens', 100000034, 'total_tokens', 4100000137),
      'this_month', jsonb_build_object('request_count', 3, 'prompt_tokens', 2000000103, 'completion_tokens', 34, 'total_tokens', 2000000137)),
    'unread_notifications', 1, 'active_jobs', 1),
  'the dashboard');
select is((select jsonb_array_length(public.get_user_dashboard_stats(tap.ann()) -> 'recent_activity')), 10, 'and the ten latest things');
select is((select public.get_user_dashboard_stats(tap.cy()) -> 'recent_activity'), '[]'::jsonb, 'which may be none');

-- the chat list follows its messages
select is((select last_message_at from public.chat_sessions where user_id = tap.ann()), now(), 'a chat knows its last message');
insert into public.chat_messages (session_id, user_id, role, content, created_at)
values ('10000000-0000-4000-8000-000000000000', tap.ann(), 'user', 'late', now() - interval '1 day');
select is((select last_message_at from public.chat_sessions where user_id = tap.ann()), now(), 'which an older one does not change');

select * from finish();
rollback;
