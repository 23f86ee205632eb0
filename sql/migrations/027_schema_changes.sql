-- pgherald: set=core
--
-- Changes of the schema as entries of the audit trail. The stream carries rows and no DDL, so event
-- triggers write signed messages into the transaction that changes the schema, as 021 does for who
-- is at work. docs/audit.md has what becomes of them, and what they cannot see.

-- ---------------------------------------------------------------- what is shown of a statement

-- A statement may hold what nobody is to keep: a password of CREATE SUBSCRIPTION or USER MAPPING,
-- rows that a migration inserts in the same query. So no string literal is shown, no comment and no
-- body of a function. Where the end of a literal is not sure at a look (a backslash, nested comments)
-- nothing is shown from there on.
create or replace function pgherald.shown_statement(statement text) returns text
language plpgsql immutable strict
set search_path = ''
as $$
declare
  longest constant int := 4000;
  rest text := left(statement, 2 * longest);
  shown text := '';
  piece text;
  tag text;
  ends int;
  in_word boolean := false; -- a $ in a name begins no literal
begin
  while rest <> '' and length(shown) <= longest loop
    piece := substring(rest from '^[^"''$/-]+');
    if piece is not null or left(rest, 1) = '"' then
      piece := coalesce(piece, substring(rest from '^"[^"]*"'));
      exit when piece is null;
      shown := shown || piece;
    elsif left(rest, 1) = '''' then
      piece := substring(rest from '^''[^'']*''');
      exit when piece is null or position('\' in piece) > 0;
      shown := shown || '''...''';
    elsif left(rest, 2) = '--' then
      piece := substring(rest from '^[^\n]*');
    elsif left(rest, 2) = '/*' then
      ends := position('*/' in rest);
      exit when ends = 0 or position('/*' in substr(rest, 3, ends)) > 0;
      piece := left(rest, ends + 1);
    elsif rest ~ '^\$([^[:space:][:digit:]$''"][^[:space:]$''"]*)?\$' and not in_word then
      tag := substring(rest from '^\$[^$]*\$');
      ends := position(tag in substr(rest, length(tag) + 1));
      exit when ends = 0;
      piece := left(rest, 2 * length(tag) + ends - 1);
      shown := shown || '$...$';
    else
      piece := left(rest, 1);
      shown := shown || piece;
    end if;
    in_word := case
      when left(piece, 1) = '$' then in_word and length(piece) = 1
      when left(piece, 1) in ('''', '"', '-', '/') then false
      else piece ~ '[[:alpha:]_][[:alnum:]_]*$' or (in_word and piece ~ '^[[:alnum:]_]+$')
    end;
    rest := substr(rest, length(piece) + 1);
  end loop;
  shown := btrim(shown, E' \t\r\n');
  return case
    when length(shown) > longest then left(shown, longest) || ' ...'
    when rest <> '' or length(statement) > 2 * longest then shown || ' ...'
    else shown
  end;
end
$$;
comment on function pgherald.shown_statement(text) is 'pgherald: what an entry keeps of a statement: bounded, without literals';
revoke execute on function pgherald.shown_statement(text) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- the message

-- One message an object: its kind and name as PostgreSQL says them. Who did it is told first, once a
-- transaction. A statement on more objects than the bound says how many are left out.
create or replace function pgherald.emit_schema_change(command text, kinds text[], names text[], cascaded boolean[] default '{}') returns void
language plpgsql
set search_path = ''
as $$
declare
  most constant int := 200;
  found constant int := cardinality(kinds);
  xid constant text := pg_current_xact_id()::text;
  statement constant text := pgherald.shown_statement(current_query());
  facts text;
begin
  if current_setting('pgherald.context_of', true) is distinct from xid then
    perform pgherald.emit_context();
  end if;
  for i in 1 .. least(found, most) loop
    facts := jsonb_build_object(
      'xid', xid,
      'kind', 'schema',
      'type', left(kinds[i], 64),
      'name', left(coalesce(names[i], ''), 512),
      'change', jsonb_strip_nulls(jsonb_build_object(
        'command', left(command, 64),
        'statement', statement,
        'cascaded', nullif(coalesce(cascaded[i], false), false),
        'left_out', case when i = most and found > most then found - most end)))::text;
    perform pg_logical_emit_message(true, 'pgherald:schema',
      encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(facts, getdatabaseencoding()))), 'hex') || facts)
    from pgherald.context_key k;
  end loop;
end
$$;
comment on function pgherald.emit_schema_change(text, text[], text[], boolean[]) is 'pgherald: writes what became of the schema into the transaction';
revoke execute on function pgherald.emit_schema_change(text, text[], text[], boolean[]) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- by event trigger

-- What was made or changed. Of what a command makes along the way (the index of a primary key, the
-- sequence of a serial) it says enough itself, unless it names nothing else. Temporary objects are
-- nobody's business. A statement must not fail for being noted.
create or replace function pgherald.note_ddl() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  kinds text[];
  names text[];
begin
  with commands as (
    select lower(d.object_type) as kind, d.object_identity as name, d.command_tag = tg_tag or tg_tag = 'CREATE SCHEMA' as is_named
    from pg_event_trigger_ddl_commands() as d
    where d.schema_name is distinct from 'pg_temp' and not d.in_extension
  )
  select array_agg(c.kind), array_agg(c.name)
  into kinds, names
  from (
    select distinct kind, name
    from commands
    where is_named or not exists (select from commands where is_named)
    order by 1, 2
  ) as c;
  if kinds is not null then
    perform pgherald.emit_schema_change(tg_tag, kinds, names);
  end if;
exception when others then
  raise warning 'pgherald: % is no entry of the audit trail: %', tg_tag, sqlerrm;
end
$$;
comment on function pgherald.note_ddl() is 'pgherald: event trigger: what was made or changed in the schema';
revoke execute on function pgherald.note_ddl() from public, anon, authenticated, service_role;

-- What is gone: what was named, and what went with it and matters by itself. A column or constraint
-- that ALTER TABLE drops is told by that.
create or replace function pgherald.note_drop() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  kinds text[];
  names text[];
  cascaded boolean[];
begin
  select array_agg(o.object_type), array_agg(o.object_identity), array_agg(not o.original)
  into kinds, names, cascaded
  from (
    select d.object_type, d.object_identity, d.original
    from pg_event_trigger_dropped_objects() as d
    where not d.is_temporary
      and ((d.original and tg_tag like 'DROP %')
        or d.object_type in ('table', 'view', 'materialized view', 'foreign table')
        or (tg_tag <> 'DROP EXTENSION' and d.object_type in ('function', 'procedure', 'policy', 'trigger')))
    order by d.original desc, d.object_type, d.object_identity
  ) as o;
  if kinds is not null then
    perform pgherald.emit_schema_change(tg_tag, kinds, names, cascaded);
  end if;
exception when others then
  raise warning 'pgherald: % is no entry of the audit trail: %', tg_tag, sqlerrm;
end
$$;
comment on function pgherald.note_drop() is 'pgherald: event trigger: what was dropped of the schema';
revoke execute on function pgherald.note_drop() from public, anon, authenticated, service_role;

-- Only a superuser makes event triggers, and on some hosts who stands in for one. Whoever may not goes
-- on without: `pgherald doctor` says so, and a superuser may call this at any time.
create or replace function pgherald.note_schema_changes() returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if not exists (select from pg_catalog.pg_event_trigger e where e.evtname = 'pgherald_note_ddl') then
    create event trigger pgherald_note_ddl on ddl_command_end execute function pgherald.note_ddl();
    comment on event trigger pgherald_note_ddl is 'pgherald: changes of the schema become entries of the audit trail';
  end if;
  if not exists (select from pg_catalog.pg_event_trigger e where e.evtname = 'pgherald_note_drop') then
    create event trigger pgherald_note_drop on sql_drop execute function pgherald.note_drop();
    comment on event trigger pgherald_note_drop is 'pgherald: what is dropped of the schema becomes entries of the audit trail';
  end if;
  return true;
exception when insufficient_privilege then
  raise warning 'pgherald: changes of the schema are no entries of the audit trail, since % may not create event triggers', current_user
    using hint = 'As a superuser: select pgherald.note_schema_changes();';
  return false;
end
$$;
comment on function pgherald.note_schema_changes() is 'pgherald: has changes of the schema be entries, where event triggers may be made';
revoke execute on function pgherald.note_schema_changes() from public, anon, authenticated, service_role;

select pgherald.note_schema_changes();
