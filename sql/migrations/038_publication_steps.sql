-- pgherald: set=core

-- As in 005, a hundred tables a command: where there are event triggers, as ours, PostgreSQL keeps a copy of
-- the whole command for each table in it. One command with 10,000 took more than 20 GB of memory.
-- Makes the publication list exactly the publishable tables of these schemas. Returns what
-- publishable_tables() says, so that the caller can tell the operator what is missing.
create or replace function pgherald.refresh_publication(publication text, schemas text[])
returns table (relation regclass, reason text)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  pub_oid oid;
  wanted oid[];
  step record;
begin
  perform pg_advisory_xact_lock(hashtextextended('pgherald.refresh_publication', 0));

  select p.oid into pub_oid from pg_catalog.pg_publication p where p.pubname = publication;
  if pub_oid is not null and coalesce(obj_description(pub_oid, 'pg_publication'), '') not like 'pgherald:%' then
    raise exception 'publication % was not made by pgherald and is left as it is', quote_ident(publication)
      using hint = format('Name another publication in the configuration, or hand this one over: '
        'comment on publication %I is ''pgherald:''', publication);
  end if;

  select coalesce(array_agg(t.relation::oid order by t.relation::oid), '{}') into wanted
  from pgherald.publishable_tables(schemas) t
  where t.reason is null;

  if pub_oid is null then
    execute format('create publication %I', publication);
    execute format('comment on publication %I is %L', publication, 'pgherald: the tables that it watches');
    select p.oid into pub_oid from pg_catalog.pg_publication p where p.pubname = publication;
  end if;

  -- Only when needed: it makes every session look the tables up again.
  if exists (select 1 from pg_catalog.pg_publication_namespace pn where pn.pnpubid = pub_oid)
    or wanted is distinct from (
      select coalesce(array_agg(pr.prrelid order by pr.prrelid), '{}')
      from pg_catalog.pg_publication_rel pr
      where pr.prpubid = pub_oid)
  then
    if wanted = '{}' then
      -- SET TABLE takes no empty list
      execute format('drop publication %I', publication);
      execute format('create publication %I', publication);
      execute format('comment on publication %I is %L', publication, 'pgherald: the tables that it watches');
    else
      if exists (select 1 from pg_catalog.pg_publication_namespace pn where pn.pnpubid = pub_oid) then
        execute format('alter publication %I set table only %s', publication, wanted[1]::regclass);
      end if;
      for step in
        select d.is_wanted, string_agg('only ' || d.relation::text, ', ') as tables
        from (
          select coalesce(w.oid, r.prrelid)::regclass as relation, w.oid is not null as is_wanted,
            (row_number() over (partition by w.oid is not null order by coalesce(w.oid, r.prrelid)) - 1) / 100 as number
          from unnest(wanted) as w (oid)
          full join (
            select pr.prrelid from pg_catalog.pg_publication_rel pr where pr.prpubid = pub_oid
          ) as r on r.prrelid = w.oid
          where w.oid is null or r.prrelid is null
        ) as d
        group by d.is_wanted, d.number
        order by d.is_wanted, d.number
      loop
        execute format('alter publication %I %s table %s', publication, case when step.is_wanted then 'add' else 'drop' end, step.tables);
      end loop;
    end if;
  end if;

  return query select t.relation, t.reason from pgherald.publishable_tables(schemas) t;
end
$$;
comment on function pgherald.refresh_publication(text, text[]) is 'pgherald: makes a publication list the publishable tables of the schemas';
revoke execute on function pgherald.refresh_publication(text, text[]) from public;
