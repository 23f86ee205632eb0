-- The inbox: seen, read, archived, expired, deduplicated, wanted or not.
begin;
select no_plan();
select tap.people();

-- ---------------------------------------------------------------- making them

create temporary table made as
select tap.call('service_role', null, format($$ select public.create_notification(%L, 'first', 'text', 'digest', 'high', '{"n": 1}', p_dedupe_key => 'k') $$, tap.ann()))::uuid as id;
select results_eq('select user_id, title, message, type, priority, data, is_read, read_at, rule_id, dedupe_key from public.notifications',
  $$ values (tap.ann(), 'first', 'text', 'digest', 'high', '{"n": 1}'::jsonb, false, null::timestamptz, null::uuid, 'k') $$, 'as it was asked for');
select is(public.create_notification(tap.ann(), 'again', p_dedupe_key => 'k'), (select id from made), 'the same key gives the one there is');
select isnt(public.create_notification(tap.bob(), 'first', p_dedupe_key => 'k'), (select id from made), 'another user''s key is another');
select isnt(public.create_notification(tap.ann(), 'x'), null, 'without a key there is no dedupe');
select isnt(public.create_notification(tap.ann(), 'x'), null, 'and none again');
select is((select count(*) from public.notifications), 4::bigint, 'four in all');
select isnt(public.create_notification(gen_random_uuid(), 'x'), null, 'an unknown recipient is no error');
select is(tap.attempt('authenticated', tap.ann(), format('select public.create_notification(%L, ''x'')', tap.ann())), '42501', 'clients do not write to inboxes');
select isnt(public.create_notification(tap.cy(), 'x', p_priority => null, p_data => null), null, 'null for priority and data');
select is((select priority || data::text from public.notifications where user_id = tap.cy() limit 1), 'medium{}', 'means the defaults');

-- ---------------------------------------------------------------- reading them

select is(tap.call('authenticated', tap.ann(), 'select public.get_unread_notification_count()'), '3', 'unread: three');
select is(tap.call('authenticated', tap.bob(), 'select public.get_unread_notification_count()'), '1', 'of bob: one');
select is(tap.call('authenticated', tap.bob(), format('select public.get_unread_notification_count(%L)', tap.ann())), '0', 'bob cannot count ann''s');
select is(tap.call('service_role', null, format('select public.get_unread_notification_count(%L)', tap.ann())), '3', 'the service can');

select is(tap.call('authenticated', tap.bob(), format('select public.mark_notification_read(%L)', (select id from made))), 'false', 'bob cannot read for ann');
select is((select is_read from public.notifications where id = (select id from made)), false, 'and it is unread still');
select is(tap.call('authenticated', tap.ann(), format('select public.mark_notification_read(%L)', (select id from made))), 'true', 'ann can');
select results_eq('select is_read, read_at, seen_at from public.notifications where id = (select id from made)',
  'values (true, now(), now())', 'read at, and seen at');
update public.notifications set read_at = '2026-01-01' where id = (select id from made);
select is(tap.call('authenticated', tap.ann(), format('select public.mark_notification_read(%L)', (select id from made))), 'true', 'a second time is no error');
select is((select read_at from public.notifications where id = (select id from made)), '2026-01-01'::timestamptz, 'and does not move the time');
select is(tap.call('authenticated', tap.ann(), format('select public.mark_notification_read(%L)', gen_random_uuid())), 'false', 'false for one that is not there');
select is(tap.call('authenticated', tap.ann(), 'select public.get_unread_notification_count()'), '2', 'unread: two');

select is(tap.call('authenticated', tap.ann(), 'select public.mark_notifications_seen()'), '2', 'two new ones were seen');
select is(tap.call('authenticated', tap.ann(), 'select public.mark_notifications_seen()'), '0', 'once');
select is(tap.call('authenticated', tap.ann(), 'select public.get_unread_notification_count()'), '2', 'seen is not read');

insert into public.notifications (user_id, title, type) values (tap.ann(), 'y', 'digest');
select is(tap.call('authenticated', tap.ann(), 'select public.mark_all_notifications_read(p_type => ''digest'')'), '1', 'all of one type');
select is(tap.call('authenticated', tap.bob(), format('select public.mark_all_notifications_read(%L)', tap.ann())), '0', 'not another user''s');
select is(tap.call('authenticated', tap.ann(), 'select public.mark_all_notifications_read()'), '2', 'all');
select is(tap.call('authenticated', tap.ann(), 'select public.get_unread_notification_count()'), '0', 'unread: none');
select is((select count(*) from public.notifications where user_id = tap.bob() and not is_read), 1::bigint, 'bob''s is as it was');

insert into public.notifications (user_id, title, expires_at) values
  (tap.ann(), 'over', now() - interval '1 s'), (tap.ann(), 'yet to be', now() + interval '1 h');
