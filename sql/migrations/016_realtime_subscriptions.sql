-- pgherald: set=core
--
-- Which tables' changes are sent to clients: Supabase's publication says it, where there is one.

-- What Supabase's publication says of a table. Where there is none, everything that is followed is
-- sent. A partition is published by its own name or by that of a table above it; several say as much as
-- they do together. `columns`: null, all. Row filters are not applied, as Supabase's Realtime does not:
-- who may read which row is for row level security. `rows`: where the rows of the catalog stand that
-- this was read from; whatever changes a row gives it another (xmin, ctid).
create or replace function pgherald.realtime_publication(
  rel oid,
  out published boolean,
  out columns name[],
  out rows text
)
language plpgsql stable
set search_path = ''
as $$
declare
  p record;
  part record;
  whole boolean := false;
begin
  select a.oid, a.puballtables, concat_ws(' ', a.oid, a.xmin, a.ctid) as rows into p
  from pg_catalog.pg_publication a
  where a.pubname = 'supabase_realtime';
  rows := p.rows;
  published := p.oid is null or p.puballtables;
  if published then
    return;
  end if;

  for part in
    select above.relid, r.prattrs, concat_ws(' ', r.oid, r.xmin, r.ctid, n.oid, n.xmin, n.ctid) as rows
    from (select rel as relid union select a.relid from pg_catalog.pg_partition_ancestors(rel) a) as above
    join pg_catalog.pg_class c on c.oid = above.relid
    left join pg_catalog.pg_publication_rel r on r.prpubid = p.oid and r.prrelid = above.relid
    left join pg_catalog.pg_publication_namespace n on n.pnpubid = p.oid and n.pnnspid = c.relnamespace
    where r.oid is not null or n.oid is not null
    order by above.relid
  loop
    published := true;
    rows := rows || ' ' || part.rows;
    whole := whole or part.prattrs is null;
    columns := columns || array(
      select a.attname from pg_catalog.pg_attribute a
      where a.attrelid = part.relid and a.attnum = any (part.prattrs::smallint[]) and not a.attisdropped);
  end loop;
  if whole then
    columns := null;
  end if;
end
$$;
comment on function pgherald.realtime_publication(oid) is 'pgherald: what publication supabase_realtime says of a table';
revoke execute on function pgherald.realtime_publication(oid) from public, anon, authenticated, service_role;

-- Which kinds of changes are sent: some of INSERT, UPDATE, DELETE.
create or replace function pgherald.realtime_operations() returns text[]
language sql stable
set search_path = ''
as $$
  select coalesce((
    select array_remove(array[case when p.pubinsert then 'INSERT' end, case when p.pubupdate then 'UPDATE' end,
      case when p.pubdelete then 'DELETE' end], null)
    from pg_catalog.pg_publication p
    where p.pubname = 'supabase_realtime'
  ), '{INSERT,UPDATE,DELETE}')
$$;
comment on function pgherald.realtime_operations() is 'pgherald: which changes publication supabase_realtime lets through';
revoke execute on function pgherald.realtime_operations() from public, anon, authenticated, service_role;

-- wanted: [["schema", "table"]], each may be `*`. A row for each of which no table is sent, with the
-- reason, in the operator's words; `published`: there is a publication that decides.
create or replace function pgherald.realtime_unsent(wanted jsonb, schemas text[])
returns table (place integer, reason text, published boolean)
language plpgsql stable
set search_path = ''
as $$
declare
  decided constant boolean := exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime');
  w record;
begin
  for w in
    select (e.place - 1)::integer as place, e.v ->> 0 as schema, e.v ->> 1 as name
    from jsonb_array_elements(wanted) with ordinality as e (v, place)
  loop
    continue when exists (
      select from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and n.nspname = any (schemas)
        and w.schema in ('*', n.nspname) and w.name in ('*', c.relname)
        and (not decided or (select p.published from pgherald.realtime_publication(c.oid) p)));
    place := w.place;
    published := decided;
    reason := case
      when w.schema <> '*' and w.schema <> all (schemas)
        then format('schema %I is not followed: name it in the setting schemas', w.schema)
      when w.schema = '*' or w.name = '*'
        then format('no table of %s.%s is in publication supabase_realtime', w.schema, w.name)
      when not exists (
        select from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname = w.schema and c.relname = w.name)
        then format('there is no table %I.%I', w.schema, w.name)
      else format('alter publication supabase_realtime add table %I.%I', w.schema, w.name)
    end;
    return next;
  end loop;
end
$$;
comment on function pgherald.realtime_unsent(jsonb, text[]) is 'pgherald: which of these subscriptions get nothing, and why';
revoke execute on function pgherald.realtime_unsent(jsonb, text[]) from public, anon, authenticated, service_role;

-- What is sent of a table's changes: whether any, which kinds (some of INSERT, UPDATE, DELETE), and the
-- columns that are not, as a JSON array, null if there are none.
create or replace function pgherald.realtime_sending(
  table_schema text,
  table_name text,
  out sent boolean,
  out operations text[],
  out withheld jsonb
)
language plpgsql stable
set search_path = ''
as $$
declare
  rel constant oid := (
    select c.oid from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = table_schema and c.relname = table_name and c.relkind in ('r', 'p'));
  p constant record := pgherald.realtime_publication(rel);
begin
  sent := p.published;
  operations := pgherald.realtime_operations();
  if p.columns is not null then
    withheld := (
      select jsonb_agg(a.attname) from pg_catalog.pg_attribute a
      where a.attrelid = rel and a.attnum > 0 and not a.attisdropped and a.attname <> all (p.columns));
  end if;
end
$$;
comment on function pgherald.realtime_sending(text, text) is 'pgherald: what is sent of a table''s changes';
revoke execute on function pgherald.realtime_sending(text, text) from public, anon, authenticated, service_role;
