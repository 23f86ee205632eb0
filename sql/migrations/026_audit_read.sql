-- pgherald: set=core
--
-- What `pgherald audit` needs besides 023_audit_history.sql: an entry for each look into the trail,
-- entries in the words of OCSF, whole versions of rows that got another key, and undoing in the right
-- order where rows went with several parents.

-- ---------------------------------------------------------------- who reads the trail

-- An entry that says who asked the trail for what, before he gets it; or, of an undoing, what came of it.
-- It names no row of the application, so it does not stand among the entries of the row that was asked
-- for. The words by which it may be believed are written here and not by the caller.
create or replace function pgherald.note_audit_access(p_action text, p_asked jsonb, p_result jsonb default null)
returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
  entry_id bigint;
begin
  if p_action is null or p_action not in ('audit_read', 'audit_export', 'audit_revert') then
    raise exception 'note_audit_access: the action is audit_read, audit_export or audit_revert, not %', p_action
      using errcode = 'invalid_parameter_value';
  end if;
  if jsonb_typeof(p_asked) is distinct from 'object' then
    raise exception 'note_audit_access: what was asked is an object' using errcode = 'invalid_parameter_value';
  end if;
  insert into public.audit_logs (xid, action, resource_type, new_values, ip_address, user_agent, context)
  values (pg_current_xact_id()::xid::text::bigint, p_action, 'public.audit_logs', p_result, inet_client_addr(),
    'pgherald audit', p_asked || jsonb_strip_nulls(jsonb_build_object(
      'source', 'pgherald',
      'role', pgherald.calling_role(),
      'session_user', session_user,
      'connection', host(inet_client_addr()),
      'application_name', nullif(current_setting('application_name', true), ''))))
  returning id into entry_id;
  return entry_id;
