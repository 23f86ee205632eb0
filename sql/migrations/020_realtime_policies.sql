-- pgherald: set=core
--
-- Realtime: policies of a known shape are judged by the daemon, on the row in memory. Here is what
-- it needs for that: the policies of a table that hold for a role, in PostgreSQL's own parsed form,
-- and a print of everything that they rest on. The daemon shows the print that it knows; as long as
-- nothing has changed that is all it is told. This is asked for every few rows, so it has to be quick:
-- the statements are small ones with one plan each, which plpgsql keeps.

-- What a role may do with a table, without the policies' text; see pgherald.realtime_access().
-- `rows`: where all rows of the catalog stand that this depends on, as the snapshot sees them. Whatever
-- changes a row gives it another (xmin, ctid); of roles, whose table is not for everybody to read,
-- there are the attributes themselves.
create or replace function pgherald.realtime_rights(
  rel oid,
  client_role text,
  out refused text,
  out readable boolean,
  out hidden text,
  out judged boolean,
  out policies oid[],
  out rows text
)
language plpgsql stable
set search_path = ''
as $$
declare
  t record;
  r record;
  groups oid[];  -- all that the role is a member of
  found oid[];
  more text;
begin
  select c.relnamespace, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
      concat_ws(' ', c.oid, c.xmin, c.ctid, n.xmin, n.ctid, d.datdba) as rows
    into strict t
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_database d on d.datname = current_database()
  where c.oid = rel;
  select a.oid, a.rolsuper, a.rolinherit, a.rolbypassrls into r
  from pg_catalog.pg_roles a
  where a.rolname = client_role;
  rows := concat_ws(' ', t.rows, r);
  -- most clients' roles are members of nothing
  select array_agg(m.roleid), string_agg(concat_ws(' ', m.xmin, m.ctid), ' ' order by m.roleid)
    into found, more
  from pg_catalog.pg_auth_members m
  where m.member = r.oid;
  while found is not null loop
    groups := groups || found;
    rows := concat_ws(' ', rows, more, (
      select string_agg(concat_ws(' ', a.oid, a.rolsuper, a.rolinherit), ' ' order by a.oid)
      from pg_catalog.pg_roles a
      where a.oid = any (found)));
    select array_agg(m.roleid), string_agg(concat_ws(' ', m.xmin, m.ctid), ' ' order by m.roleid, m.member)
      into found, more
    from pg_catalog.pg_auth_members m
    where m.member = any (found) and m.roleid <> all (groups);
  end loop;

  readable := false;
  judged := false;
  if r.oid is null or not pg_has_role(session_user, r.oid, 'member') then
    refused := '42501 role "' || client_role || '" is not there or may not be taken';
    return;
  end if;
  if not has_schema_privilege(r.oid, t.relnamespace, 'usage') then
    return;
  end if;
  readable := has_table_privilege(r.oid, rel, 'select');
  if not readable then
    select json_agg(a.attname) filter (where not allowed)::text, coalesce(bool_or(allowed), false),
        string_agg(concat_ws(' ', a.xmin, a.ctid), ' ' order by a.attnum)
      into hidden, readable, more
    from pg_catalog.pg_attribute a, has_column_privilege(r.oid, rel, a.attnum, 'select') as allowed
    where a.attrelid = rel and a.attnum > 0 and not a.attisdropped;
    rows := concat_ws(' ', rows, more);
  end if;
  judged := readable and t.relrowsecurity and not r.rolsuper and not r.rolbypassrls
    and (t.relforcerowsecurity or not pg_has_role(r.oid, t.relowner, 'usage'));
  if judged then
    select array_agg(p.oid order by p.polname), string_agg(concat_ws(' ', p.oid, p.xmin, p.ctid), ' ' order by p.polname)
      into policies, more
    from pg_catalog.pg_policy p
    where p.polrelid = rel and p.polcmd in ('r', '*') and p.polqual is not null
      and exists (
        select from unnest(p.polroles) as named
        where named = 0 or pg_has_role(r.oid, named, 'usage'));
    rows := concat_ws(' ', rows, more);
  end if;
