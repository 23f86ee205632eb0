-- The trail read back: versions, as of a moment, undoing. Entries are written here by hand, as the
-- daemon writes them; tests/e2e/audit_history.test.mjs has the real ones.
begin;
select no_plan();

create table public.notes (id int primary key, title text, body jsonb);
create table public.cut (id int primary key);
create table public."Pair s" ("A" int, b text, v text, primary key ("A", b));
create temporary sequence lsn;

-- An entry of a transaction that committed so many minutes after noon.
create function pg_temp.entry(minute int, action text, tab text, key text, old jsonb, new jsonb, changed text[] default null, old_key text default null)
returns bigint language sql as $$
  insert into public.audit_logs (occurred_at, commit_lsn, ordinal, xid, action, resource_type, resource_id, old_resource_id, old_values, new_values, changed_fields)
  values ('2026-11-23 12:00+00'::timestamptz + minute * interval '1 minute', '0/1'::pg_lsn + minute, nextval('lsn'), 1000 + minute, action, tab, key, old_key, old, new, changed)
  returning id
$$;
create function pg_temp.at(minute numeric) returns timestamptz language sql as $$
  select '2026-11-23 12:00+00'::timestamptz + minute * interval '1 minute'
$$;

-- ---------------------------------------------------------------- names, keys, differences

select is((pgherald.audit_table(name)).names, array[want], name)
from (values ('notes', 'public.notes'), ('public.notes', 'public.notes'), ('public.Pair s', 'public.Pair s'), ('"Pair s"', 'public.Pair s'),
  ('public.gone', 'public.gone'), ('no such.table', 'no such.table'), ('"broken', 'public."broken')) as t (name, want);
select is((pgherald.audit_table('public.gone')).relation, null, 'a table that is gone has its name alone');
select is(pgherald.audit_key('public.notes', '[1]'), '[1]', 'a key of one column is taken as it is');
select is(pgherald.audit_key('public."Pair s"', ' [1, "x"] '), '[1,"x"]', 'one of two columns loses its blanks');
select throws_like($$ select pgherald.audit_key('public."Pair s"', '1') $$, '%has 2 columns: give it as a JSON array%');
select throws_like($$ select pgherald.audit_key('public."Pair s"', '[1]') $$, '%has 2 columns, not 1%');
select throws_like($$ select pgherald.audit_key('public."Pair s"', '[1,') $$, '%no JSON array%');

select is(pgherald.jsonb_diff(o, n), want, says)
from (values
  ('{"a": 1, "b": 2}'::jsonb, '{"a": 1, "b": 3}'::jsonb, '{"b": {"old": 2, "new": 3}}'::jsonb, 'what is the same is left out'),
  (null, '{"a": null}', '{"a": {"new": null}}', 'a side that is not there is not null'),
  ('{"a": null}', '{"a": 0}', '{"a": {"old": null, "new": 0}}', 'null is a value'),
  ('{"a": 1}', null, '{"a": {"old": 1}}', 'a deleted row'),
  (null, null, '{}', 'nothing')) as t (o, n, want, says);

-- ---------------------------------------------------------------- as of a moment

select pg_temp.entry(1, 'insert', 'public.notes', '1', null, '{"id": 1, "title": "a", "body": null}');
select pg_temp.entry(2, 'update', 'public.notes', '1', '{"id": 1, "title": "a", "body": null}', '{"id": 1, "title": "b", "body": null}', '{title}');
select pg_temp.entry(3, 'update', 'public.notes', '2', '{"id": 1, "title": "b", "body": null}', '{"id": 2, "title": "b", "body": null}', '{id}', '1');
select pg_temp.entry(4, 'delete', 'public.notes', '2', '{"id": 2, "title": "b", "body": null}', null);
select pg_temp.entry(5, 'insert', 'public.cut', '3', null, '{"id": 3}');
select pg_temp.entry(6, 'truncate', 'public.cut', null, null, null);
select pg_temp.entry(7, 'update', 'public.notes', '4', '{"id": 4, "title": "old", "body": null}', '{"id": 4, "title": "new", "body": null}', '{title}');
select pg_temp.entry(8, 'update', 'public.notes', '5', null, '{"id": 5, "title": "new"}');
insert into public.notes values (4, 'new', null), (6, 'ever', '[]');

