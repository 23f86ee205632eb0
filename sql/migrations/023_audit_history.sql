-- pgherald: set=core
--
-- The audit trail read back: the versions of a row, what it was at a moment, and the SQL that
-- undoes. Nothing here changes the trail. All functions act with the caller's rights: who may not
-- read audit_logs, or a table, gets nothing of it by way of these.

-- An UPDATE that changes a row's key is found by both keys. Nearly every entry has none here, so
-- the index costs nothing.
alter table public.audit_logs add column if not exists old_resource_id text;
comment on column public.audit_logs.old_resource_id is 'the key before, where an update changed it';
create index if not exists audit_logs_old_resource_idx on public.audit_logs
  (resource_type, old_resource_id, occurred_at) where old_resource_id is not null;

-- Transactions are numbered in the order in which they begin, which is nearly that of the rows.
create index if not exists audit_logs_xid_brin on public.audit_logs
  using brin (xid) with (pages_per_range = 32, autosummarize = on);

-- ---------------------------------------------------------------- names and keys

-- What a table is called in the trail: `public.memories`, the names as they are, without quotes. A
-- name without a schema is of schema public. Of a partitioned table also its partitions. A table
-- that is gone has its name alone, and relation is null.
create or replace function pgherald.audit_table(name text, out relation regclass, out names text[])
language plpgsql stable
set search_path = ''
as $$
declare
  raw constant text := case when name ~ '\.' then name else 'public.' || name end;
begin
  select c.oid into relation
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname || '.' || c.relname = raw and c.relkind in ('r', 'p');
  if relation is null and name ~ '"' then
    begin
      relation := to_regclass(raw);
    exception when invalid_name or syntax_error then
      relation := null;
    end;
  end if;
  if relation is null then
    names := array[raw];
    return;
  end if;
  select array_agg(n.nspname || '.' || c.relname) into names
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = relation or c.oid in (select t.relid from pg_catalog.pg_partition_tree(relation) t);
end
$$;
comment on function pgherald.audit_table(text) is 'pgherald: what a table is called in the audit trail';

-- Whether values of a type can be compared by an `=` that is found under any search_path and tells
-- all values apart that are not the same.
create or replace function pgherald.audit_is_comparable(type oid) returns boolean
language sql stable
set search_path = ''
as $$
  with recursive base (oid, depth) as (
    select type, 0
    union all
    select case t.typtype when 'd' then t.typbasetype else t.typelem end, b.depth + 1
    from base b
    join pg_catalog.pg_type t on t.oid = b.oid
    where b.depth < 8 and (t.typtype = 'd' or t.typcategory = 'A')
  ), last as (
    select t.* from base b join pg_catalog.pg_type t on t.oid = b.oid order by b.depth desc limit 1
  )
  select l.typtype = 'e'
    or (l.typnamespace = 'pg_catalog'::regnamespace and exists (
      select from pg_catalog.pg_opclass o
      join pg_catalog.pg_am am on am.oid = o.opcmethod and am.amname = 'btree'
      where o.opcdefault and (
        o.opcintype = l.oid
        or exists (
          select from pg_catalog.pg_cast c
          where c.castsource = l.oid and c.casttarget = o.opcintype and c.castmethod = 'b'))))
  from last l
$$;
comment on function pgherald.audit_is_comparable(oid) is 'pgherald: whether a type has an equality of PostgreSQL''s own';

-- The primary key's columns in the order of the key, as the stream has them; null without one.
create or replace function pgherald.audit_key_columns(relation regclass) returns text[]
language sql stable
set search_path = ''
as $$
  select array_agg(a.attname::text order by k.place)
  from pg_catalog.pg_index i
  cross join unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = relation and i.indisprimary
$$;
comment on function pgherald.audit_key_columns(regclass) is 'pgherald: the columns of a table''s primary key';

-- A key as resource_id has it. Of several columns it is a JSON array; what a caller writes may have
-- blanks, the trail's has none.
create or replace function pgherald.audit_key(relation regclass, key text) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  size constant int := cardinality(pgherald.audit_key_columns(relation));
  parts jsonb;
begin
  if size = 1 or key !~ '^\s*\[' then
    if size > 1 then
      raise exception 'the key of % has % columns: give it as a JSON array, not as %', relation, size, key
        using errcode = 'invalid_parameter_value', hint = format('Its columns: %s',
          array_to_string(pgherald.audit_key_columns(relation), ', '));
    end if;
    return key;
  end if;
  parts := key::jsonb;
  if jsonb_array_length(parts) <> size then
    raise exception 'the key of % has % columns, not %', relation, size, jsonb_array_length(parts)
      using errcode = 'invalid_parameter_value';
  end if;
  return '[' || (select string_agg(p.v::text, ',' order by p.place)
    from jsonb_array_elements(parts) with ordinality as p (v, place)) || ']';