insert into public.notifications (id, user_id, title) values ('11111111-1111-4111-8111-111111111111', tap.ann(), 'done');
select is(tap.call('authenticated', tap.ann(), 'select public.get_unread_notification_count()'), '2', 'an expired one does not count');
select is(tap.call('authenticated', tap.ann(), 'select public.archive_notification(''11111111-1111-4111-8111-111111111111'')'), 'true', 'archive');
select is(tap.call('authenticated', tap.ann(), 'select public.archive_notification(''11111111-1111-4111-8111-111111111111'')'), 'true', 'twice is no error');
select is(tap.call('authenticated', tap.bob(), 'select public.archive_notification(''11111111-1111-4111-8111-111111111111'')'), 'false', 'not another user''s');
select is(tap.call('authenticated', tap.ann(), 'select public.get_unread_notification_count()'), '1', 'an archived one does not count');

-- ---------------------------------------------------------------- is_read and read_at are one fact

create temporary table n as select '22222222-2222-4222-8222-222222222222'::uuid as id;
insert into public.notifications (id, user_id, title, read_at) select id, tap.cy(), 't', '2026-02-02' from n;
select results_eq('select is_read, read_at from public.notifications join n using (id)', $$ values (true, '2026-02-02'::timestamptz) $$, 'insert with read_at: read');
update public.notifications set is_read = false where id = (select id from n);
select results_eq('select is_read, read_at from public.notifications join n using (id)', $$ values (false, null::timestamptz) $$, 'unread again: no read_at');
update public.notifications set read_at = '2026-03-03' where id = (select id from n);
select results_eq('select is_read, read_at from public.notifications join n using (id)', $$ values (true, '2026-03-03'::timestamptz) $$, 'read_at alone: read');
update public.notifications set read_at = null where id = (select id from n);
select is((select is_read from public.notifications join n using (id)), false, 'read_at taken back: unread');
update public.notifications set is_read = true, read_at = '2026-04-04' where id = (select id from n);
select results_eq('select is_read, read_at from public.notifications join n using (id)', $$ values (true, '2026-04-04'::timestamptz) $$, 'both: both');
update public.notifications set is_read = null where id = (select id from n);
select is((select is_read from public.notifications join n using (id)), false, 'null is unread');

-- ---------------------------------------------------------------- expiry

insert into public.notifications (user_id, title, expires_at) select tap.cy(), 'old', now() - n * interval '1 s' from generate_series(1, 10) as n;
select is(public.cleanup_expired_notifications(4), 4::bigint, 'at most so many at a time');
select is(public.cleanup_expired_notifications(), 7::bigint, 'and the rest');
select is(public.cleanup_expired_notifications(), 0::bigint, 'then nothing');
select is((select count(*) from public.notifications where title = 'yet to be'), 1::bigint, 'what has not expired stays');

select is(public.create_notification(tap.cy(), 'x', p_expires_at => now() - interval '1 s', p_dedupe_key => 'again')
  is distinct from public.create_notification(tap.cy(), 'y', p_dedupe_key => 'again'), true, 'one that has expired holds its key no longer');
select results_eq($$ select title from public.notifications where dedupe_key = 'again' $$, $$ values ('y') $$, 'and makes room');
select is(public.create_notification(tap.cy(), 'z', p_expires_at => now() + interval '1 s', p_dedupe_key => 'again'),
  (select id from public.notifications where dedupe_key = 'again'), 'one that has not does');

-- ---------------------------------------------------------------- long keys

-- noise, since an index compresses
create function pg_temp.noise(bytes int) returns text language sql immutable as $$
  select left(string_agg(encode(sha256(n::text::bytea), 'base64'), ''), bytes) from generate_series(1, bytes / 44 + 1) n
$$;
select public.create_notification(tap.cy(), 'a', p_dedupe_key => pg_temp.noise(1000));
select is((select count(*) from public.notifications where dedupe_key = pg_temp.noise(1000)), 1::bigint, 'a key of 1,000 bytes is kept as it is');
select is(public.create_notification(tap.cy(), 'a', p_dedupe_key => pg_temp.noise(1000000)),
  public.create_notification(tap.cy(), 'b', p_dedupe_key => pg_temp.noise(1000000)), 'a long one dedupes too');
select isnt(public.create_notification(tap.cy(), 'a', p_dedupe_key => pg_temp.noise(1000000)),
  public.create_notification(tap.cy(), 'b', p_dedupe_key => pg_temp.noise(1000001)), 'by all its bytes');
select is((select max(octet_length(dedupe_key)) from public.notifications), 1000, 'no index row is too large');

-- ---------------------------------------------------------------- the daemon's batch