select is(pgherald.row_as_of('notes', key, pg_temp.at(minute)), want::jsonb, format('%s at minute %s', key, minute))
from (values
  ('1', 0.5, null), ('1', 1, '{"id": 1, "title": "a", "body": null}'), ('1', 2.5, '{"id": 1, "title": "b", "body": null}'),
  ('1', 3, null), ('2', 2, null), ('2', 3, '{"id": 2, "title": "b", "body": null}'), ('2', 4, null),
  ('4', 6.5, '{"id": 4, "title": "old", "body": null}'), ('4', 9, '{"id": 4, "title": "new", "body": null}'),
  ('5', 9, '{"id": 5, "title": "new"}'), ('6', 9, '{"id": 6, "title": "ever", "body": []}'), ('7', 9, null), ('word', 9, null)
) as t (key, minute, want);
select throws_ok($$ select pgherald.row_as_of('notes', '5', pg_temp.at(7)) $$, 'P0002', null, 'what the trail cannot tell is an error, not a guess');
select is(pgherald.row_as_of('cut', '3', pg_temp.at(5)), '{"id": 3}', 'before TRUNCATE');
select is(pgherald.row_as_of('cut', '3', pg_temp.at(6)), null, 'after it');
select throws_ok($$ select pgherald.row_as_of('cut', '4', pg_temp.at(5)) $$, 'P0002', null, 'nor does it know what TRUNCATE took');
select results_eq($$ select resource_id, row_values ->> 'title' from pgherald.table_as_of('notes', pg_temp.at(9)) order by 1 $$,
  $$ values ('4', 'new'), ('5', 'new'), ('6', 'ever') $$, 'all rows, also one that the trail never heard of');

select results_eq($$ select version, action, diff, old_key, new_key from pgherald.audit_history('notes', '1') $$,
  $$ values (1::bigint, 'insert', '{"id": {"new": 1}, "body": {"new": null}, "title": {"new": "a"}}'::jsonb, null, '1'),
     (2, 'update', '{"title": {"old": "a", "new": "b"}}', '1', '1'),
     (3, 'update', '{"id": {"old": 1, "new": 2}}', '1', '2') $$, 'a history, up to where the row got another key');
select results_eq($$ select version, action from pgherald.audit_history('notes', '2', pg_temp.at(4)) $$,
  $$ values (2::bigint, 'delete') $$, 'since a time; versions keep their numbers');
select results_eq($$ select action, new_values from pgherald.audit_history('cut', '3') $$,
  $$ values ('insert', '{"id": 3}'::jsonb), ('truncate', null) $$, 'TRUNCATE ends a row');

select pg_temp.entry(20, 'insert', 'public.notes', '20', null, '{"id": 20, "title": "t", "body": "long"}');
select pg_temp.entry(21, 'update', 'public.notes', '20', null, '{"id": 20, "title": "u"}');
select is(pgherald.row_as_of('notes', '20', pg_temp.at(21)), '{"id": 20, "title": "u", "body": "long"}', 'what an update left out comes from before');

-- ---------------------------------------------------------------- undoing

create function pg_temp.undo(minute int) returns table (statement text, problem text, conflict text) language sql as $$
  select statement, problem, conflict from pgherald.audit_revert(p_xid => 1000 + minute) order by place
$$;

insert into public.notes values (30, 'after', '{"a": [1]}');
select pg_temp.entry(30, 'update', 'public.notes', '30', '{"id": 30, "title": "before", "body": null}', '{"id": 30, "title": "after", "body": {"a": [1]}}', '{title,body}');
select results_eq('select * from pg_temp.undo(30)', $$ values (
  'update public.notes t set title = ''before'', body = NULL where t.id = ''30'' and t.title = ''after'' and t.body = ''{"a": [1]}''',
  null::text, null::text) $$, 'an update: the columns that it changed, while they are what it left');
update public.notes set title = 'mine' where id = 30;
select results_eq('select problem, conflict from pg_temp.undo(30)', $$ values (null::text, 'changed since: title') $$, 'not over a later change');
select throws_ok('select pgherald.audit_revert_apply(p_xid => 1030)', '40001', null, 'which is refused');
select is(pgherald.audit_revert_apply(p_xid => 1030, p_force => true), 1::bigint, 'unless by force');
select is((select title from public.notes where id = 30), 'before', 'which writes over it');

