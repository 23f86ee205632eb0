-- Tries every cell of docs/access.md: each table, each operation, as each kind of caller, on
-- a row that is there. The page is the expectation; what a real attempt does is compared.
begin;
\set page `cat docs/access.md`
select no_plan();
select tap.people();
select tap.fixture();

create temporary table line as
select n, string_to_array(trim(both '| ' from l), ' | ') as cells
from regexp_split_to_table(:'page', E'\n') with ordinality as t (l, n)
where l like '| `%';

create temporary table expected as
select replace(cells[1], '`', '') as relation, actor, cells[i] as cell
from line, (values (2, 'anon'), (3, 'owner'), (4, 'participant'), (5, 'other user'), (6, 'service_role')) as a (i, actor)
where cardinality(cells) = 6
  -- beside a project of its own there are no tables of the application
  and (to_regclass('public.users') is not null or to_regclass(replace(cells[1], '`', '')) is not null);

-- What a caller can do with the one row of a table that tap.fixture() made. Letters as in
-- the page: capital when every column can be reached, small when some can.
create function pg_temp.actual(role text, sub uuid, relation regclass, out cell text, out reached jsonb)
language plpgsql as $$
declare
  row_text jsonb;
  key_cond text;
  columns text[];
  usable text[];
  result text;
begin
  cell := '';
  reached := '{}';
  execute format('select to_jsonb(t) from %s t %s limit 1', relation,
    case relation::text when 'users' then format('where id = %L', tap.ann()) else '' end) into row_text;
  select string_agg(format('%I = %L', a.attname, row_text ->> a.attname::text), ' and ') into key_cond
  from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
  where i.indrelid = relation and i.indisprimary;
  select array_agg(quote_ident(attname) order by attnum) into columns
  from pg_attribute where attrelid = relation and attnum > 0 and not attisdropped;

  -- select: the row with all columns, else each column by itself
  if tap.attempt(role, sub, format('select * from %s where %s', relation, key_cond)) = '1' then
    cell := cell || 'S';
  else
    usable := array(select c from unnest(columns) as c
      where tap.attempt(role, sub, format('select %s from %s where %s', c, relation, key_cond)) = '1');
    if usable <> '{}' then
      cell := cell || 's';
      reached := reached || jsonb_build_object('s', usable);
    end if;
  end if;

  select array_agg(quote_ident(attname) order by attnum) into columns
  from pg_attribute where attrelid = relation and attnum > 0 and not attisdropped and attgenerated = '';

  -- insert: the same row again after it is gone; else only the columns that the caller may
  -- name, with new values for the rest
  begin
    set local session_replication_role = replica;  -- neither cascades nor the audit trail's guard
    execute format('delete from %s where %s', relation, key_cond);
    set local session_replication_role = origin;
    result := tap.attempt(role, sub, format('insert into %s (%s) overriding system value select %2$s from jsonb_populate_record(null::%1$s, %3$L)',
      relation, array_to_string(columns, ', '), row_text));
    if result = '1' then
      cell := cell || 'I';
    else
      usable := array(select c from unnest(columns) as c
        where has_column_privilege(role, relation, trim(both '"' from c), 'insert'));
      if usable <> '{}' and '1' = tap.attempt(role, sub, format('insert into %s (%s) select %2$s from jsonb_populate_record(null::%1$s, %3$L)',
        relation, array_to_string(usable, ', '), row_text))
      then
        cell := cell || 'i';
        reached := reached || jsonb_build_object('i', usable);
      end if;
    end if;
    raise exception 'take it back' using errcode = 'TAPOK';
  exception when sqlstate 'TAPOK' then
    null;
  end;

  -- update: every column to its own value, else each column by itself
  select array_agg(quote_ident(attname) order by attnum) into columns
  from pg_attribute
  where attrelid = relation and attnum > 0 and not attisdropped and attgenerated = '' and attidentity <> 'a';
  if tap.attempt(role, sub, format('update %s set %s where %s', relation,
      (select string_agg(format('%s = %1$s', c), ', ') from unnest(columns) as c), key_cond)) = '1'
  then
    cell := cell || 'U';
  else
    usable := array(select c from unnest(columns) as c
      where tap.attempt(role, sub, format('update %1$s set %2$s = (jsonb_populate_record(null::%1$s, %3$L)).%2$s where %4$s',
        relation, c, row_text, key_cond)) = '1');
    if usable <> '{}' then
      cell := cell || 'u';
      reached := reached || jsonb_build_object('u', usable);
    end if;
  end if;

  if tap.attempt(role, sub, format('delete from %s where %s', relation, key_cond)) = '1' then
    cell := cell || 'D';
  end if;
  cell := coalesce(nullif(cell, ''), '-');
end
$$;

