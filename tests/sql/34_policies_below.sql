-- The policy of a table holds for what is below it: each such table has a row of its own, a copy. What
-- the daemon makes of it: tests/e2e/audit_policies.test.mjs.
begin;
select no_plan();
create schema work;
create table work.root (id int, phone text) partition by range (id);
create table work.leaf_1 partition of work.root for values from (0) to (10);
create table work.mid partition of work.root for values from (10) to (30) partition by range (id);
create table work."Leaf.2" partition of work.mid for values from (10) to (20);
create table work.parent (id int, phone text);
create table work.child () inherits (work.parent);
create table work.other (id int, phone text);

create function pg_temp.copies() returns text language sql as $$
  select string_agg(table_name || ' of ' || inherited_from, ', ' order by table_name collate "C") from pgherald.audit_policies where inherited_from is not null
$$;
create function pg_temp.redact(text) returns text language sql as $$
  select redact::text from pgherald.audit_policies where table_name = $1
$$;

-- ---------------------------------------------------------------- when policies change

insert into pgherald.audit_policies (table_name, redact, hash, only_if_changed, keep) values ('work.root', '{phone}', '{id}', true, '1 year');
select is(pg_temp.copies(), 'work.Leaf.2 of work.root, work.leaf_1 of work.root', 'every leaf, at any depth; not what holds no rows');
select results_eq(
  $$ select is_enabled, redact, ignore, hash, only_if_changed, keep, hash_secret from pgherald.audit_policies where table_name = 'work.leaf_1' $$,
  $$ select is_enabled, redact, ignore, hash, only_if_changed, keep, hash_secret from pgherald.audit_policies where table_name = 'work.root' $$,
  'with all that the policy says, and the secret of its digests');
update pgherald.audit_policies set redact = '{}', ignore = '{phone}', hash = '{}' where table_name = 'work.root';
select is((select ignore || redact || hash from pgherald.audit_policies where table_name = 'work.Leaf.2'), '{phone}', 'a change of it is one of theirs');

insert into pgherald.audit_policies (table_name, redact) values ('work.leaf_1', '{id}');
select is(pg_temp.copies(), 'work.Leaf.2 of work.root', 'a policy of its own takes the place of the copy');
update pgherald.audit_policies set redact = '{phone}' where table_name = 'work.root';
select is(pg_temp.redact('work.leaf_1'), '{id}', 'and the one above does not change it');
update pgherald.audit_policies set redact = '{id}' where table_name = 'work.Leaf.2';
select is(pg_temp.copies(), null, 'who changes a copy makes it a policy of its own');
delete from pgherald.audit_policies where table_name in ('work.Leaf.2', 'work.leaf_1');
select is(pg_temp.copies(), 'work.Leaf.2 of work.root, work.leaf_1 of work.root', 'and who deletes it has the one above again');
insert into pgherald.audit_policies (table_name, redact) values ('work.mid', '{id}');
select is(pg_temp.copies(), 'work.Leaf.2 of work.mid, work.leaf_1 of work.root', 'the nearest above counts');
select is(pg_temp.redact('work.Leaf.2'), '{id}', 'with what it says');
insert into pgherald.audit_policies (table_name, redact, inherited_from) values ('work.other', '{id}', 'work.root');
select is((select inherited_from from pgherald.audit_policies where table_name = 'work.other'), null, 'nobody says himself that his is a copy');
delete from pgherald.audit_policies where table_name like 'work.%' and inherited_from is null;
select is((select count(*) from pgherald.audit_policies), 0::bigint, 'a policy that goes takes its copies along');

insert into pgherald.audit_policies (table_name, redact) values ('work.parent', '{phone}');
select is(pg_temp.copies(), 'work.child of work.parent', 'what inherits from a table is below it');
insert into pgherald.audit_policies (table_name, redact) values ('*', '{phone}'), ('work.*', '{phone}'), ('work.nowhere', '{phone}');
select is(pg_temp.copies(), 'work.child of work.parent', 'patterns name all tables anyway');
insert into pgherald.audit_policies (table_name, redact) values ('work.root', '{phone}') on conflict (table_name) do update set redact = excluded.redact;
select is(pgherald.inherit_policies(), 0, 'nothing is left to do');

-- ---------------------------------------------------------------- when tables change

create table work.leaf_3 partition of work.root for values from (30) to (40);
create table work.grandchild () inherits (work.child);
select is(pg_temp.redact('work.leaf_3') || pg_temp.redact('work.grandchild'), '{phone}{phone}', 'a table that is made below one is cared for at once');
create table work.late (id int, phone text);
alter table work.root attach partition work.late for values from (40) to (50);
select is(pg_temp.redact('work.late'), '{phone}', 'one that is attached too');
alter table work.late rename to later;
select is(pg_temp.redact('work.later'), '{phone}', 'it keeps it under another name');
select is(pg_temp.redact('work.late'), null, 'and nothing is left of the old one');
alter table work.root detach partition work.later;
select is((select redact::text || coalesce(inherited_from, ' its own') from pgherald.audit_policies where table_name = 'work.later'), '{phone} its own',
  'one that is detached holds what it held');
drop table work.leaf_3;
select is(pg_temp.redact('work.leaf_3'), null, 'a table that is gone needs none');
create table work.leaf_3 (id int, phone text);
select is(pg_temp.redact('work.leaf_3'), null, 'nor does another one of its name have any');
alter schema work rename to work_2;
select is(pg_temp.copies(), null, 'the policies name tables that are no longer there');
select is(pg_temp.redact('work.leaf_1'), null, 'nor are those below');
alter schema work_2 rename to work;
select is(pg_temp.copies(), 'work.Leaf.2 of work.root, work.child of work.parent, work.grandchild of work.parent, work.leaf_1 of work.root', 'and now they are');

select is(tap.attempt(role, null, 'select pgherald.' || what), '42501', role || ': ' || what)
from unnest(array['anon', 'authenticated', 'service_role']) as role, unnest(array['inherit_policies()', 'policy_heirs()']) as what;

select * from finish();
rollback;
