-- The sidecar's state, and the publication that must never make an UPDATE fail.
begin;
select no_plan();

select lives_ok($$ insert into pgherald.audit_policies (table_name) values ('*'), ('public.*'), ('public.memories'), ('My Schema.T') $$, 'policies name a table, a schema or all');
select lives_ok($$ insert into pgherald.rules (slot_name, kind, id, row) values
  ('a', 'webhook', '1', '{}'), ('a', 'notification_rule', '1', '{}'), ('b', 'webhook', '1', '{}') $$, 'rules are kept by slot and kind');
select is_empty(
  $$ select c.relname, r, p from pg_class c, unnest(array['public', 'anon', 'authenticated', 'service_role']) as r, unnest(array['select', 'insert', 'update', 'delete']) as p
     where c.relnamespace = 'pgherald'::regnamespace and c.relkind = 'r' and r <> 'public' and has_table_privilege(r, c.oid, p) $$,
  'the state is the daemon''s alone');

-- ---------------------------------------------------------------- publication

create schema shop;
create table shop.keyed (id int primary key, v text);
create table shop.bare (v text);
create table shop.full_identity (v text);
alter table shop.full_identity replica identity full;
create table shop.by_index (id int not null, v text);
create unique index by_index_key on shop.by_index (id);
alter table shop.by_index replica identity using index by_index_key;
create table shop.nothing (id int primary key);
alter table shop.nothing replica identity nothing;
create table shop.deferred (id int primary key deferrable);
create unlogged table shop.fleeting (id int primary key);
create view shop.a_view as select 1 as x;
create table shop."Odd ""name" (id int primary key);
create table shop.parted (id int, at date, primary key (id, at)) partition by range (at);
create table shop.parted_1 partition of shop.parted for values from ('2026-01-01') to ('2027-01-01');
create table shop.loose (id int, at date) partition by range (at);
create table shop.loose_1 partition of shop.loose for values from ('2026-01-01') to ('2027-01-01');
alter table shop.loose replica identity full;  -- which does not reach the partition
create schema attic;
create table attic.parted_0 partition of shop.parted for values from ('2025-01-01') to ('2026-01-01');

create temporary table told as select * from pgherald.refresh_publication('pgherald_test', array['shop']);
select set_eq(
  $$ select schemaname || '.' || tablename from pg_publication_tables where pubname = 'pgherald_test' $$,
  $$ values ('shop.keyed'), ('shop.full_identity'), ('shop.by_index'), ('shop.Odd "name'), ('shop.parted_1'), ('attic.parted_0') $$,
  'tables with a replica identity, partitions through their root');
select results_eq(
  $$ select relation::text, reason from told where reason is not null order by relation::text collate "C" $$,
  $$ values
    ('shop.bare', 'no replica identity on shop.bare: add a primary key, or alter table shop.bare replica identity full'),
    ('shop.deferred', 'no replica identity on shop.deferred: add a primary key, or alter table shop.deferred replica identity full'),
    ('shop.fleeting', 'unlogged: its changes are not in the WAL'),
    ('shop.loose', 'no replica identity on shop.loose_1: add a primary key, or alter table shop.loose_1 replica identity full'),
    ('shop.nothing', 'no replica identity on shop.nothing: add a primary key, or alter table shop.nothing replica identity full') $$,
  'and the others with what to do');

-- the reason for all this: updates of every table go on working
insert into shop.keyed values (1); insert into shop.bare values (1); insert into shop.full_identity values (1);
insert into shop.by_index values (1); insert into shop.nothing values (1); insert into shop.deferred values (1);
insert into shop.parted values (1, '2026-06-01'), (1, '2025-06-01'); insert into shop.loose values (1, '2026-06-01');
select lives_ok(format('update shop.%I set %I = %2$I', t, c), t || ' can be updated')
from (values ('keyed', 'v'), ('bare', 'v'), ('full_identity', 'v'), ('by_index', 'v'), ('nothing', 'id'), ('deferred', 'id'), ('parted', 'id'), ('loose', 'id')) as x (t, c);
select lives_ok(format('delete from shop.%I', t), t || ' can be deleted from')
from unnest(array['keyed', 'bare', 'full_identity', 'by_index', 'nothing', 'deferred', 'parted', 'loose']) as t;

-- and the test of the test
alter publication pgherald_test add table shop.bare;
insert into shop.bare values (1);
select throws_like('update shop.bare set v = v', '%does not have a replica identity%', 'PostgreSQL does refuse such updates');

create table shop.later (id int primary key);
drop table shop.keyed;
select is((select count(*) from pgherald.refresh_publication('pgherald_test', array['shop'])), 10::bigint, 'a second time');
select set_eq(
  $$ select schemaname || '.' || tablename from pg_publication_tables where pubname = 'pgherald_test' $$,
  $$ values ('shop.later'), ('shop.full_identity'), ('shop.by_index'), ('shop.Odd "name'), ('shop.parted_1'), ('attic.parted_0') $$,
  'follows the tables that are there');

select results_eq(
  $$ select relation::text from pgherald.publishable_tables(array['attic']) $$, $$ values ('attic.parted_0') $$,
  'a partition whose root is out of reach stands for itself');
select set_eq(
  $$ select relation::text from pgherald.publishable_tables(array['pgherald']) where reason is null $$,
  $$ values ('pgherald.audit_policies'), ('pgherald.jobs'), ('pgherald.store_marks') $$, 'of our own state, what the daemon has to see');
select set_eq(
  $$ select relation::text from pgherald.publishable_tables(array['public']) where reason is not null $$,
  $$ values ('audit_logs'), ('webhook_deliveries'), ('webhook_attempts') $$, 'of the public tables, not what it writes itself');

select lives_ok($$ select pgherald.refresh_publication('pgherald_test', array['nowhere']) $$, 'no table at all');
select is((select count(*) from pg_publication_tables where pubname = 'pgherald_test'), 0::bigint, 'is an empty publication');
select is((select obj_description(oid, 'pg_publication') from pg_publication where pubname = 'pgherald_test') like 'pgherald:%', true, 'which is ours');

create publication foreign_one for table shop.later;
select throws_like($$ select pgherald.refresh_publication('foreign_one', array['shop']) $$, '%was not made by pgherald and is left as it is', 'somebody else''s publication is left alone');
select is((select count(*) from pg_publication_tables where pubname = 'foreign_one'), 1::bigint, 'as it was');

create role pgherald_test_owner nologin;
alter table shop.later owner to pgherald_test_owner;
grant usage on schema pgherald, shop to pgherald_test_owner;
grant execute on function pgherald.publishable_tables(text[]) to pgherald_test_owner;
select is(tap.call('pgherald_test_owner', null, $$ select string_agg(relation::text, ',') from pgherald.publishable_tables(array['shop']) where reason is null $$),
  'shop.later', 'one can only publish one''s own tables');
select matches(tap.call('pgherald_test_owner', null, $$ select reason from pgherald.publishable_tables(array['shop']) where relation = 'shop.full_identity'::regclass $$),
  '^owned by .*: only the owner can publish it$', 'and is told whose the others are');

select * from finish();
rollback;
