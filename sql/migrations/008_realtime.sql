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
  select columns is not null and exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = policy
      and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = rel
      and d.deptype = 'n' and (d.refobjsubid = 0 or d.refobjsubid = any (columns)))
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

-- questions: [{"schema", "table", "delete": bool, "row": image, "old": image or absent,
--              "key": [names], "sessions": [places in sessions]}]
-- sessions:  [{"role", "claims": text}]
-- An image is {"column": "text of its value" or null}; columns that the stream did not carry are
-- not in it.
--
-- One answer for each session of each question. `hidden` are the columns it may not select, as a
-- JSON array, null if none. `old_visible`: the same session could read the row before the change.
-- `problem`: a policy failed, or the role may not be taken; the row is not visible then.
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
  image jsonb;
  filled jsonb;
  missing smallint[];
  old_missing smallint[];
  needs_missing oid[];  -- policies that look at missing columns
  needs_old oid[];
  row_text text;
  old_text text;
  same_row text;
  columns integer;
  policy record;
  found boolean;
begin
  for q in
    select (e.place - 1)::integer as place, e.v
    from jsonb_array_elements(questions) with ordinality as e (v, place)
  loop
    select c.oid, c.relname, c.relnamespace, c.relrowsecurity,
        format('%I.%I', n.nspname, c.relname) as name
      into t
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = q.v ->> 'schema' and c.relname = q.v ->> 'table' and c.relkind in ('r', 'p');

    question := q.place;
    rls := coalesce(t.relrowsecurity, true);
    filled := null;
    same_row := null;
    if t.oid is not null then
      image := q.v -> 'row';
      select array_agg(a.attnum) filter (where not image ? a.attname),
          array_agg(a.attnum) filter (where not coalesce(q.v -> 'old', '{}') ? a.attname),
          count(*)
        into missing, old_missing, columns
      from pg_catalog.pg_attribute a
      where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped;

      select array_agg(p.oid) filter (where pgherald.realtime_depends(p.oid, t.oid, missing)),
          array_agg(p.oid) filter (where pgherald.realtime_depends(p.oid, t.oid, old_missing))
        into needs_missing, needs_old
      from pg_catalog.pg_policy p
      where rls and p.polrelid = t.oid and p.polcmd in ('r', '*');

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
      begin
        if t.oid is not null then
          perform set_config('request.jwt.claims', s.v ->> 'claims', true),
            set_config('role', s.v ->> 'role', true);

          visible := has_schema_privilege(t.relnamespace, 'usage');
          if visible and not has_table_privilege(t.oid, 'select') then
            select json_agg(a.attname)::text, count(*) < columns
              into hidden, visible
            from pg_catalog.pg_attribute a
            where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
              and not has_column_privilege(t.oid, a.attnum, 'select');
          end if;
          old_visible := visible and old_text is not null;

          if visible and row_security_active(t.oid) then
            -- as rewriteHandler's get_row_security_policies(): one permissive policy must agree, and
            -- every restrictive one; null is no
            select string_agg('(' || pg_get_expr(p.polqual, p.polrelid) || ')', ' or ')
                filter (where p.polpermissive) as one_of,
                string_agg('(' || pg_get_expr(p.polqual, p.polrelid) || ')', ' and ' order by p.polname)
                filter (where not p.polpermissive) as all_of,
                coalesce(bool_or(p.oid = any (needs_missing)), false) as needs_missing,
                coalesce(bool_or(p.oid = any (needs_old)), false) as needs_old
              into policy
            from pg_catalog.pg_policy p
            where p.polrelid = t.oid and p.polcmd in ('r', '*') and p.polqual is not null
              and exists (
                select from unnest(p.polroles) as r
                where r = 0 or pg_has_role(r, 'usage'));

            visible := policy.one_of is not null and (not policy.needs_missing or filled is not null);
            old_visible := old_visible and policy.one_of is not null and not policy.needs_old;
            perform set_config('search_path', client_path, true);
            if visible then
              execute format('select coalesce((%s) and (%s), false) from pg_catalog.jsonb_populate_record($1::%s, ''{}'') as %I',
                policy.one_of, coalesce(policy.all_of, 'true'), t.name, t.relname)
                into visible using row_text;
            end if;
            if visible and policy.needs_missing then
              execute format('select exists (select from %s where %s)', t.name, same_row)
                into visible using image;
            end if;
            if old_visible then
              execute format('select coalesce((%s) and (%s), false) from pg_catalog.jsonb_populate_record($1::%s, ''{}'') as %I',
                policy.one_of, coalesce(policy.all_of, 'true'), t.name, t.relname)
                into old_visible using old_text;
            end if;
          end if;
          perform set_config('role', own_role, true), set_config('search_path', '', true);
        end if;
      exception when others then
        -- what was set in this block is undone with it
        visible := false;
        old_visible := false;
        hidden := null;
        problem := sqlstate || ' ' || sqlerrm;
      end;
      return next;
    end loop;
  end loop;
end
$$;
comment on function pgherald.realtime_visible(jsonb, jsonb) is 'pgherald: who may read these rows?';
revoke execute on function pgherald.realtime_visible(jsonb, jsonb) from public;