exception when invalid_text_representation then
  raise exception 'the key % is no JSON array', key using errcode = 'invalid_parameter_value';
end
$$;
comment on function pgherald.audit_key(regclass, text) is 'pgherald: a key as the audit trail writes it';

-- SQL that makes resource_id of a row `t`.
create or replace function pgherald.audit_key_expression(relation regclass) returns text
language sql stable
set search_path = ''
as $$
  select case
    when cardinality(k.names) = 1 then format('t.%I::text', k.names[1])
    else '''['' || concat_ws('','', ' || (
      select string_agg(format('to_jsonb(t.%I)::text', n), ', ' order by place)
      from unnest(k.names) with ordinality as u (n, place)) || ') || '']'''
    end
  from (select pgherald.audit_key_columns(relation) as names) as k
$$;
comment on function pgherald.audit_key_expression(regclass) is 'pgherald: SQL that makes a row''s key as the audit trail writes it';

-- The row that is there now, as to_jsonb() says it; null if there is none.
create or replace function pgherald.audit_present_row(relation regclass, key text) returns jsonb
language plpgsql stable
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  names constant text[] := pgherald.audit_key_columns(relation);
  parts jsonb := case when cardinality(names) = 1 then jsonb_build_array(key) else key::jsonb end;
  found_row jsonb;
begin
  execute format('select to_jsonb(t) from %s t join jsonb_populate_record(null::%1$s, $1) k on %s', relation,
      (select string_agg(format('t.%I = k.%1$I', n), ' and ') from unnest(names) as n))
    using (select jsonb_object_agg(n, parts -> (place - 1)::int) from unnest(names) with ordinality as u (n, place))
    into found_row;
  return found_row;
exception when data_exception then
  return null;  -- such as a word where the key is a number: no row has that key
end
$$;
comment on function pgherald.audit_present_row(regclass, text) is 'pgherald: the row of this key as it is now';

-- ---------------------------------------------------------------- differences

-- What differs between two images: {"column": {"old": ..., "new": ...}}. A side that an image does
-- not have is not there, which is something else than null.
create or replace function pgherald.jsonb_diff(old_values jsonb, new_values jsonb) returns jsonb
language sql immutable parallel safe
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(k,
    case when o.v is null then '{}' else jsonb_build_object('old', o.v) end
    || case when n.v is null then '{}' else jsonb_build_object('new', n.v) end), '{}')
  from (
    select jsonb_object_keys(coalesce(old_values, '{}'))
    union
    select jsonb_object_keys(coalesce(new_values, '{}'))
  ) as keys (k)
  cross join lateral (select old_values -> k) as o (v)
  cross join lateral (select new_values -> k) as n (v)
  where o.v is distinct from n.v
$$;
comment on function pgherald.jsonb_diff(jsonb, jsonb) is 'pgherald: what differs between two images of a row';

-- A value that stands for one that the trail does not have.
create or replace function pgherald.audit_is_mark(value jsonb) returns boolean
language sql immutable parallel safe
set search_path = ''
as $$
  select jsonb_typeof(value) = 'string'
    and value #>> '{}' ~ '^(\[(redacted|erased|hashed|unchanged|left out|not in the stream)[^]]*\]|(hmac-)?sha256:[0-9a-f]{64})$'
$$;
comment on function pgherald.audit_is_mark(jsonb) is 'pgherald: whether a value of an image only says that it is not there';

-- Every version of the row that had this key, the oldest first. old_values and new_values are whole:
-- what an entry does not repeat (unchanged TOAST) comes from the one before. Where an update gave the
-- row this key, or another one, old_key and new_key tell; the rest of its life is under that key.
create or replace function pgherald.audit_history(
  p_table text,
  p_key text,
  p_since timestamptz default null,
  p_until timestamptz default null
) returns table (
  version bigint,
  occurred_at timestamptz,
  action text,
  diff jsonb,
  old_values jsonb,
  new_values jsonb,
  old_key text,
  new_key text,
  user_id uuid,
  ip_address inet,
  session_id text,
  user_agent text,
  context jsonb,
  xid bigint,
  commit_lsn pg_lsn,
  ordinal bigint,
  entry_id bigint
)
language plpgsql stable
set search_path = ''
as $$
declare
  found_table constant record := pgherald.audit_table(p_table);
  key constant text := pgherald.audit_key(found_table.relation, p_key);
  a record;
