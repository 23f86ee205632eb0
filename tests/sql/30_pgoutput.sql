-- The publications that pgoutput reads: every table that is followed, from the commit on that makes
-- it, and never so that an UPDATE fails.
begin;
select no_plan();

create schema shop;
create table shop.keyed (id int primary key, v text);
create table shop.bare (v text);
create table shop.full_identity (v text);
alter table shop.full_identity replica identity full;
create table shop.nothing (id int primary key);
alter table shop.nothing replica identity nothing;
create table shop.deferred (id int primary key deferrable);
create unlogged table shop.fleeting (id int primary key);
create table shop."Odd ""name" (id int primary key);
create table shop.parted (id int, at date, primary key (id, at)) partition by range (at);
create table shop.parted_1 partition of shop.parted for values from ('2026-01-01') to ('2027-01-01');
create table shop.mixed (id int, at date) partition by range (at);
create table shop.mixed_1 partition of shop.mixed for values from ('2026-01-01') to ('2027-01-01');
create table shop.mixed_2 partition of shop.mixed (primary key (id)) for values from ('2027-01-01') to ('2028-01-01');
create schema attic;
create table attic.parted_0 partition of shop.parted for values from ('2025-01-01') to ('2026-01-01');
create table attic.noted (id int primary key);
create table attic.other (id int primary key);

create view pg_temp.held as
select pubname::text, schemaname || '.' || tablename as name from pg_publication_tables where pubname like 'pgherald_test%';
select lives_ok($$ select pgherald.follow_tables('pgherald_test', '{shop}', '{attic.noted}') $$, 'follow_tables()');
create temporary table wanted as
select * from (values
  ('pgherald_test', 'shop.keyed'), ('pgherald_test', 'shop.full_identity'), ('pgherald_test', 'shop.Odd "name'),
  ('pgherald_test', 'shop.parted_1'), ('pgherald_test', 'attic.parted_0'), ('pgherald_test', 'shop.mixed_2'), ('pgherald_test', 'attic.noted'),
  ('pgherald_test_inserts', 'shop.bare'), ('pgherald_test_inserts', 'shop.nothing'), ('pgherald_test_inserts', 'shop.deferred'),
  ('pgherald_test_inserts', 'shop.mixed_1'), ('pgherald_test_inserts', 'shop.mixed_2')) as v (pubname, name);
select set_eq('table pg_temp.held', 'table wanted', 'whole where there is a replica identity, new rows of the others');
select results_eq(
  $$ select pubname::text collate "default", concat_ws(' ', pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot, puballtables) from pg_publication where pubname like 'pgherald_test%' order by 1 $$,
  $$ values ('pgherald_test', 't t t t f f'), ('pgherald_test_inserts', 't f f t f f') $$, 'what they publish');
select results_eq(
  $$ select relation::text, held, reason from pgherald.published_tables('pgherald_test') where held is distinct from 'whole' order by relation::text collate "C" $$,
  $$ values
    ('shop.bare', 'inserts', 'no replica identity: its UPDATEs and DELETEs are not seen'),
    ('shop.deferred', 'inserts', 'no replica identity: its UPDATEs and DELETEs are not seen'),
    ('shop.fleeting', null, 'unlogged: its changes are not in the WAL'),
    ('shop.mixed', 'inserts', 'no replica identity: its UPDATEs and DELETEs are not seen'),
    ('shop.nothing', 'inserts', 'no replica identity: its UPDATEs and DELETEs are not seen') $$, 'and what is missing');

-- the reason for the second one: updates of every table go on working
insert into shop.keyed values (1); insert into shop.bare values (1); insert into shop.full_identity values (1);
insert into shop.nothing values (1); insert into shop.deferred values (1);
insert into shop.parted values (1, '2026-06-01'), (1, '2025-06-01'); insert into shop.mixed values (1, '2026-06-01'), (2, '2027-06-01');
select lives_ok(format('update shop.%I set %I = %2$I', t, c), t || ' can be updated')
from (values ('keyed', 'v'), ('bare', 'v'), ('full_identity', 'v'), ('nothing', 'id'), ('deferred', 'id'), ('parted', 'id'), ('mixed', 'id')) as x (t, c);
select lives_ok(format('delete from shop.%I', t), t || ' can be deleted from')
from unnest(array['keyed', 'bare', 'full_identity', 'nothing', 'deferred', 'parted', 'mixed']) as t;

-- ---------------------------------------------------------------- DDL: published in the same transaction

create function pg_temp.where_is(name text) returns text language sql as $$
  select coalesce(string_agg(pubname, ' ' order by pubname), '-') from pg_temp.held h where h.name = where_is.name
