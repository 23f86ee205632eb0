-- pgherald: set=core

-- DDL that changes nothing of what is published must not wait for other DDL: the lock is taken only
-- where there is something to do.
create or replace function pgherald.publication_is(name text, operations text, tables oid[]) returns boolean
language sql stable
set search_path = ''
as $$
  select exists (
    select 1
    from pg_catalog.pg_publication p
    where p.pubname = publication_is.name
      and not p.puballtables and not p.pubviaroot
      and concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
        case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end) = operations
      and array(select r.prrelid from pg_catalog.pg_publication_rel r where r.prpubid = p.oid order by 1)
        = array(select t from unnest(tables) as t order by 1)
      and not exists (
        select 1 from pg_catalog.pg_publication_rel r
        where r.prpubid = p.oid and (r.prqual is not null or r.prattrs is not null)))
$$;
comment on function pgherald.publication_is(text, text, oid[]) is 'pgherald: whether a publication holds exactly these tables';
revoke execute on function pgherald.publication_is(text, text, oid[]) from public, anon, authenticated, service_role;

-- As in 030.
create or replace function pgherald.publish_tables(publication text) returns void
language plpgsql
set search_path = ''
as $$
declare
  whole oid[];
  inserts oid[];
  is_locked boolean := false;
begin
  loop
    select coalesce(array_agg(t.relation::oid) filter (where t.held = 'whole'), '{}'),
      coalesce(array_agg(t.relation::oid) filter (where t.held = 'inserts'), '{}')
    into whole, inserts
    from pgherald.published_tables(publication) t;
    if pgherald.publication_is(publication, 'insert, update, delete, truncate', whole)
      and pgherald.publication_is(publication || '_inserts', 'insert, truncate', inserts)
    then
      return;
    end if;
    exit when is_locked;
    -- another one may be at it: what there is to do is asked for again
    perform pg_advisory_xact_lock(hashtextextended('pgherald.refresh_publication', 0));
    is_locked := true;
  end loop;
  perform pgherald.set_publication(publication, 'insert, update, delete, truncate', whole);
  perform pgherald.set_publication(publication || '_inserts', 'insert, truncate', inserts);
end
$$;