begin
  version := 0;
  for a in
    select * from public.audit_logs l
    where l.resource_type = any (found_table.names) and l.resource_id = key and l.commit_lsn is not null
      and (p_until is null or l.occurred_at <= p_until)
    union all
    select * from public.audit_logs l
    where l.resource_type = any (found_table.names) and l.old_resource_id = key and l.commit_lsn is not null
      and (p_until is null or l.occurred_at <= p_until)
    union all
    select * from public.audit_logs l
    where l.resource_type = any (found_table.names) and l.resource_id is null and l.action = 'truncate'
      and (p_until is null or l.occurred_at <= p_until)
    order by occurred_at, commit_lsn, ordinal
  loop
    continue when a.action not in ('insert', 'update', 'delete', 'truncate')
      or (a.action = 'truncate' and new_values is null);
    old_values := case
      when a.action = 'insert' then null
      when a.old_resource_id is not null and a.resource_id = key then a.old_values
      when new_values is null then a.old_values
      else new_values || coalesce(a.old_values, '{}') end;
    new_values := coalesce(old_values, '{}') || a.new_values;
    diff := pgherald.jsonb_diff(old_values, new_values);
    old_key := case a.action when 'insert' then null else coalesce(a.old_resource_id, key) end;
    new_key := case when a.action in ('insert', 'update') then a.resource_id end;
    version := version + 1;
    if p_since is null or a.occurred_at >= p_since then
      occurred_at := a.occurred_at;
      action := a.action;
      user_id := a.user_id;
      ip_address := a.ip_address;
      session_id := a.session_id;
      user_agent := a.user_agent;
      context := a.context;
      xid := a.xid;
      commit_lsn := a.commit_lsn;
      ordinal := a.ordinal;
      entry_id := a.id;
      return next;
    end if;
    if a.old_resource_id = key then
      new_values := null;  -- the row goes on under another key
    end if;
  end loop;
end
$$;
comment on function pgherald.audit_history(text, text, timestamptz, timestamptz) is 'pgherald: every version of a row, with who, when and what differs';

-- ---------------------------------------------------------------- as of a moment

-- What the row of this key was at a moment: null if it was not there. `known` is false where neither
-- the trail nor the table can tell. What was committed at that very moment counts.
create or replace function pgherald.audit_state(
  relation regclass, names text[], key text, at timestamptz, out state jsonb, out known boolean)
language plpgsql stable
set search_path = ''
as $$
#variable_conflict use_variable
declare
  a record;
begin
  known := true;
  -- Three looks into indexes, each of which ends with the first row.
  select * into a
  from (
    (select l.occurred_at, l.commit_lsn, l.ordinal, l.action, l.new_values, l.changed_fields, false as left_key
     from public.audit_logs l
     where l.resource_type = any (names) and l.resource_id = key and l.occurred_at <= at and l.commit_lsn is not null
     order by l.occurred_at desc, l.commit_lsn desc, l.ordinal desc limit 1)
    union all
    (select l.occurred_at, l.commit_lsn, l.ordinal, l.action, null, null, true
     from public.audit_logs l
     where l.resource_type = any (names) and l.old_resource_id = key and l.occurred_at <= at and l.commit_lsn is not null
     order by l.occurred_at desc, l.commit_lsn desc, l.ordinal desc limit 1)
    union all
    (select l.occurred_at, l.commit_lsn, l.ordinal, l.action, null, null, true
     from public.audit_logs l
     where l.resource_type = any (names) and l.resource_id is null and l.action = 'truncate' and l.occurred_at <= at
     order by l.occurred_at desc, l.commit_lsn desc, l.ordinal desc limit 1)
  ) as last
  order by last.occurred_at desc, last.commit_lsn desc, last.ordinal desc
  limit 1;
  if found then
    if a.left_key or a.action = 'delete' then
      return;
    end if;
    state := a.new_values;
    if a.action = 'update' and a.changed_fields is null then
      -- without the row as it was the stream leaves out what did not change and is stored apart
      select h.new_values into state
      from pgherald.audit_history(names[1], key, null, at) h
      order by h.version desc
      limit 1;
    end if;
    return;
  end if;

  -- Nothing until then: what the next entry says was there before.
  select l.action, l.old_values, l.changed_fields, l.left_key into a
  from (
    (select l.occurred_at, l.commit_lsn, l.ordinal, l.action, l.old_values, l.changed_fields,
       l.old_resource_id is not null as left_key
     from public.audit_logs l
     where l.resource_type = any (names) and l.resource_id = key and l.occurred_at > at and l.commit_lsn is not null
     order by l.occurred_at, l.commit_lsn, l.ordinal limit 1)
    union all
    (select l.occurred_at, l.commit_lsn, l.ordinal, l.action, l.old_values, l.changed_fields, false
     from public.audit_logs l
     where l.resource_type = any (names) and l.old_resource_id = key and l.occurred_at > at and l.commit_lsn is not null
     order by l.occurred_at, l.commit_lsn, l.ordinal limit 1)
  ) as l
  order by l.occurred_at, l.commit_lsn, l.ordinal
  limit 1;
  if found then
    if a.action = 'insert' or a.left_key then
      return;  -- it came later, or got this key later
    end if;
    state := a.old_values;
    known := a.changed_fields is not null
      or (a.action = 'delete' and relation is not null and not exists (
        select from pg_catalog.pg_class c where c.oid = relation and c.relreplident <> 'f'));
    return;
  end if;

  -- The trail never heard of it: then it is as it always was.
  if relation is null or exists (
    select from public.audit_logs l
    where l.resource_type = any (names) and l.resource_id is null and l.action = 'truncate' and l.occurred_at > at)
  then
    known := false;
    return;
  end if;
  state := pgherald.audit_present_row(relation, key);