end
$$;
comment on function pgherald.realtime_rights(oid, text) is 'pgherald: what a role may do with a table';
revoke execute on function pgherald.realtime_rights(oid, text) from public, anon, authenticated, service_role;

-- As 008 has it, on top of the function above: `one_of` and `all_of` are the policies' text.
create or replace function pgherald.realtime_access(
  rel oid,
  client_role text,
  out refused text,
  out readable boolean,
  out hidden text,
  out judged boolean,
  out one_of text,
  out all_of text,
  out policies oid[]
)
language plpgsql stable
set search_path = ''
as $$
begin
  select a.refused, a.readable, a.hidden, a.judged, a.policies
    into refused, readable, hidden, judged, policies
  from pgherald.realtime_rights(rel, client_role) a;
  if judged then
    select string_agg('(' || pg_get_expr(p.polqual, p.polrelid) || ')', ' or ' order by p.polname desc)
        filter (where p.polpermissive),
        string_agg('(' || pg_get_expr(p.polqual, p.polrelid) || ')', ' and ' order by p.polname)
        filter (where not p.polpermissive)
      into one_of, all_of
    from pg_catalog.pg_policy p
    where p.polrelid = rel and p.oid = any (policies);
    readable := one_of is not null;
    judged := readable;
  end if;
end
$$;

-- The functions that these policies call and that the role may execute, and where the rows of all
-- that they call stand.
create or replace function pgherald.realtime_functions(
  client_role text,
  policies oid[],
  out functions oid[],
  out rows text
)
language plpgsql stable
set search_path = ''
as $$
declare
  policy oid;
  f record;
begin
  -- one by one: what depends on one thing is in one place of the index
  foreach policy in array coalesce(policies, '{}') loop
    for f in
      select p.oid, p.xmin, p.ctid
      from pg_catalog.pg_depend d
      join pg_catalog.pg_proc p on p.oid = d.refobjid
      where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = policy
        and d.refclassid = 'pg_catalog.pg_proc'::regclass
    loop
      rows := concat_ws(' ', rows, f);
      if has_function_privilege(client_role, f.oid, 'execute') then
        functions := functions || f.oid;
      end if;
    end loop;
  end loop;
end
$$;
comment on function pgherald.realtime_functions(text, oid[]) is 'pgherald: what policies call';
revoke execute on function pgherald.realtime_functions(text, oid[]) from public, anon, authenticated, service_role;

-- Where the rows stand that say what the columns of a table are, and the labels of their enums.
create or replace function pgherald.realtime_columns(rel oid) returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select string_agg(concat_ws(' ', a.xmin, a.ctid,
        case when a.atttypid >= 16384 then (
          select string_agg(concat_ws(' ', e.xmin, e.ctid), ' ' order by e.enumsortorder)
          from pg_catalog.pg_enum e
          where e.enumtypid = a.atttypid)
        end), ' ' order by a.attnum)
    from pg_catalog.pg_attribute a
    where a.attrelid = rel and a.attnum > 0);
end
$$;
comment on function pgherald.realtime_columns(oid) is 'pgherald: changes with the columns of a table';
revoke execute on function pgherald.realtime_columns(oid) from public, anon, authenticated, service_role;

