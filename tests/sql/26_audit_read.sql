-- What `pgherald audit` stands on: entries of who reads, entries as OCSF, versions of a row that got another
-- key. tests/e2e/audit_cli.test.mjs has the command.
begin;
select no_plan();

create table public.wide (id int primary key, n int, big text);

-- ---------------------------------------------------------------- who reads the trail

create temporary table note as
select pgherald.note_audit_access('audit_read', '{"command": "audit log", "source": "me", "session_user": "root"}') as id;
create temporary table noted as select l.* from public.audit_logs l join note using (id);
select is((select action || ' ' || resource_type from noted), 'audit_read public.audit_logs', 'an entry of its own');
select is((select context ->> 'command' from noted), 'audit log', 'has what was asked');
select is((select array[context ->> 'source', context ->> 'session_user'] from noted), array['pgherald', session_user::text],
  'who it was is not the caller''s word');
select is((select xid from noted), pg_current_xact_id()::xid::text::bigint, 'and the number of its transaction');
select throws_ok(format('select pgherald.note_audit_access(%L, %L)', action, asked), '22023', null, coalesce(action, 'null') || ' ' || coalesce(asked, 'null'))
from (values ('update', '{}'), (null, '{}'), ('audit_read', '[]'), ('audit_read', null)) as t (action, asked);

insert into public.audit_logs (action, resource_type) values ('delete', 'public.of_old'), ('login', 'log in');
select is(pgherald.audit_unknown_tables('{wide,public.wide,nots,public.of_old,of_old,log in,no.such}'), '{nots,no.such}'::text[],
  'a table is known if it is there, or was, or if the application uses the word');

-- ---------------------------------------------------------------- OCSF

create function pg_temp.ocsf(action text, old jsonb default null, new jsonb default null, context jsonb default null, key text default 'k', old_key text default null)
returns jsonb language sql as $$
  with made as (
    insert into public.audit_logs (occurred_at, action, resource_type, resource_id, old_resource_id, old_values, new_values, context)
    values ('2026-11-23 12:00:00.123456+00', action, 'public.t', key, old_key, old, new, context) returning audit_logs)
  select pgherald.audit_ocsf(made.audit_logs) from made
$$;
select is(pg_temp.ocsf(action) -> 'activity_id', activity::text::jsonb, action)
from (values ('insert', 1), ('read', 2), ('audit_read', 2), ('audit_export', 2), ('update', 3), ('delete', 4), ('truncate', 4), ('login', 99)) as t (action, activity);
select is(pg_temp.ocsf('login') ->> 'activity_name', 'login', 'what the class has no word for keeps its own');
select is(pg_temp.ocsf('login') ->> 'type_name', 'Entity Management: Other', 'and is Other');
select is(pg_temp.ocsf('update') -> 'time', '1795435200123', 'milliseconds, cut off');
select is(pg_temp.ocsf('update', old_key => 'j') #>> '{entity,uid}', 'j', 'the entity is what was changed');
select is(pg_temp.ocsf('update', new => '{"a": 1.00}', old_key => 'j') -> 'entity_result', '{"uid": "k", "data": {"a": 1.00}, "name": "public.t/k", "type": "public.t", "type_id": 99}',
  'and became');
select is(pg_temp.ocsf('insert', new => '{"a": null}') #> '{entity_result,data}', '{"a": null}', 'a NULL is a value');
select is(pg_temp.ocsf('delete', old => '{"a": null}') #> '{unmapped,old_values}', '{"a": null}', 'also of the row before');
select is(pg_temp.ocsf('delete', key => null) -> 'entity', '{"name": "public.t", "type": "public.t", "type_id": 99}', 'no key is no key');
select is(pg_temp.ocsf('audit_revert', new => '{"error": "e"}') -> 'status_id', '2', 'an undoing that failed');
select is(pg_temp.ocsf('update', new => '{"error": "e"}') -> 'status_id', '1', 'a column of that name is none');
select is(pg_temp.ocsf('read', context => '{"method": "get", "path": "/x"}') -> 'http_request', '{"url": {"path": "/x"}, "http_method": "GET"}', 'the request');
select is(pg_temp.ocsf('read', context => '{"method": "BREW"}') -> 'http_request', null, 'methods that the schema does not have are left out');

-- ---------------------------------------------------------------- versions by way of another key

create temporary sequence lsn;
create function pg_temp.entry(action text, key text, old jsonb, new jsonb, changed text[] default null, old_key text default null)
returns void language sql as $$
  insert into public.audit_logs (occurred_at, commit_lsn, ordinal, xid, action, resource_type, resource_id, old_resource_id, old_values, new_values, changed_fields)
  select '2026-11-23 12:00+00'::timestamptz + n * interval '1 minute', '0/1'::pg_lsn + n, n, n, action, 'public.wide', key, old_key, old, new, changed
  from nextval('lsn') as n
$$;
create function pg_temp.last(key text) returns jsonb language sql as $$
  select h.new_values from pgherald.audit_history('wide', key) h order by h.version desc limit 1
$$;
-- Without the row as it was, a large value that did not change is in no entry but the first.
select pg_temp.entry('insert', '1', null, '{"id": 1, "n": 1, "big": "b"}');
select pg_temp.entry('update', '1', null, '{"id": 1, "n": 2}');
select pg_temp.entry('update', '2', '{"id": 1}', '{"id": 2, "n": 2}', old_key => '1');
select pg_temp.entry('update', '3', '{"id": 2}', '{"id": 3, "n": 2}', old_key => '2');
select is(pg_temp.last('3'), '{"id": 3, "n": 2, "big": "b"}', 'it comes along with the row, from key to key');
select is((select old_values from pgherald.audit_history('wide', '3')), '{"id": 1, "n": 2, "big": "b"}'::jsonb || '{"id": 2}', 'as what was there before, too');
select is(pgherald.row_as_of('wide', '3', 'infinity'), '{"id": 3, "n": 2, "big": "b"}', 'and as of a moment');
select pg_temp.entry('insert', '1', null, '{"id": 1, "n": 5}');
select pg_temp.entry('delete', '1', '{"id": 1}', null);
select pg_temp.entry('update', '4', '{"id": 1}', '{"id": 4, "n": 5}', old_key => '1');
select is(pg_temp.last('4'), '{"id": 4, "n": 5}', 'not from a row that was deleted');
select pg_temp.entry('insert', '5', null, '{"id": 5, "n": 0, "big": "b"}');
do $$
begin
  for i in 1 .. 2000 loop
    perform pg_temp.entry('update', (5 + i % 2)::text, jsonb_build_object('id', 6 - i % 2), jsonb_build_object('id', 5 + i % 2, 'n', i), old_key => (6 - i % 2)::text);
  end loop;
end
$$;
set local statement_timeout = '30s';
select is(pg_temp.last('5'), '{"id": 5, "n": 2000, "big": "b"}', 'a row that goes to and fro between two keys is whole, and in time');
set local statement_timeout = 0;

-- ---------------------------------------------------------------- numbers of transactions come round

insert into public.audit_logs (occurred_at, commit_lsn, ordinal, xid, action, resource_type, resource_id, new_values)
select '2026-11-23 12:00+00'::timestamptz - n * interval '1 year', '0/1'::pg_lsn + n, n, 77777, 'insert', 'public.wide', '9', '{"id": 9}' from generate_series(0, 1) as n;
select throws_ok('select pgherald.audit_revert(77777)', '21000', 'several transactions had the number 77777', 'two are not undone as one');
select is((select count(*) from pgherald.audit_revert(77777, p_since => '2026-01-01')), 1::bigint, 'since when tells them apart');

select * from finish();
rollback;