select bag_eq(
  $$ select distinct relation from expected $$,
  $$ select n.nspname || '.' || c.relname
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and (n.nspname in ('public', 'pgherald') or c.oid = 'realtime.messages'::regclass) $$,
  'docs/access.md names every table, and no other');

create temporary table actual as
select e.relation, e.actor, e.cell as expected, a.cell as found, a.reached
from expected e
join (values
  ('anon', 'anon', null::uuid),
  ('owner', 'authenticated', tap.ann()),
  ('participant', 'authenticated', tap.bob()),
  ('other user', 'authenticated', tap.cy()),
  ('service_role', 'service_role', null)
) as w (actor, role, sub) using (actor)
cross join lateral pg_temp.actual(w.role, w.sub, e.relation::regclass) as a;

select is(found, expected, format('%s on %s: %s', actor, relation, expected)) from actual order by relation, actor;

-- An UPDATE or DELETE that reads no column is not held to the policies for SELECT, and so
-- could reach rows that its caller does not see.
create function pg_temp.blind(role text, sub uuid, relation regclass) returns setof text
language plpgsql as $$
declare
  row_text jsonb;
  visible int;
  columns text[];
  statement text;
  result text;
begin
  execute format('select to_jsonb(t) from %s t %s limit 1', relation,
    case relation::text when 'users' then format('where id = %L', tap.ann()) else '' end) into row_text;
  select array_agg(quote_ident(attname) order by attnum) into columns
  from pg_attribute where attrelid = relation and attnum > 0 and not attisdropped and attgenerated = '';
  visible := coalesce(nullif(tap.attempt(role, sub, format('select from %s', relation)), '42501')::int, 0);
  foreach statement in array array(
      select format('update %1$s set %2$s = (jsonb_populate_record(null::%1$s, %3$L)).%2$s', relation, c, row_text) from unnest(columns) as c
    ) || format('delete from %s', relation)
  loop
    result := tap.attempt(role, sub, statement);
    if result <> '42501' and (result !~ '^[0-4]$' or result::int > visible) then
      return next format('%s of %s visible rows: %s', result, visible, statement);
    end if;
  end loop;
end
$$;
select is_empty(
  format('select pg_temp.blind(%L, %L, %L)', w.role, w.sub, e.relation),
  format('%s on %s: no row changes unseen', w.actor, e.relation))
from (select distinct relation from expected) as e
cross join (values ('anon', 'anon', null::uuid), ('participant', 'authenticated', tap.bob()), ('other user', 'authenticated', tap.cy())) as w (actor, role, sub)
order by e.relation, w.actor;

-- The columns behind the small letters.
select is(
  (select array_agg(c order by c) from jsonb_array_elements_text(a.reached -> l.letter) as c),
  (select array_agg(c order by c) from unnest(string_to_array(l.columns, ', ')) as c),
  format('owner on %s, columns for %s', l.relation, l.letter))
from (select replace(cells[1], '`', '') as relation, cells[2] as letter, cells[3] as columns from line where cardinality(cells) = 3) as l
join actual a on a.relation = l.relation and a.actor = 'owner';
select is(
  (select array_agg(a.relation || ' ' || k order by a.relation, k) from actual a, jsonb_object_keys(a.reached) as k where a.actor = 'owner'),
  (select array_agg(replace(cells[1], '`', '') || ' ' || cells[2] order by replace(cells[1], '`', ''), cells[2])
   from line where cardinality(cells) = 3 and replace(cells[1], '`', '') in (select relation from expected)),
  'docs/access.md lists the columns of every small letter');

-- No caller gets around the parent by a partition's own name.
select is(tap.attempt(role, null, statement), '42501', format('%s: %s', role, statement))
from unnest(array['anon', 'authenticated', 'service_role']) as role,
  unnest(array[
    'select from pgherald_audit.audit_logs_default',
    'insert into pgherald_audit.audit_logs_default (id, action, resource_type) values (1, ''x'', ''y'')',
    'delete from pgherald_audit.audit_logs_default',
    'truncate pgherald_audit.audit_logs_default']) as statement;

-- Row level security is on wherever anyone has a grant, and nobody may truncate.
select is_empty(
  $$ select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity $$,
  'row level security is on for every table in public');
select is_empty(
  $$ select c.relname, r from pg_class c, unnest(array['anon', 'authenticated', 'service_role']) as r
     where c.relnamespace in ('public'::regnamespace, 'pgherald'::regnamespace, 'pgherald_audit'::regnamespace)
       and c.relkind in ('r', 'p') and has_table_privilege(r, c.oid, 'truncate, references, trigger') $$,
  'nobody has TRUNCATE, REFERENCES or TRIGGER');
select is_empty(
  $$ select c.relname from pg_class c
     where c.relnamespace in ('public'::regnamespace, 'pgherald'::regnamespace, 'pgherald_audit'::regnamespace)
       and c.relkind in ('r', 'p', 'v') and has_any_column_privilege('anon', c.oid, 'select, insert, update, references') $$,
  'anon has no privilege on any table or view');