-- Policies in PostgreSQL's own form of a parsed expression, which names operators, functions and
-- collations by oid where their text would leave them to be guessed, and what it takes to read it.
-- `columns` of a policy are those it looks at, as pgherald.realtime_depends() finds them. Of
-- functions only those that could be understood: plain SQL without arguments.
create or replace function pgherald.realtime_expressions(rel oid, policies oid[], functions oid[])
returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object(
    -- constants are bytes in this machine's order and this database's encoding
    'machine', case when current_setting('server_encoding') = 'UTF8' then version() end,
    'columns', (
      select jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.atttypid, t.typbasetype) order by a.attnum)
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_type t on t.oid = a.atttypid
      where a.attrelid = rel and a.attnum > 0 and not a.attisdropped),
    'labels', (
      select jsonb_agg(jsonb_build_array(e.oid, e.enumtypid, e.enumlabel))
      from pg_catalog.pg_enum e
      where e.enumtypid in (
        select a.atttypid from pg_catalog.pg_attribute a where a.attrelid = rel and a.attnum > 0)),
    'nondeterministic', (
      select jsonb_agg(c.oid) from pg_catalog.pg_collation c where not c.collisdeterministic),
    'functions', (
      select jsonb_agg(jsonb_build_array(f.oid, f.prorettype, f.prosrc))
      from pg_catalog.pg_proc f
      join pg_catalog.pg_language l on l.oid = f.prolang
      where f.oid = any (functions)
        and l.lanname = 'sql' and f.prosqlbody is null and f.prokind = 'f' and f.pronargs = 0
        and f.provolatile = 's' and not f.proretset
        and (f.proconfig is null or f.proconfig = array['search_path=""'])),
    'policies', (
      select jsonb_agg(jsonb_build_object(
        'permissive', p.polpermissive,
        'qual', p.polqual::text,
        'whole_row', p.polqual::text like '%:varattno 0 %',
        'columns', array(
          select distinct d.refobjsubid
          from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid
            and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = rel
            and d.refobjsubid > 0)) order by p.polname)
      from pg_catalog.pg_policy p
      where p.polrelid = rel and p.oid = any (policies)))
$$;
comment on function pgherald.realtime_expressions(oid, oid[], oid[]) is 'pgherald: policies in parsed form';
revoke execute on function pgherald.realtime_expressions(oid, oid[], oid[]) from public, anon, authenticated, service_role;

-- Rights are asked of PostgreSQL's own functions, which look into a cache. Another backend's change is
-- seen by our snapshot a moment before the news of it reaches that cache: in between, the backend
-- still holds the lock on its transaction (CommitTransaction() in xact.c). False if there is such
-- a backend; if not, the cache is up to date once this returns, since a relation is locked that
-- nothing here has locked before.
create or replace function pgherald.realtime_is_settled() returns boolean
language plpgsql stable
set search_path = ''
as $$
declare
  -- in the words of the lock, which has no epoch
  next constant bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  settled boolean;
begin
  with held as (
    select l.virtualtransaction as holder, pg_visible_in_snapshot((case
        when l.transactionid::text::bigint <= next % 4294967296 then next - next % 4294967296
        else next - next % 4294967296 - 4294967296
      end + l.transactionid::text::bigint)::text::xid8, pg_current_snapshot()) as visible
    from pg_catalog.pg_locks l
    where l.locktype = 'transactionid' and l.granted and l.mode = 'ExclusiveLock'
      and l.pid <> pg_backend_pid()
  )
  -- a transaction that goes on holds locks on its subtransactions, too
  select coalesce(bool_and(not all_visible), true) into settled
  from (select bool_and(visible) as all_visible from held group by holder) as by_holder;
  perform from pg_catalog.pg_am limit 1;
  return settled;
end
$$;
comment on function pgherald.realtime_is_settled() is 'pgherald: are rights as the snapshot sees them?';
revoke execute on function pgherald.realtime_is_settled() from public, anon, authenticated, service_role;

-- What there is to know of a role and a table, and what of its changes is sent at all (see
-- pgherald.realtime_sending()): a print of all that it depends on, and the facts, if
-- the print is another than what is known; null, too, if there is no such table.
-- `plain`: the settings that auth.uid() and its like look at first are not set in this session, and
-- the search path of clients leaves pg_catalog in front.
create or replace function pgherald.realtime_known(
  rel oid,
  client_role text,
  plain boolean,
  known text,
  out print text,
  out facts jsonb
)
language plpgsql stable
set search_path = ''
as $$
declare
  rights record;
  called record;
  publication record;
  sending record;