select pg_temp.entry(31, 'delete', 'public.notes', '31', '{"id": 31, "title": "it''s", "body": null}', null);
select results_eq('select * from pg_temp.undo(31)', $$ values (
  'insert into public.notes (id, title, body) values (''31'', ''it''''s'', NULL)', null::text, null::text) $$, 'a deleted row comes back');
insert into public.notes values (31, 'other', null);
select results_eq('select conflict from pg_temp.undo(31)', $$ values ('there is a row with this key again') $$, 'unless its place is taken');
select is(pgherald.audit_revert_apply(p_xid => 1031, p_force => true), 1::bigint, 'by force');
select is((select title from public.notes where id = 31), 'it''s', 'it takes that place');

insert into public.notes values (32, 'x', null);
select pg_temp.entry(32, 'insert', 'public.notes', '32', null, '{"id": 32, "title": "x", "body": null}');
select results_eq('select * from pg_temp.undo(32)', $$ values (
  'delete from public.notes t where t.id = ''32'' and t.title = ''x'' and t.body is null', null::text, null::text) $$, 'an inserted row goes');
select is(pgherald.audit_revert_apply(p_xid => 1032), 1::bigint, 'one row');
select results_eq('select conflict from pg_temp.undo(32)', $$ values ('the row is gone, or has another key') $$, 'and not twice');

select pg_temp.entry(33, 'update', 'public.notes', '33', '{"id": 33, "title": "[redacted]"}', '{"id": 33, "title": "[redacted]"}', '{title}');
select pg_temp.entry(34, 'delete', 'public.notes', '34', '{"id": 34, "title": "x"}', null);
select pg_temp.entry(35, 'update', 'public.notes', '35', null, '{"id": 35, "title": "x"}');
select pg_temp.entry(36, 'truncate', 'public.notes', null, null, null);
select pg_temp.entry(37, 'insert', 'public.gone', '1', null, '{"id": 1}');
select pg_temp.entry(38, 'delete', 'public.notes', '38', '{"id": "no number", "title": "x", "body": null}', null);
select pg_temp.entry(39, 'delete', 'public.notes', '39', '{"id": 39, "title": "x", "body": "[left out: 300000000 bytes]"}', null);
select matches((select problem from pg_temp.undo(minute)), want, want)
from (values (33, 'not in the entry.*: title'), (34, 'not in the entry.*: body'), (35, 'REPLICA IDENTITY'), (36, 'TRUNCATE'), (37, 'table is gone'),
  (38, 'no longer fit the table.*no number'), (39, 'not in the entry.*: body')) as t (minute, want);
select throws_ok('select pgherald.audit_revert_apply(p_xid => 1033, p_force => true)', '0A000', null, 'force does not make up values');

insert into public.notes values (40, 'c', null);
select pg_temp.entry(40, 'update', 'public.notes', '40', '{"id": 40, "title": "a", "body": null}', '{"id": 40, "title": "b", "body": null}', '{title}');
select pg_temp.entry(41, 'update', 'public.notes', '40', '{"id": 40, "title": "b", "body": null}', '{"id": 40, "title": "c", "body": null}', '{title}');
select results_eq($$ select conflict from pgherald.audit_revert(p_tables => '{notes}', p_since => pg_temp.at(40)) $$,
  $$ values (null::text), (null) $$, 'changes that are undone before are no conflict');
select isnt((select conflict from pg_temp.undo(40)), null, 'but the earlier one alone is');
select is(pgherald.audit_revert_apply(p_tables => '{notes}', p_since => pg_temp.at(40), p_until => pg_temp.at(41)), 2::bigint, 'a span of time');
select is((select title from public.notes where id = 40), 'a', 'the state before');
select throws_ok($$ select * from pgherald.audit_revert(p_tables => '{notes}') $$, '22023', null, 'never all that ever was');

-- parents before what hung on them, although they went first
create table public.parents (id int primary key);
create table public.kids (id int primary key, parent int references public.parents on delete cascade on update cascade);
select pg_temp.entry(50, 'delete', 'public.parents', '1', '{"id": 1}', null);
select pg_temp.entry(50, 'delete', 'public.kids', '9', '{"id": 9, "parent": 1}', null);
select is(pgherald.audit_revert_apply(p_xid => 1050), 2::bigint, 'what ON DELETE CASCADE took comes back behind its parent');
select pg_temp.entry(51, 'update', 'public.parents', '2', '{"id": 1}', '{"id": 2}', '{id}', '1');
select pg_temp.entry(51, 'update', 'public.kids', '9', '{"id": 9, "parent": 1}', '{"id": 9, "parent": 2}', '{parent}');
update public.parents set id = 2;
select is(pgherald.audit_revert_apply(p_xid => 1051), 1::bigint, 'what ON UPDATE CASCADE changed follows by itself');
select is((select parent from public.kids), 1, 'and is what it was');

create table public.toys (id int primary key, kid int references public.kids on delete cascade, parent int references public.parents on delete set null);
select pg_temp.entry(52, 'delete', 'public.parents', '3', '{"id": 3}', null);
select pg_temp.entry(52, 'update', 'public.toys', '7', '{"id": 7, "kid": 8, "parent": 3}', '{"id": 7, "kid": 8, "parent": null}', '{parent}');
select pg_temp.entry(52, 'delete', 'public.kids', '8', '{"id": 8, "parent": 3}', null);
select pg_temp.entry(52, 'delete', 'public.toys', '7', '{"id": 7, "kid": 8, "parent": null}', null);
select is(pgherald.audit_revert_apply(p_xid => 1052), 4::bigint, 'a row that lost one parent and went with the other');
select is((select parent from public.toys), 3, 'has both again');

-- ---------------------------------------------------------------- who may

grant usage on schema tap, public to service_role, authenticated;
set local role service_role;
select is(pgherald.row_as_of('notes', '1', '2026-11-23 12:01+00'), '{"id": 1, "title": "a", "body": null}', 'the service may');
reset role;
set local role authenticated;
select throws_ok($$ select pgherald.row_as_of('notes', '1', now()) $$, '42501', null, 'others may not');
reset role;

select * from finish();
rollback;