end
$$;
comment on function pgherald.note_audit_access(text, jsonb, jsonb) is 'pgherald: an entry for who reads the audit trail, or undoes by it';
revoke execute on function pgherald.note_audit_access(text, jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function pgherald.note_audit_access(text, jsonb, jsonb) to service_role;

-- Of these tables those that neither the database nor the trail has: a name with a slip, most likely.
create or replace function pgherald.audit_unknown_tables(p_tables text[]) returns text[]
language sql stable
set search_path = ''
as $$
  select coalesce(array_agg(u.name order by u.place), '{}')
  from unnest(p_tables) with ordinality as u (name, place)
  cross join lateral pgherald.audit_table(u.name) as t
  where t.relation is null and not exists (
    select from public.audit_logs l where l.resource_type = any (t.names || u.name))
$$;
comment on function pgherald.audit_unknown_tables(text[]) is 'pgherald: names of tables of which nothing is known';
revoke execute on function pgherald.audit_unknown_tables(text[]) from public, anon, authenticated, service_role;
grant execute on function pgherald.audit_unknown_tables(text[]) to service_role;

-- ---------------------------------------------------------------- OCSF

-- An entry as OCSF 1.3.0 Entity Management (class 3004). Attributes that have no value are left out; what
-- the class has no word for is in `unmapped`. Not in SQL, which would plan it anew for each of many entries.
-- Source: schema.ocsf.io/1.3.0/classes/entity_management
create or replace function pgherald.audit_ocsf(entry public.audit_logs) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  activity constant int := case
    when entry.action = 'insert' then 1
    when entry.action in ('read', 'audit_read', 'audit_export') then 2
    when entry.action = 'update' then 3
    when entry.action in ('delete', 'truncate') then 4
    else 99 end;
  caption constant text := case activity when 1 then 'Create' when 2 then 'Read' when 3 then 'Update' when 4 then 'Delete' end;
  failed constant boolean := entry.action = 'audit_revert' and entry.new_values ? 'error';
  old_key constant text := coalesce(entry.old_resource_id, entry.resource_id);
  method constant text := upper(entry.context ->> 'method');
  event jsonb := jsonb_build_object(
    'class_uid', 3004, 'class_name', 'Entity Management',
    'category_uid', 3, 'category_name', 'Identity & Access Management',
    'activity_id', activity, 'activity_name', coalesce(caption, entry.action),
    'type_uid', 300400 + activity, 'type_name', 'Entity Management: ' || coalesce(caption, 'Other'),
    'severity_id', 1, 'severity', 'Informational',
    'status_id', case when failed then 2 else 1 end, 'status', case when failed then 'Failure' else 'Success' end,
    'time', floor(1000 * extract(epoch from entry.occurred_at))::bigint,
    'metadata', jsonb_strip_nulls(jsonb_build_object(
      'version', '1.3.0',
      'product', jsonb_build_object('name', 'pgherald', 'vendor_name', 'pgherald'),
      'uid', entry.id::text,
      'log_name', 'audit_logs',
      'event_code', entry.action,
      'correlation_uid', entry.xid::text,
      'sequence', entry.ordinal,
      'original_time', to_char(entry.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))),
    'entity', jsonb_strip_nulls(jsonb_build_object(
      'name', entry.resource_type || coalesce('/' || old_key, ''), 'uid', old_key,
      'type_id', 99, 'type', entry.resource_type)));
  part jsonb;
  unmapped jsonb := jsonb_strip_nulls(jsonb_build_object('changed_fields', to_jsonb(entry.changed_fields), 'commit_lsn', entry.commit_lsn));
begin
  if entry.new_values is not null then
    event := event || jsonb_build_object('entity_result', jsonb_strip_nulls(jsonb_build_object(
        'name', entry.resource_type || coalesce('/' || entry.resource_id, ''), 'uid', entry.resource_id,
        'type_id', 99, 'type', entry.resource_type)) || jsonb_build_object('data', entry.new_values));
  end if;
  part := jsonb_strip_nulls(jsonb_build_object(
    'user', case when entry.user_id is not null then jsonb_build_object('uid', entry.user_id)
      when entry.context ? 'session_user' then jsonb_build_object('name', entry.context ->> 'session_user') end,
    'session', case when entry.session_id is not null then jsonb_build_object('uid', entry.session_id) end,
    'app_name', entry.context ->> 'application_name'));
  if part <> '{}' then
    event := event || jsonb_build_object('actor', part);
  end if;
  if entry.ip_address is not null then
    event := event || jsonb_build_object('src_endpoint', jsonb_build_object('ip', host(entry.ip_address)));
  end if;
  part := jsonb_strip_nulls(jsonb_build_object(
    'user_agent', entry.user_agent,
    'http_method', case when method in ('CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'TRACE') then method end,
    'url', case when entry.context ? 'path' then jsonb_build_object('path', entry.context ->> 'path') end));
  if part <> '{}' then
    event := event || jsonb_build_object('http_request', part);
  end if;
  if entry.old_values is not null then
    unmapped := unmapped || jsonb_build_object('old_values', entry.old_values);
  end if;
  if entry.context is not null then
    unmapped := unmapped || jsonb_build_object('context', entry.context);
  end if;
  return event || jsonb_build_object('unmapped', unmapped);
end
$$;
comment on function pgherald.audit_ocsf(public.audit_logs) is 'pgherald: an entry of the audit trail as OCSF Entity Management';
revoke execute on function pgherald.audit_ocsf(public.audit_logs) from public, anon, authenticated, service_role;
grant execute on function pgherald.audit_ocsf(public.audit_logs) to service_role;

-- ---------------------------------------------------------------- versions

-- The row of this key as it was before a place in the trail, as far as the trail can tell: what entries
-- do not repeat (unchanged TOAST without the row as it was) comes from earlier ones, by way of other keys
-- that the row had. The caller may know what it was before one of them, by its place: then it ends there.
create or replace function pgherald.audit_row_before(
  p_names text[], p_key text, p_time timestamptz, p_lsn pg_lsn, p_ordinal bigint,
  p_known_lsn pg_lsn default null, p_known_ordinal bigint default null, p_known jsonb default null) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  found_values jsonb := '{}';
  a record;
begin
  loop
    select l.occurred_at, l.commit_lsn, l.ordinal, l.action, l.new_values, l.changed_fields, l.old_resource_id into a
    from public.audit_logs l
    where l.resource_type = any (p_names) and l.resource_id = p_key and l.occurred_at <= p_time
      and (l.occurred_at, l.commit_lsn, l.ordinal) < (p_time, p_lsn, p_ordinal)
      and l.action in ('insert', 'update', 'delete')
    order by l.occurred_at desc, l.commit_lsn desc, l.ordinal desc
    limit 1;
    exit when not found or a.action = 'delete';
    found_values := coalesce(a.new_values, '{}') || found_values;
    exit when a.action = 'insert' or a.changed_fields is not null;
    if a.commit_lsn = p_known_lsn and a.ordinal = p_known_ordinal then
      return p_known || found_values;
    end if;
    p_key := coalesce(a.old_resource_id, p_key);
    p_time := a.occurred_at;
    p_lsn := a.commit_lsn;
    p_ordinal := a.ordinal;
  end loop;
  return found_values;
end
$$;
comment on function pgherald.audit_row_before(text[], text, timestamptz, pg_lsn, bigint, pg_lsn, bigint, jsonb) is 'pgherald: a row as the trail has it before one of its entries';
revoke execute on function pgherald.audit_row_before(text[], text, timestamptz, pg_lsn, bigint, pg_lsn, bigint, jsonb) from public, anon, authenticated, service_role;
grant execute on function pgherald.audit_row_before(text[], text, timestamptz, pg_lsn, bigint, pg_lsn, bigint, jsonb) to service_role;

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
  left_lsn pg_lsn;
  left_ordinal bigint;
  left_values jsonb;
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
      when a.old_resource_id is not null and a.resource_id = key then
        case when a.changed_fields is null then pgherald.audit_row_before(found_table.names, a.old_resource_id,
          a.occurred_at, a.commit_lsn, a.ordinal, left_lsn, left_ordinal, left_values) else '{}' end || coalesce(a.old_values, '{}')
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
      left_lsn := a.commit_lsn;
      left_ordinal := a.ordinal;
      left_values := old_values;
      new_values := null;  -- the row goes on under another key, and may come back
    end if;
  end loop;
end
$$;
comment on function pgherald.audit_history(text, text, timestamptz, timestamptz) is 'pgherald: every version of a row, with who, when and what differs';

-- ---------------------------------------------------------------- undoing

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
  if p_xid is not null and (
    select count(distinct l.commit_lsn) from public.audit_logs l
    where l.xid = p_xid and (p_since is null or l.occurred_at >= p_since) and (p_until is null or l.occurred_at <= p_until)) > 1
  then
    raise exception 'several transactions had the number %', p_xid
      using errcode = 'cardinality_violation', hint = 'Numbers come round after 4 billion transactions: say since when, or until when (--since, --until).';
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
    -- The row that caused others first; then, of those, the deleted ones, as they went: a row may have
    -- lost one parent (set null) before it went with the other.
    order by coalesce(r.root, e.n) desc, r.root is not null, e.action <> 'delete',
      case e.action when 'delete' then e.n else -e.n end
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