-- setval() on a sequence of ours would make inserts collide.
select is_empty(
  $$ select c.oid::regclass, r from pg_class c, unnest(array['anon', 'authenticated', 'service_role']) as r
     where c.relnamespace in ('public'::regnamespace, 'pgherald'::regnamespace, 'pgherald_audit'::regnamespace)
       and case c.relkind when 'S' then has_sequence_privilege(r, c.oid, case r when 'service_role' then 'update' else 'usage, select, update' end) end $$,
  'no client has a privilege on a sequence, and the service may not set one');

-- ---------------------------------------------------------------- functions

create temporary table allowed as
select replace(cells[1], '`', '') as name, role, cells[i] as cell
from line, (values (2, 'anon'), (3, 'authenticated'), (4, 'service_role')) as a (i, role)
where cardinality(cells) = 4
  and (to_regclass('public.users') is not null or to_regproc(replace(cells[1], '`', '')) is not null);

select bag_eq(
  $$ select distinct name from allowed where name like 'public.%' $$,
  $$ select 'public.' || p.proname from pg_proc p
     where p.pronamespace = 'public'::regnamespace
       and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e') $$,
  'docs/access.md names every function of schema public, and no other');
select is_empty(
  $$ select p.oid::regprocedure, r from pg_proc p, unnest(array['anon', 'authenticated', 'service_role']) as r
     where p.pronamespace in ('pgherald'::regnamespace, 'pgherald_audit'::regnamespace)
       and has_function_privilege(r, p.oid, 'execute')
       and p.pronamespace::regnamespace || '.' || p.proname not in (select name from allowed) $$,
  'no client calls a function of pgherald''s own schemas that is not listed');

select is(
  case when has_function_privilege(a.role, p.oid, 'execute') then 'x' else '-' end, a.cell,
  format('%s calls %s: %s', a.role, a.name, a.cell))
from allowed a
join pg_proc p on a.name = p.pronamespace::regnamespace || '.' || p.proname
order by a.name, a.role;

-- A search_path of its own for whatever a client can set off: by a call, a trigger, a policy, or
-- with the owner's rights. What only the daemon calls, with its own rights, may follow its path.
select is_empty(
  $$ select p.oid::regprocedure from pg_proc p
     where p.pronamespace in ('public'::regnamespace, 'pgherald'::regnamespace, 'pgherald_audit'::regnamespace)
       and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')
       and (p.prosecdef or p.prorettype = 'trigger'::regtype
         or exists (select 1 from unnest(array['anon', 'authenticated', 'service_role']) as r where has_function_privilege(r, p.oid, 'execute')))
       and not (coalesce(p.proconfig, '{}') && array['search_path=""', 'search_path=']) $$,
  'every function that a client can set off has its own search_path');

select is_empty(
  $$ select nspname, r from pg_namespace, unnest(array['anon', 'authenticated', 'service_role']) as r
     where nspname in ('pgherald', 'pgherald_audit')
       and has_schema_privilege(r, oid, case nspname when 'pgherald' then 'create' else 'usage, create' end) $$,
  'no client enters pgherald_audit or creates in pgherald');
-- PostgREST calls pre_request() by its name, under the role of the request.
select is_empty(
  $$ select r from unnest(array['anon', 'authenticated', 'service_role']) as r where not has_schema_privilege(r, 'pgherald', 'usage') $$,
  'clients enter pgherald for the functions that docs/access.md lists');
select is_empty(
  $$ select r from unnest(array['anon', 'authenticated', 'service_role']) as r where has_schema_privilege(r, 'public', 'create') $$,
  'no client creates in schema public');

-- ---------------------------------------------------------------- views

select is(tap.call('authenticated', tap.ann(), 'select count(*) from public.job_status_summary'), '1', 'a user sees the summary of his jobs');
select is(tap.call('authenticated', tap.cy(), 'select count(*) from public.job_status_summary'), '0', 'and not of others''');
select is(tap.attempt('anon', null, 'select * from public.job_status_summary'), '42501', 'anon does not see job_status_summary');

select is(tap.call('authenticated', tap.ann(), 'select count(distinct activity_type) from public.user_recent_activity'), '8', 'a user sees all kinds of his activity')
where to_regclass('public.users') is not null;
select is(tap.call('authenticated', tap.cy(), 'select count(*) from public.user_recent_activity'), '0', 'and not of others''')
where to_regclass('public.users') is not null;
select is(tap.attempt('anon', null, 'select * from public.user_recent_activity'), '42501', 'anon does not see user_recent_activity')
where to_regclass('public.users') is not null;

-- A caller without claims sees nothing.
select is(tap.attempt('authenticated', null, 'select * from public.notifications'), '0', 'authenticated without a user sees no row');

select * from finish();
rollback;