begin
  print := 'none';
  if rel is null then
    return;
  end if;
  rights := pgherald.realtime_rights(rel, client_role);
  called := pgherald.realtime_functions(client_role, rights.policies);
  publication := pgherald.realtime_publication(rel);
  print := concat_ws('|', plain, rights, called, publication,
    case when rights.judged or publication.columns is not null then pgherald.realtime_columns(rel) end);
  print := concat_ws(' ', hashtextextended(print, 0), hashtextextended(print, 1));
  if print is distinct from known then
    select c.relrowsecurity as rls, s.operations, s.withheld, s.sent into sending
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
      pgherald.realtime_sending(n.nspname, c.relname) as s
    where c.oid = rel;
    facts := jsonb_build_object(
      'rls', sending.rls,
      'sent', case when sending.sent then to_jsonb(sending.operations) else '[]' end,
      'refused', rights.refused, 'readable', rights.readable,
      'hidden', case when sending.withheld is null then rights.hidden::jsonb
        else sending.withheld || coalesce(rights.hidden::jsonb, '[]') end,
      'judged', rights.judged, 'plain', plain);
    if rights.judged then
      facts := facts || pgherald.realtime_expressions(rel, rights.policies, called.functions);
    end if;
  end if;
end
$$;
comment on function pgherald.realtime_known(oid, text, boolean, text) is 'pgherald: what there is to know of a role and a table';
revoke execute on function pgherald.realtime_known(oid, text, boolean, text) from public, anon, authenticated, service_role;

-- wanted: [{"schema", "table", "roles": [["role", "print that the caller knows"]]}]
--
-- First a row for place -1, with the snapshot in which all of this is true. Then one for each role
-- (numbered through from 0) whose print is another by now; `facts` is null if there is no such
-- table. Where the print is the same nothing has changed as of that snapshot: every row of the catalog
-- that counts is in it by where it stands. A print of null: something has changed so recently that
-- nothing can be said yet, ask again.
create or replace function pgherald.realtime_policies(wanted jsonb)
returns table (place integer, print text, facts jsonb)
language plpgsql stable
set search_path = ''
as $$
declare
  plain constant boolean := pgherald.realtime_search_path() not like '%pg_catalog%'
    and coalesce(
      current_setting('request.jwt.claim', true), current_setting('request.jwt.claim.sub', true),
      current_setting('request.jwt.claim.role', true), current_setting('request.jwt.claim.email', true)
    ) is null;
  settled boolean;
  w record;
  r record;
  rel oid;
  now_print text;
  now_facts jsonb;
  number integer := -1;
begin
  place := -1;
  print := pg_current_snapshot()::text;
  return next;

  for w in select (v ->> 'schema')::name as schema, (v ->> 'table')::name as name, v -> 'roles' as roles
    from jsonb_array_elements(wanted) as v
  loop
    select c.oid into rel
    from pg_catalog.pg_class c
    where c.relname = w.name and c.relkind in ('r', 'p')
      and c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = w.schema);

    for r in select v ->> 0 as name, v ->> 1 as print from jsonb_array_elements(w.roles) as v loop
      number := number + 1;
      select k.print, k.facts into now_print, now_facts
      from pgherald.realtime_known(rel, r.name, plain, r.print) k;
      if now_print is distinct from r.print then
        if settled is null then
          settled := pgherald.realtime_is_settled();
          select k.print, k.facts into now_print, now_facts
          from pgherald.realtime_known(rel, r.name, plain, r.print) k;
        end if;
        place := number;
        print := case when settled then now_print end;
        facts := case when settled then now_facts end;
        return next;
      end if;
    end loop;
  end loop;
end
$$;
comment on function pgherald.realtime_policies(jsonb) is 'pgherald: policies as the daemon judges by them';
revoke execute on function pgherald.realtime_policies(jsonb) from public, anon, authenticated, service_role;