end
$$;
comment on function pgherald.audit_state(regclass, text[], text, timestamptz) is 'pgherald: what a row was at a moment, and whether that is known';

create or replace function pgherald.row_as_of(p_table text, p_key text, p_at timestamptz) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  found_table constant record := pgherald.audit_table(p_table);
  answer record;
begin
  answer := pgherald.audit_state(found_table.relation, found_table.names,
    pgherald.audit_key(found_table.relation, p_key), p_at);
  if not answer.known then
    raise exception 'what % of % was at % is not known', p_key, found_table.names[1], p_at
      using errcode = 'no_data_found',
        hint = 'The entries since then do not tell what was there before: the table had no REPLICA IDENTITY FULL, '
          'was truncated, or is gone.';
  end if;
  return answer.state;
end
$$;
comment on function pgherald.row_as_of(text, text, timestamptz) is 'pgherald: a row as it was at a moment, null if it was not there';

-- All rows as they were: those the trail tells of, and those that are in the table and that it never
-- heard of. It asks once for each key, some thousand a second.
create or replace function pgherald.table_as_of(p_table text, p_at timestamptz)
returns table (resource_id text, row_values jsonb)
language plpgsql stable
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
#variable_conflict use_column
declare
  found_table constant record := pgherald.audit_table(p_table);
  k record;
  answer record;
begin
  if found_table.relation is not null and pgherald.audit_key_columns(found_table.relation) is null then
    raise exception 'the rows of % have no primary key to be known by', found_table.relation
      using errcode = 'feature_not_supported', hint = 'pgherald.audit_revert() can undo changes of such a table.';
  end if;
  for k in
    select l.resource_id as key from public.audit_logs l
    where l.resource_type = any (found_table.names) and l.resource_id is not null and l.commit_lsn is not null
    union
    select l.old_resource_id from public.audit_logs l
    where l.resource_type = any (found_table.names) and l.old_resource_id is not null and l.commit_lsn is not null
  loop
    answer := pgherald.audit_state(found_table.relation, found_table.names, k.key, p_at);
    if not answer.known then
      raise exception 'what % of % was at % is not known', k.key, found_table.names[1], p_at
        using errcode = 'no_data_found', hint = 'pgherald.row_as_of() tells of single rows.';
    end if;
    if answer.state is not null then
      resource_id := k.key;
      row_values := answer.state;
      return next;
    end if;
  end loop;

  if found_table.relation is not null then
    return query execute format(
      'select key, to_jsonb(t) from %s t cross join lateral (select %s) as k (key)
       where not exists (
           select from public.audit_logs l
           where l.resource_type = any ($1) and l.resource_id = k.key and l.commit_lsn is not null)
         and not exists (
           select from public.audit_logs l
           where l.resource_type = any ($1) and l.old_resource_id = k.key and l.commit_lsn is not null)',
      found_table.relation, pgherald.audit_key_expression(found_table.relation))
      using found_table.names;
  end if;
end
$$;
comment on function pgherald.table_as_of(text, timestamptz) is 'pgherald: all rows of a table as they were at a moment';

-- ---------------------------------------------------------------- undoing

