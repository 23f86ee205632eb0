-- pgherald: set=core
--
-- Realtime: may this client read this row? A row that the stream carries is judged by the
-- policies as PostgreSQL would judge it in a SELECT of the client's role with the client's
-- claims; but it is the row *of that change* which is judged, not the one that the table
-- holds by now. So a version that was private stays private when a later one is public, and
-- a row that is gone already is still told of.

-- The text of a row in PostgreSQL's own row syntax, from {"column": "text of its value"}. Every
-- value goes through its type's input function once, so nothing is lost on the way.
create or replace function pgherald.realtime_row(rel oid, image jsonb) returns text
language sql stable
set search_path = ''
as $$
  select '(' || coalesce(string_agg(
      case when image ->> a.attname is null then ''
        else '"' || replace(replace(image ->> a.attname, '\', '\\'), '"', '\"') || '"'
      end, ',' order by a.attnum), '') || ')'
  from pg_catalog.pg_attribute a
  where a.attrelid = rel and a.attnum > 0 and not a.attisdropped
$$;
comment on function pgherald.realtime_row(oid, jsonb) is 'pgherald: a row image as a row literal';
revoke execute on function pgherald.realtime_row(oid, jsonb) from public;

-- `"id" = ($1 ->> 'id')::integer and ...`, or null if the image does not hold the whole key.
create or replace function pgherald.realtime_key_condition(rel oid, key jsonb, image jsonb) returns text
language sql stable
set search_path = ''
as $$
  select case when count(*) > 0 and count(*) = jsonb_array_length(key) then
      string_agg(format('%I = ($1 ->> %L)::%s', a.attname, a.attname,
        format_type(a.atttypid, a.atttypmod)), ' and ')
    end
  from pg_catalog.pg_attribute a
  where a.attrelid = rel and a.attnum > 0 and not a.attisdropped
    and key ? a.attname and image ->> a.attname is not null
$$;
comment on function pgherald.realtime_key_condition(oid, jsonb, jsonb) is 'pgherald: finds a row again';
revoke execute on function pgherald.realtime_key_condition(oid, jsonb, jsonb) from public;

-- Whether a policy looks at one of these columns of its table, or at the row as a whole.
create or replace function pgherald.realtime_depends(policy oid, rel oid, columns smallint[]) returns boolean
language sql stable
set search_path = ''
as $$
  select columns is not null and (
    exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = policy
        and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = rel
        and d.refobjsubid = any (columns))
    -- a reference to the whole row leaves no trace there (dependency.c), only in the expression
    or exists (
      select from pg_catalog.pg_policy p
      where p.oid = policy and p.polqual::text like '%:varattno 0 %'))
$$;
comment on function pgherald.realtime_depends(oid, oid, smallint[]) is 'pgherald: does a policy look at these columns?';
revoke execute on function pgherald.realtime_depends(oid, oid, smallint[]) from public;

-- Policies are written for the search path that clients have. Ours is empty, so that names come
-- out qualified; what the database says for everyone is what they are evaluated under.
create or replace function pgherald.realtime_search_path() returns text
language sql stable
set search_path = ''
as $$
  select coalesce((
    select substr(setting, length('search_path=') + 1)
    from pg_catalog.pg_db_role_setting s
    join pg_catalog.pg_database d on d.oid = s.setdatabase and d.datname = current_database(),
      unnest(s.setconfig) as setting
    where s.setrole = 0 and setting like 'search\_path=%'
  ), '"$user", public, extensions')
$$;
comment on function pgherald.realtime_search_path() is 'pgherald: the search path policies run under';
revoke execute on function pgherald.realtime_search_path() from public;

-- What a role may see of a table. `refused`: the daemon may not act as that role. `hidden`: the
-- columns it may not select, as a JSON array, null if none. `judged`: policies decide, one of
-- `one_of` and all of `all_of` must agree; else `readable` is the answer. As PostgreSQL's
-- check_enable_rls(), check_role_for_policy() and get_row_security_policies() do it; permissive
-- policies are tried in their order there, so that the same ones fail.
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
declare
  t record;
  r record;
begin
  select c.relnamespace, c.relowner, c.relrowsecurity, c.relforcerowsecurity into strict t
  from pg_catalog.pg_class c
  where c.oid = rel;
  select a.oid, a.rolsuper, a.rolbypassrls into r from pg_catalog.pg_roles a where a.rolname = client_role;
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
    select json_agg(a.attname) filter (where not allowed)::text, coalesce(bool_or(allowed), false)
      into hidden, readable
    from pg_catalog.pg_attribute a, has_column_privilege(r.oid, rel, a.attnum, 'select') as allowed
    where a.attrelid = rel and a.attnum > 0 and not a.attisdropped;
  end if;
  judged := readable and t.relrowsecurity and not r.rolsuper and not r.rolbypassrls
    and (t.relforcerowsecurity or not pg_has_role(r.oid, t.relowner, 'usage'));
  if judged then
    select string_agg('(' || pg_get_expr(p.polqual, p.polrelid) || ')', ' or ' order by p.polname desc)
        filter (where p.polpermissive),
        string_agg('(' || pg_get_expr(p.polqual, p.polrelid) || ')', ' and ' order by p.polname)
        filter (where not p.polpermissive),
        array_agg(p.oid)
      into one_of, all_of, policies
    from pg_catalog.pg_policy p
    where p.polrelid = rel and p.polcmd in ('r', '*') and p.polqual is not null
      and exists (
        select from unnest(p.polroles) as named
        where named = 0 or pg_has_role(r.oid, named, 'usage'));
    readable := one_of is not null;
    judged := readable;
  end if;
end
$$;
comment on function pgherald.realtime_access(oid, text) is 'pgherald: what a role may see of a table';
revoke execute on function pgherald.realtime_access(oid, text) from public;

-- The name of a prepared statement that judges the row in the setting pgherald.row (a literal of the
-- table's type) by these policies; in a setting, so that no error quotes it as part of a statement. It is
-- parsed here, as the daemon's role, since policies were parsed when they were made: whoever runs
-- them need not be allowed to look into the schemas that they mention. To be called under the
-- search path that it will run under.
create or replace function pgherald.realtime_judge(table_name text, alias text, one_of text, all_of text)
returns text
language plpgsql
as $$
declare
  body constant text := pg_catalog.format(
    'select coalesce((%s) and (%s), false) from pg_catalog.jsonb_populate_record('
      || 'pg_catalog.current_setting(''pgherald.row'')::%s, ''{}'') as %I',
    one_of, coalesce(all_of, 'true'), table_name, alias);
  name constant text := 'pgherald_' || pg_catalog.md5(body);
  known constant text[] := (select pg_catalog.array_agg(s.name) from pg_catalog.pg_prepared_statement() s);
begin
  if name = any (known) then
    return name;
  end if;
  if pg_catalog.cardinality(known) > 500 then
    deallocate all;
  end if;
  execute pg_catalog.format('prepare %I as %s', name, body);
  return name;
end
$$;
comment on function pgherald.realtime_judge(text, text, text, text) is 'pgherald: prepares policies of a table';
revoke execute on function pgherald.realtime_judge(text, text, text, text) from public;

-- questions: [{"schema", "table", "delete": bool, "row": image, "old": image or absent,
--              "key": [names], "sessions": [places in sessions]}]
-- sessions:  [{"role", "claims": text}]
-- An image is {"column": "text of its value" or null}; columns that the stream did not carry are
-- not in it.
--
-- One answer for each session of each question, in that order. `hidden` are the columns it may not
-- select, as a JSON array, null if none. `old_visible`: the same session could read the row before
-- the change. `problem`: a policy failed, or the role may not be taken; the row is not visible then.
--
-- Columns that are missing (TOASTed values that did not change; all but the key of a deleted row)
-- matter only if a policy looks at them, which pg_depend knows. Then they are taken from the table
-- as it is now, and the client must be able to read that row too; of a deleted row nothing can be
-- known, so it is not visible. REPLICA IDENTITY FULL makes both exact.
create or replace function pgherald.realtime_visible(questions jsonb, sessions jsonb)
returns table (
  question integer,
  session integer,
  visible boolean,
  old_visible boolean,
  rls boolean,
  hidden text,
  problem text
)
language plpgsql
set search_path = ''
as $$
declare
  own_role constant text := current_setting('role');
  client_path constant text := pgherald.realtime_search_path();
  q record;
  s record;
  t record;
  access record;
  accessed text;        -- the role that `access` is about
  judge text;
  image jsonb;
  filled jsonb;
  missing smallint[];
  old_missing smallint[];
  needs_missing oid[];  -- policies that look at missing columns
  needs_old oid[];
  row_text text;
  old_text text;
  same_row text;
begin
  for q in
    select (e.place - 1)::integer as place, e.v
    from jsonb_array_elements(questions) with ordinality as e (v, place)
  loop
    select c.oid, c.relname, c.relrowsecurity, format('%I.%I', n.nspname, c.relname) as name into t
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = q.v ->> 'schema' and c.relname = q.v ->> 'table' and c.relkind in ('r', 'p');

    question := q.place;
    rls := coalesce(t.relrowsecurity, true);
    filled := null;
    same_row := null;
    accessed := null;
    if t.relrowsecurity then
      image := q.v -> 'row';
      select array_agg(a.attnum) filter (where not image ? a.attname),
          array_agg(a.attnum) filter (where not coalesce(q.v -> 'old', '{}') ? a.attname)
        into missing, old_missing
      from pg_catalog.pg_attribute a
      where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped;

      needs_missing := null;
      needs_old := null;
      if missing is not null or old_missing is not null then
        select array_agg(p.oid) filter (where pgherald.realtime_depends(p.oid, t.oid, missing)),
            array_agg(p.oid) filter (where pgherald.realtime_depends(p.oid, t.oid, old_missing))
          into needs_missing, needs_old
        from pg_catalog.pg_policy p
        where p.polrelid = t.oid and p.polcmd in ('r', '*');
      end if;

      if needs_missing is not null and not (q.v ->> 'delete')::boolean then
        same_row := pgherald.realtime_key_condition(t.oid, q.v -> 'key', image);
        if same_row is not null then
          perform set_config('search_path', client_path, true);
          execute (
            select format('select pg_catalog.jsonb_build_object(%s) from %s where %s',
              string_agg(format('%L, %I::text', a.attname, a.attname), ', '), t.name, same_row)
            from pg_catalog.pg_attribute a
            where a.attrelid = t.oid and a.attnum = any (missing)
          ) into filled using image;
          perform set_config('search_path', '', true);
        end if;
      end if;
      row_text := pgherald.realtime_row(t.oid, image || coalesce(filled, '{}'));
      old_text := case when q.v ? 'old' then pgherald.realtime_row(t.oid, q.v -> 'old') end;
    end if;

    for s in
      select place::integer as place, sessions -> place::integer as v
      from jsonb_array_elements_text(q.v -> 'sessions') as place
    loop
      session := s.place;
      visible := false;
      old_visible := false;
      hidden := null;
      problem := null;
      if t.oid is not null and accessed is distinct from s.v ->> 'role' then
        accessed := s.v ->> 'role';
        begin
          access := pgherald.realtime_access(t.oid, accessed);
          if access.judged then
            perform set_config('search_path', client_path, true);
            judge := pgherald.realtime_judge(t.name, t.relname, access.one_of, access.all_of);
            perform set_config('search_path', '', true);
          end if;
        exception when others then
          -- such as a policy over a function that is gone: nobody is judged by that
          select sqlstate || ' ' || sqlerrm as refused, false as readable, null::text as hidden,
              false as judged, null::text as one_of, null::text as all_of, null::oid[] as policies
            into access;
        end;
      end if;
      if t.oid is not null then
        problem := access.refused;
        hidden := access.hidden;
        visible := access.readable;
        old_visible := visible and q.v ? 'old';
      end if;
      if visible and access.judged then
        begin
          visible := filled is not null or needs_missing is null or not access.policies && needs_missing;
          old_visible := old_visible and (needs_old is null or not access.policies && needs_old);
          perform set_config('search_path', client_path, true),
            set_config('request.jwt.claims', s.v ->> 'claims', true),
            set_config('role', accessed, true);
          if visible then
            perform set_config('pgherald.row', row_text, true);
            execute format('execute %I', judge) into visible;
          end if;
          if visible and access.policies && needs_missing then
            execute format('select exists (select from %s where %s)', t.name, same_row)
              into visible using image;
          end if;
          if old_visible then
            perform set_config('pgherald.row', old_text, true);
            execute format('execute %I', judge) into old_visible;
          end if;
          perform set_config('role', own_role, true), set_config('search_path', '', true);
        exception when others then
          -- what was set in this block is undone with it, what was found is not to be trusted
          visible := false;
          old_visible := false;
          hidden := null;
          problem := sqlstate || ' ' || sqlerrm;
        end;
      end if;
      return next;
    end loop;
  end loop;
end
$$;
comment on function pgherald.realtime_visible(jsonb, jsonb) is 'pgherald: who may read these rows?';
revoke execute on function pgherald.realtime_visible(jsonb, jsonb) from public;
