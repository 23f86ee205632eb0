-- pgherald: set=core

-- What 008 has, in plpgsql, which keeps its plan: a function in SQL is parsed and planned each time,
-- and this one is called with every check of the policies. That was a quarter of what a check took.
create or replace function pgherald.realtime_search_path() returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce((
    select substr(setting, length('search_path=') + 1)
    from pg_catalog.pg_db_role_setting s
    join pg_catalog.pg_database d on d.oid = s.setdatabase and d.datname = current_database(),
      unnest(s.setconfig) as setting
    where s.setrole = 0 and setting like 'search\_path=%'
  ), '"$user", public, extensions');
end
$$;

-- What 008 has, but that a policy which fails on the row as it was does not hide the row as it is: the
-- old row is then one that could not be read.
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
            begin
              perform set_config('pgherald.row', old_text, true);
              execute format('execute %I', judge) into old_visible;
            exception when others then
              old_visible := false;
            end;
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