-- What the statements need to know of a table: {"columns": {name: {"place", "key", "comparable",
-- "fixed"}}, "key": [...], "overriding": bool}. `fixed` are columns whose value PostgreSQL makes.
create or replace function pgherald.audit_shape(relation regclass) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object(
    'relation', relation::text,
    'key', to_jsonb(pgherald.audit_key_columns(relation)),
    'overriding', bool_or(a.attidentity = 'a'),
    'literals', 'select jsonb_build_object(' || string_agg(format('%L, quote_nullable(r.%I::text)', a.attname, a.attname), ', ')
      || format(') from jsonb_populate_record(null::%s, $1) as r', relation),
    'columns', jsonb_object_agg(a.attname, jsonb_build_object(
      'place', a.attnum,
      'comparable', pgherald.audit_is_comparable(a.atttypid),
      'fixed', a.attgenerated <> '',
      'identity', a.attidentity = 'a')))
  from pg_catalog.pg_attribute a
  where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
$$;
comment on function pgherald.audit_shape(regclass) is 'pgherald: what undoing needs to know of a table';

-- "t.a = '1' and t.b is not distinct from '2'" for these columns of an image. `literals` are the
-- values as SQL; columns that the table no longer has, and values that the image only marks, ask nothing.
create or replace function pgherald.audit_condition(shape jsonb, columns text[], image jsonb, literals jsonb) returns text
language sql stable
set search_path = ''
as $$
  select string_agg(case
      when image -> c = 'null' then format('t.%I is null', c)
      when not (shape #> array['columns', c, 'comparable'])::boolean then format('to_jsonb(t.%I) = %L::jsonb', c, image -> c)
      else format('t.%I = %s', c, literals ->> c) end,
    ' and ' order by (shape #>> array['columns', c, 'place'])::int)
  from unnest(columns) as c
  where image ? c and shape -> 'columns' ? c and not pgherald.audit_is_mark(image -> c)
$$;
comment on function pgherald.audit_condition(jsonb, text[], jsonb, jsonb) is 'pgherald: SQL that asks whether a row has these values';

-- The statement that undoes one entry. `asked`: the columns whose present value has to be what the
-- entry left; none with `force`. `problem` says why there is no statement; `remark` what it leaves be.
create or replace function pgherald.audit_undo(
  shape jsonb,
  action text,
  old_values jsonb,
  new_values jsonb,
  changed text[],
  asked text[],
  force boolean,
  out statement text,
  out location text,
  out problem text,
  out remark text
)
language plpgsql stable
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
#variable_conflict use_variable
declare
  relation constant text := shape ->> 'relation';
  key constant text[] := array(select jsonb_array_elements_text(nullif(shape -> 'key', 'null')));
  writable constant text[] := array(
    select k from jsonb_each(shape -> 'columns') as c (k, v)
    where not (v ->> 'fixed')::boolean order by (v ->> 'place')::int);
  whole constant boolean := key = '{}';
  before_literals jsonb;
  after_literals jsonb;
  needed text[];
  lost text[];
  gone text[];
begin
  if action = 'truncate' then
    problem := 'the rows that TRUNCATE took are not in the entry';
    return;
  end if;

  -- which values are to come back
  needed := case action
    when 'insert' then '{}'
    when 'delete' then writable
    else array(select c from unnest(changed) as c where c = any (writable)) end;
  if action = 'update' and changed is null then
    problem := 'what was there before is not in the entry: the table had no REPLICA IDENTITY FULL';
    return;
  end if;
  lost := array(select c from unnest(needed) as c where old_values -> c is null or pgherald.audit_is_mark(old_values -> c));
  if lost <> '{}' then
    problem := format('the value before is not in the entry (redacted, left out or not in the stream): %s',
      array_to_string(lost, ', '));
    return;
  end if;
  gone := array(select k from jsonb_object_keys(case action when 'delete' then old_values when 'update' then new_values end) as k
    where not shape -> 'columns' ? k and (action = 'delete' or k = any (changed)) order by k);
  if gone <> '{}' then
    remark := format('no column any more: %s', array_to_string(gone, ', '));
  end if;
  if action = 'update' and needed = '{}' then
    return;  -- only columns that PostgreSQL computes, or that are gone
  end if;

  if action <> 'insert' then
    execute shape ->> 'literals' using old_values into before_literals;
  end if;
  if action <> 'delete' then
    execute shape ->> 'literals' using new_values into after_literals;
    location := pgherald.audit_condition(shape, case when whole then writable else key end, new_values, after_literals);
    if location is null or not whole and exists (
      select from unnest(key) as c where new_values -> c is null or pgherald.audit_is_mark(new_values -> c))
    then
      problem := 'the key is not in the entry';
      return;
    end if;
  elsif not whole then
    location := pgherald.audit_condition(shape, key, old_values, before_literals);
  end if;

  case action
  when 'delete' then
    statement := format('insert into %s (%s)%s values (%s)', relation,
      (select string_agg(quote_ident(c), ', ' order by place) from unnest(needed) with ordinality as u (c, place)),
      case when (shape ->> 'overriding')::boolean then ' overriding system value' else '' end,
      (select string_agg(coalesce(before_literals ->> c, 'null'), ', ' order by place) from unnest(needed) with ordinality as u (c, place)));
    if force and not whole then
      statement := statement || format(' on conflict (%s) do %s',
        (select string_agg(quote_ident(c), ', ') from unnest(key) as c),
        coalesce('update set ' || (select string_agg(format('%I = excluded.%1$I', c), ', ' order by place)
          from unnest(needed) with ordinality as u (c, place) where c <> all (key)), 'nothing'));
    end if;
    return;
  when 'insert' then
    statement := format('delete from %s t where ', relation);
  else
    statement := format('update %s t set %s where ', relation,
      (select string_agg(format('%I = %s', c, coalesce(before_literals ->> c, 'null')), ', ' order by place)
       from unnest(needed) with ordinality as u (c, place)));
  end case;
  if whole then
    statement := statement || format('t.ctid = (select t.ctid from %s t where %s limit 1)', relation, location);
  else
    statement := statement || location;
    if not force then
      statement := statement || coalesce(' and ' || pgherald.audit_condition(shape,
        array(select c from unnest(asked) as c where c <> all (key) and c = any (writable)), new_values, after_literals), '');
    end if;
  end if;
exception
  when data_exception or integrity_constraint_violation or cannot_coerce or datatype_mismatch then
    statement := null;
    problem := 'the values no longer fit the table: ' || sqlerrm;
end
$$;
comment on function pgherald.audit_undo(jsonb, text, jsonb, jsonb, text[], text[], boolean) is 'pgherald: the statement that undoes one entry';

-- What stands in the way of undoing an entry, as things are now; null if nothing does. `later` is the
-- image before the next change of the row that is undone too, which is then what will be there.
create or replace function pgherald.audit_conflict(
  shape jsonb, action text, new_values jsonb, asked text[], location text, has_later boolean, later jsonb) returns text
language plpgsql stable
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  present jsonb := later;
  differs text[];
begin
  if location is null then
    return null;
  end if;
  if not has_later then
    execute format('select to_jsonb(t) from %s t where %s limit 1', shape ->> 'relation', location) into present;
    if action = 'delete' then
      return case when present is not null then 'there is a row with this key again' end;
    end if;
    if present is null then
      return 'the row is gone, or has another key';
    end if;
  end if;
  if action = 'delete' or present is null then
    return null;
  end if;
  differs := array(
    select c from unnest(asked) as c
    where present ? c and new_values ? c and not pgherald.audit_is_mark(new_values -> c)
      and not pgherald.audit_is_mark(present -> c) and present -> c <> new_values -> c
    order by c);
  if differs <> '{}' then
    return format('changed since: %s', array_to_string(differs, ', '));
  end if;
  return null;
end
$$;
comment on function pgherald.audit_conflict(jsonb, text, jsonb, text[], text, boolean, jsonb) is 'pgherald: why an entry cannot be undone now';

-- The statements that undo a transaction (p_xid), or what happened to a table in a span of time, the
-- last change first. What an update did is undone in the columns that it changed. Each statement finds
-- its row only as long as it has the values that the change left there (not with p_force).
--
-- `problem`: there is no statement, since the trail does not have what is needed. `conflict`: the
-- statement would not find its row as things are now, or would undo somebody's later change.
--
-- What a foreign key's action did is undone after the row that caused it: parents come back first.
create or replace function pgherald.audit_revert(
  p_xid bigint default null,
  p_tables text[] default null,
  p_since timestamptz default null,
  p_until timestamptz default null,
  p_force boolean default false
) returns table (
  place bigint,
  statement text,
  problem text,
  conflict text,
  remark text,
  action text,
  resource_type text,
  resource_id text,
  occurred_at timestamptz,
  xid bigint,
  entry_id bigint
)
language plpgsql stable
set search_path = ''
as $$
#variable_conflict use_column
declare
  names text[];
  shapes jsonb := '{}';
  shape jsonb;
  asked text[];
  undo record;
  e record;
begin
  if p_xid is null and (p_tables is null or p_since is null) then
    raise exception 'audit_revert: name a transaction (p_xid), or tables and since when (p_tables, p_since)'
      using errcode = 'invalid_parameter_value';
  end if;
  if p_tables is not null then
    select array_agg(n) into names from unnest(p_tables) as t, unnest((pgherald.audit_table(t)).names) as n;
  end if;
  place := 0;
  for e in execute format(
    $query$
    with entries as materialized (
      select l.id, l.occurred_at, l.commit_lsn, l.ordinal, l.xid, l.action, l.resource_type, l.resource_id,
        l.old_values, l.new_values, l.changed_fields,
        coalesce(l.old_resource_id, l.resource_id, md5(coalesce(l.old_values, l.new_values)::text)) as old_key,
        coalesce(l.resource_id, md5(coalesce(l.new_values, l.old_values)::text)) as new_key,
        row_number() over (order by l.occurred_at, l.commit_lsn, l.ordinal) as n,
        (pgherald.audit_table(l.resource_type)).relation as relation
      from public.audit_logs l
      where l.commit_lsn is not null and l.action in ('insert', 'update', 'delete', 'truncate') %s
    ), steps as (
      -- each change takes a row from one key to another; the next one to touch that key is `next`
      select s.n, s.kind, lead(s.n) over (partition by s.resource_type, s.key order by s.n, s.kind) as next
      from (
        select n, 0 as kind, resource_type, old_key as key from entries
        union all
        select n, 1, resource_type, new_key from entries
      ) as s
    ), actions as (
      select f.conrelid as child, f.confrelid as parent, f.confupdtype = 'c' as follows,
        (select array_agg(a.attname::text order by u.place) from unnest(f.conkey) with ordinality as u (attnum, place)
         join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = u.attnum) as child_columns,
        (select array_agg(a.attname::text order by u.place) from unnest(f.confkey) with ordinality as u (attnum, place)
         join pg_catalog.pg_attribute a on a.attrelid = f.confrelid and a.attnum = u.attnum) as parent_columns
      from pg_catalog.pg_constraint f
      where f.contype = 'f' and f.conparentid = 0 and (f.confdeltype in ('c', 'n', 'd') or f.confupdtype in ('c', 'n', 'd'))
        and f.conrelid in (select relation from entries) and f.confrelid in (select relation from entries)
    ), parents as (
      select a.child, a.child_columns, p.commit_lsn, p.n, p.action = 'update' and a.follows as follows,
        (select jsonb_agg(p.old_values -> c order by o) from unnest(a.parent_columns) with ordinality as u (c, o)) as referenced
      from actions a
      join entries p on p.relation = a.parent
      where p.action = 'delete' or (p.action = 'update' and p.changed_fields && a.parent_columns)
    ), caused as (
      select c.n, min(p.n) as cause,
        jsonb_agg(p.child_columns) filter (where p.follows) -> 0 as follows
      from parents p
      join entries c on c.relation = p.child and c.commit_lsn = p.commit_lsn and c.n > p.n and c.action in ('update', 'delete')
        and (select jsonb_agg(c.old_values -> k order by o) from unnest(p.child_columns) with ordinality as u (k, o)) = p.referenced
      group by c.n
    ), roots as (
      with recursive up (n, root) as (
        select n, cause from caused
        union
        select up.n, c.cause from up join caused c on c.n = up.root
      )
      select n, min(root) as root from up group by n
    )
    select e.*, (select array_agg(k) from jsonb_array_elements_text(c.follows) as k) as follows, f.n as later_n, f.action as later_action, f.old_values as later_old, f.changed_fields as later_changed
    from entries e
    join steps s on s.n = e.n and s.kind = 1
    left join entries f on f.n = s.next
    left join roots r on r.n = e.n
    left join caused c on c.n = e.n
    order by coalesce(r.root, e.n) desc, e.n
    $query$,
    case when p_xid is not null then ' and l.xid = $1' else '' end
    || case when names is not null then ' and l.resource_type = any ($2)' else '' end
    || case when p_since is not null then ' and l.occurred_at >= $3' else '' end
    || case when p_until is not null then ' and l.occurred_at <= $4' else '' end)
    using p_xid, names, p_since, p_until
  loop
    place := place + 1;
    action := e.action;
    resource_type := e.resource_type;
    resource_id := e.resource_id;
    occurred_at := e.occurred_at;
    xid := e.xid;
    entry_id := e.id;
    statement := null;
    problem := null;
    conflict := null;
    remark := null;
    if e.relation is null then
      problem := 'the table is gone';
      return next;
      continue;
    end if;
    if not shapes ? e.resource_type then
      shapes := shapes || jsonb_build_object(e.resource_type, pgherald.audit_shape(e.relation));
    end if;
    shape := shapes -> e.resource_type;

    -- Of an inserted row all that it had, of an updated one what was changed; not what a later change
    -- also changed, which is undone before: a trigger may have set it anew by then.
    asked := case when e.action = 'update' then e.changed_fields
      else array(select jsonb_object_keys(coalesce(e.new_values, '{}'))) end;
    if e.later_n is not null then
      asked := case when e.later_action = 'update'
        then array(select c from unnest(asked) as c where c <> all (coalesce(e.later_changed, '{}')))
        else '{}' end;
    end if;

    if e.action = 'update' and e.follows is not null then
      -- ON UPDATE CASCADE takes these columns back by itself
      e.new_values := e.new_values || (select jsonb_object_agg(c, e.old_values -> c) from unnest(e.follows) as c);
      e.changed_fields := array(select c from unnest(e.changed_fields) as c where c <> all (e.follows));
      asked := array(select c from unnest(asked) as c where c <> all (e.follows));
    end if;

    undo := pgherald.audit_undo(shape, e.action, e.old_values, e.new_values, e.changed_fields, asked, p_force);
    statement := undo.statement;
    problem := undo.problem;
    remark := coalesce(undo.remark, case when statement is null and e.follows is not null then 'follows its parent' end);
    if statement is not null and e.follows is null then
      conflict := pgherald.audit_conflict(shape, e.action, e.new_values, asked, undo.location, e.later_n is not null,
        case when e.later_action = 'update' then e.later_old end);
    end if;
    return next;
  end loop;
end
$$;
comment on function pgherald.audit_revert(bigint, text[], timestamptz, timestamptz, boolean)
  is 'pgherald: the statements that undo a transaction, or a span of time of some tables';

-- Runs those statements in the caller's transaction, all or none, and says how many. Each must touch one
-- row; with p_force one that is gone is passed over, and one that is in the way is written over.
create or replace function pgherald.audit_revert_apply(
  p_xid bigint default null,
  p_tables text[] default null,
  p_since timestamptz default null,
  p_until timestamptz default null,
  p_force boolean default false
) returns bigint
language plpgsql
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'postgres'
as $$
declare
  steps constant jsonb[] := array(
    select to_jsonb(r) from pgherald.audit_revert(p_xid, p_tables, p_since, p_until, p_force) r order by r.place);
  step jsonb;
  touched bigint;
  done bigint := 0;
begin
  foreach step in array steps loop
    if step ->> 'problem' is not null then
      raise exception 'cannot undo the % of % %: %', step ->> 'action', step ->> 'resource_type',
          coalesce(step ->> 'resource_id', ''), step ->> 'problem'
        using errcode = 'feature_not_supported', hint = 'Nothing was changed.';
    end if;
    if step ->> 'conflict' is not null and not p_force then
      raise exception 'cannot undo the % of % %: %', step ->> 'action', step ->> 'resource_type',
          coalesce(step ->> 'resource_id', ''), step ->> 'conflict'
        using errcode = 'serialization_failure', hint = 'Nothing was changed. With force (--force) later changes are overwritten.';
    end if;
  end loop;
  set constraints all deferred;
  foreach step in array steps loop
    continue when step ->> 'statement' is null;
    execute step ->> 'statement';
    get diagnostics touched = row_count;
    if touched <> 1 and not p_force then
      raise exception 'cannot undo the % of % %: changed by another just now', step ->> 'action', step ->> 'resource_type',
          coalesce(step ->> 'resource_id', '')
        using errcode = 'serialization_failure', detail = step ->> 'statement', hint = 'Nothing was changed.';
    end if;
    done := done + touched;
  end loop;
  return done;
end
$$;
comment on function pgherald.audit_revert_apply(bigint, text[], timestamptz, timestamptz, boolean)
  is 'pgherald: undoes a transaction, or a span of time of some tables';

-- ---------------------------------------------------------------- who may

-- The service reads the whole trail already. These act with its own rights.
do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid from pg_catalog.pg_proc p
    where p.pronamespace = 'pgherald'::regnamespace
      and p.proname in ('audit_table', 'audit_is_comparable', 'audit_key_columns', 'audit_key', 'audit_key_expression',
        'audit_present_row', 'jsonb_diff', 'audit_is_mark', 'audit_history', 'audit_state', 'row_as_of', 'table_as_of',
        'audit_shape', 'audit_condition', 'audit_undo', 'audit_conflict', 'audit_revert', 'audit_revert_apply')
  loop
    execute format('revoke execute on function %s from public, anon, authenticated, service_role', f);
    execute format('grant execute on function %s to service_role', f);
  end loop;
end
$$;
grant usage on schema pgherald to service_role;
