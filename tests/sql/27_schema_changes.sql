-- What is shown of a statement, and who may note changes of the schema. That entries come of them:
-- tests/e2e/audit_schema.test.mjs.
begin;
select no_plan();

select is(pgherald.shown_statement(given), wanted, left(given, 60))
from (values
  (null, null),
  ('', ''),
  ('create table a (b int)', 'create table a (b int)'),
  ('  create table a ()  ', 'create table a ()'),
  ('create table a (b text default ''secret'')', 'create table a (b text default ''...'')'),
  ('a ''one'' ''two'' b', 'a ''...'' ''...'' b'),
  ('a ''it''''s secret'' b', 'a ''...''''...'' b'),
  ('a ''''''secret'' b', 'a ''...''''...'' b'),
  ('a ''not closed', 'a ...'),
  ('a ''back\slash'' ''secret''', 'a ...'),
  ('a E''back\''s secret'' b', 'a E ...'),
  ('"it''s" ''secret'' "b"', '"it''s" ''...'' "b"'),
  ('"a""''b" ''secret''', '"a""''b" ''...'''),
  ('"not closed ''secret''', ' ...'),
  (E'a -- ''secret\nb ''secret''', E'a \nb ''...'''),
  ('a -- secret', 'a'),
  ('a - b / c', 'a - b / c'),
  ('a /* ''secret */ b', 'a  b'),
  ('a /* x /* y */ ''secret */ b', 'a ...'),
  ('a /* secret', 'a ...'),
  ('as $$ secret $$ c', 'as $...$ c'),
  ('as $body$ secret $$ ''x'' $$ secret $body$ c', 'as $...$ c'),
  ('as $body$ secret $$', 'as ...'),
  ('$1 and $2 ''secret''', '$1 and $2 ''...'''),
  ('a$b$c ''secret'' d$b$e', 'a$b$c ''...'' d$b$e'),
  ('as $é$ secret $é$ c', 'as $...$ c'),
  ('$$secret$$$$secret$$ a$1$$b', '$...$$...$ a$1$$b'),
  ('$1$$secret$$', '$1$...$'),
  ('U&''secret'' X''ff'' é', 'U&''...'' X''...'' é')
) as t (given, wanted);

select is(length(pgherald.shown_statement(repeat('a', 1000000))), 4004, 'what is long is cut');
select is(right(pgherald.shown_statement(repeat('a b', 1400)), 4), ' ...', 'and says so');
select is(pgherald.shown_statement(repeat('"', 8000) || '''secret'''), repeat('"', 4000) || ' ...', 'also between quotes');
select ok(pgherald.shown_statement(left(repeat(piece, 8000), n)) not like '%secret%', format('cut anywhere: %s %s', piece, n))
from unnest(array['''secret''', '$$secret$$', '/*secret*/', '-- secret' || chr(10)]) as piece, generate_series(7990, 8005) as n;

select is((select string_agg(concat_ws(' ', evtname, evtevent, evtenabled, obj_description(oid, 'pg_event_trigger') like 'pgherald:%'), ', ' order by evtname)
  from pg_event_trigger where evtname like 'pgherald%'), 'pgherald_note_ddl ddl_command_end O t, pgherald_note_drop sql_drop O t', 'the event triggers are there');
select is(pgherald.note_schema_changes(), true, 'and are not made twice');
select is(tap.attempt(role, null, 'select pgherald.' || what), '42501', role || ': ' || what)
from unnest(array['anon', 'authenticated', 'service_role']) as role,
  unnest(array['note_schema_changes()', 'shown_statement(''x'')', 'emit_schema_change(''x'', ''{}'', ''{}'')']) as what;

select * from finish();
rollback;