create temporary table answer as
select * from pgherald.store_notifications(jsonb_build_array(
  jsonb_build_object('user_id', tap.cy(), 'title', 'fits', 'priority', 'low', 'data', '{}'::jsonb, 'dedupe_key', 'b1', 'expires_in', '1 day'),
  jsonb_build_object('user_id', tap.cy(), 'title', 'again', 'priority', 'low', 'data', '{}'::jsonb, 'dedupe_key', 'b1'),
  jsonb_build_object('user_id', tap.cy(), 'title', 'too late', 'priority', 'low', 'data', '{}'::jsonb, 'expires_in', '400000 years', 'rule_id', tap.cy()),
  jsonb_build_object('user_id', tap.cy(), 'title', 'fits too', 'priority', 'low', 'data', '{}'::jsonb),
  jsonb_build_object('user_id', tap.cy(), 'title', 'no priority', 'priority', 'none', 'data', '{}'::jsonb)));
select results_eq($$ select title, expires_at from public.notifications where user_id = tap.cy() and title in ('fits', 'again', 'too late', 'fits too', 'no priority') order by title $$,
  $$ values ('fits', now() + interval '1 day'), ('fits too', null) $$, 'what the table refuses is left out, the rest is stored');
select is((select refused from answer), 2::bigint, 'and counted; what was said before is not refused');
select matches((select reason from answer), '^rule cccccccc-0000-4000-8000-000000000003: .*out of range \(SQLSTATE 22008\)$', 'the first reason is told');
create function pg_temp.busy() returns trigger language plpgsql as $$ begin raise lock_not_available; end $$;
create trigger busy before insert on public.notifications for each row execute function pg_temp.busy();
select throws_ok(format('select pgherald.store_notifications(%L)', jsonb_build_array(jsonb_build_object('user_id', tap.cy(), 'title', 'x', 'priority', 'low', 'data', '{}'::jsonb))),
  '55P03', null, 'what is no fault of the row is no reason to leave it out');
drop trigger busy on public.notifications;

-- ---------------------------------------------------------------- preferences

select tap.call('authenticated', tap.bob(), 'select public.set_notification_preference(''promo'', false)');
select tap.call('authenticated', tap.bob(), 'select public.set_notification_preference(''*'', true, ''high'')');
select tap.call('authenticated', tap.bob(), 'select public.set_notification_preference(''chat'', true, ''low'')');
select is(public.create_notification(tap.bob(), 'x', p_type => 'promo', p_priority => 'urgent'), null, 'a type switched off is not stored');
select is(public.create_notification(tap.bob(), 'x', p_type => 'other', p_priority => 'medium'), null, 'below the least priority of *');
select is(public.create_notification(tap.bob(), 'x', p_priority => 'medium'), null, '* is for those without a type too');
select isnt(public.create_notification(tap.bob(), 'x', p_type => 'other', p_priority => 'high'), null, 'at the least priority');
select isnt(public.create_notification(tap.bob(), 'x', p_type => 'chat', p_priority => 'low'), null, 'a type of its own goes before *');
select isnt(public.create_notification(tap.ann(), 'x', p_type => 'promo'), null, 'other users have their own wishes');
insert into public.notifications (user_id, title, type) values (tap.bob(), 'by the daemon', 'promo');
select is((select count(*) from public.notifications where title = 'by the daemon'), 0::bigint, 'whoever inserts: it is not stored');
select tap.call('authenticated', tap.bob(), 'select public.set_notification_preference(''promo'', true)');
select isnt(public.create_notification(tap.bob(), 'x', p_type => 'promo'), null, 'and on again');
select is(tap.attempt('authenticated', tap.cy(), format('select public.set_notification_preference(''promo'', false, ''low'', %L)', tap.bob())), '42501', 'not for another user');

-- ---------------------------------------------------------------- updated_at, and an owner who leaves

update public.notifications set updated_at = '2026-01-01' where user_id = tap.ann();
select is((select count(*) from public.notifications where user_id = tap.ann() and updated_at <> now()), 0::bigint, 'updated_at is kept');
insert into public.notifications (user_id, title) values (tap.cy(), 'x'), (tap.ann(), 'x');
do $$
begin
  if to_regclass('auth.users') is not null then
    delete from auth.users where id = tap.cy();
  elsif to_regclass('public.users') is not null then
    delete from public.users where id = tap.cy();
  else
    delete from public.notifications where user_id = tap.cy();  -- the project's own affair
  end if;
end
$$;
select is((select count(*) from public.notifications where user_id = tap.cy()), 0::bigint, 'the inbox of a deleted user goes');
select isnt((select count(*) from public.notifications where user_id = tap.ann()), 0::bigint, 'nobody else''s');

select * from finish();
rollback;