$$;
create table shop.later (id int primary key);
select is(pg_temp.where_is('shop.later'), 'pgherald_test', 'CREATE TABLE');
create table shop.made_as as select 1 as x;
select is(pg_temp.where_is('shop.made_as'), 'pgherald_test_inserts', 'CREATE TABLE AS: there is no key yet');
select 1 as x into shop.selected;
select is(pg_temp.where_is('shop.selected'), 'pgherald_test_inserts', 'SELECT INTO');
alter table shop.made_as add primary key (x);
select is(pg_temp.where_is('shop.made_as'), 'pgherald_test', 'a key that is added');
alter table shop.made_as drop constraint made_as_pkey;
select is(pg_temp.where_is('shop.made_as'), 'pgherald_test_inserts', 'and dropped');
select lives_ok('update shop.made_as set x = 2', 'which would have made its UPDATEs fail');
alter table shop.made_as replica identity full;
select is(pg_temp.where_is('shop.made_as'), 'pgherald_test', 'REPLICA IDENTITY FULL');
create table shop.by_index (id int not null);
create unique index by_index_key on shop.by_index (id);
alter table shop.by_index replica identity using index by_index_key;
select is(pg_temp.where_is('shop.by_index'), 'pgherald_test', 'REPLICA IDENTITY USING INDEX');
drop index shop.by_index_key;
select is(pg_temp.where_is('shop.by_index'), 'pgherald_test_inserts', 'DROP INDEX of it');
create table attic.moving (id int primary key);
select is(pg_temp.where_is('attic.moving'), '-', 'a table of another schema');
alter table attic.moving set schema shop;
select is(pg_temp.where_is('shop.moving'), 'pgherald_test', 'that moves here');
alter table shop.moving set schema attic;
select is(pg_temp.where_is('attic.moving'), '-', 'and away');
alter table shop.later rename to renamed;
select is(pg_temp.where_is('shop.renamed'), 'pgherald_test', 'a new name');
drop table shop.renamed;
create table shop.parted_2 partition of shop.parted for values from ('2027-01-01') to ('2028-01-01');
select is(pg_temp.where_is('shop.parted_2'), 'pgherald_test', 'a partition, by its root');
create table shop.mixed_3 partition of shop.mixed (primary key (id)) for values from ('2028-01-01') to ('2029-01-01');
select is(pg_temp.where_is('shop.mixed_3'), 'pgherald_test pgherald_test_inserts', 'a partition with a key, beside a root that is not whole');
create temporary table fleeting (id int primary key);
select is((select count(*) from pg_temp.held where name like '%fleeting'), 0::bigint, 'a temporary table is nothing');

-- ---------------------------------------------------------------- who did not make it

alter publication pgherald_test set (publish = 'insert', publish_via_partition_root = true);
alter publication pgherald_test drop table shop.keyed;
alter publication pgherald_test add table attic.other;
alter publication pgherald_test set table shop.full_identity (v);
select lives_ok($$ select pgherald.publish_tables('pgherald_test') $$, 'what somebody has changed');
select is(pg_temp.where_is('shop.keyed') || pg_temp.where_is('attic.other'), 'pgherald_test-', 'is put back');
select results_eq(
  $$ select concat_ws(' ', pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot) from pg_publication where pubname = 'pgherald_test' $$,
  $$ values ('t t t t f') $$, 'with what is published');
select is((select prattrs from pg_publication_rel r join pg_publication p on p.oid = prpubid where pubname = 'pgherald_test' and prrelid = 'shop.full_identity'::regclass),
  null, 'and with all columns');

create publication foreign_one for table shop.keyed;
select throws_like($$ select pgherald.follow_tables('foreign_one', '{shop}', '{}') $$, '%was not made by pgherald and is left as it is', 'somebody else''s publication is left alone');
create publication everything for all tables;
comment on publication everything is 'pgherald: so it says';
select throws_like($$ select pgherald.follow_tables('everything', '{shop}', '{}') $$, '%was not made by pgherald and is left as it is', 'one of all tables, too');

-- DDL never fails for it
insert into pgherald.publications (name, schemas) values ('foreign_one', '{shop}');
select lives_ok('create table shop.all_the_same (id int primary key)', 'a table is made though its publication cannot be kept');
select is(pg_temp.where_is('shop.all_the_same'), 'pgherald_test', 'and the other one is');

-- ---------------------------------------------------------------- without a superuser

create role pgherald_test_owner nologin;
alter table shop.keyed owner to pgherald_test_owner;
grant usage, create on schema shop to pgherald_test_owner;
grant usage on schema pgherald to pgherald_test_owner;
set local role pgherald_test_owner;
create table shop.of_another (id int primary key);
reset role;
select is(pg_temp.where_is('shop.of_another'), 'pgherald_test', 'which is published by the trigger''s owner');
select throws_like($$ select tap.call('pgherald_test_owner', null, 'select pgherald.publish_tables(''pgherald_test'')') $$, 'permission denied%', 'the functions are the owner''s alone');

select * from finish();
rollback;
