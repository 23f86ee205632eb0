-- pgherald: set=seed
--
-- match_memories(): the memories nearest to an embedding. One signature whatever the server
-- has: the query comes as an array of 1536 numbers, which JSON and every driver can write.
-- SECURITY INVOKER: row level security decides whose memories are searched; filter_user_id
-- narrows that for a service that sees all.

do $search$
declare
  vector_schema text;
  vector_version text;
begin
  -- what the column is counts, not what could be installed by now
  select n.nspname, e.extversion into vector_schema, vector_version
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  join pg_catalog.pg_extension e on e.extname = 'vector'
  where a.attrelid = 'public.memories'::regclass and a.attname = 'embedding' and t.typname = 'vector';

  if vector_schema is not null then
    execute format(
      'create index if not exists memories_embedding_idx on public.memories
         using hnsw (embedding %I.vector_cosine_ops)', vector_schema);

    -- the caller's rights count, and on Supabase the type lives in a schema of its own
    if vector_schema <> 'public' and not has_schema_privilege('authenticated', vector_schema, 'usage') then
      execute format('grant usage on schema %I to authenticated, service_role', vector_schema);
    end if;

    -- The order by is what the index serves; the threshold is asked of the distance, because
    -- the distance to a zero vector is NaN, which is no neighbour. Planned at each call: only
    -- with the limit known is the index seen to be cheap.
    execute replace($create$
      create or replace function public.match_memories(
        query_embedding real[],
        match_threshold double precision default 0.7,
        match_count int default 10,
        filter_user_id uuid default null
      ) returns table (
        id uuid, user_id uuid, title text, content text, memory_type text,
        metadata jsonb, created_at timestamptz, similarity double precision
      )
      language plpgsql stable
      set search_path = ''
      set plan_cache_mode = 'force_custom_plan'
      as $body$
      #variable_conflict use_column
      declare
        wanted constant @schema@.vector := query_embedding::@schema@.vector;
      begin
        return query
          select m.id, m.user_id, m.title, m.content, m.memory_type, m.metadata, m.created_at,
            1 - (m.embedding operator(@schema@.<=>) wanted)
          from public.memories m
          where not m.is_archived
            and (filter_user_id is null or m.user_id = filter_user_id)
            and (m.embedding operator(@schema@.<=>) wanted) <= 1 - match_threshold
          order by m.embedding operator(@schema@.<=>) wanted
          limit least(match_count, 1000);
      end
      $body$
      $create$, '@schema@', quote_ident(vector_schema));

    -- From 0.8 the index goes on looking when row level security or the filter threw the
    -- nearest ones away; before, a user with few memories could get none.
    -- The cast loads the library: who is no superuser may only name settings that exist.
    if string_to_array(vector_version, '.')::int[] >= array[0, 8] then
      execute format('select %L::%I.vector', '[1]', vector_schema);
      alter function public.match_memories(real[], double precision, int, uuid)
        set hnsw.iterative_scan = 'strict_order';
    end if;
    return;
  end if;

  -- Without pgvector every candidate is computed, so it suits thousands of memories a user.
  create or replace function public.match_memories(
    query_embedding real[],
    match_threshold double precision default 0.7,
    match_count int default 10,
    filter_user_id uuid default null
  ) returns table (
    id uuid, user_id uuid, title text, content text, memory_type text,
    metadata jsonb, created_at timestamptz, similarity double precision
  )
  language plpgsql stable
  set search_path = ''
  as $body$
  #variable_conflict use_column
  declare
    query_norm constant double precision := (select sqrt(sum(q::double precision * q)) from unnest(query_embedding) as q);
  begin
    -- as pgvector would say it
    if cardinality(query_embedding) <> 1536 then
      raise exception 'different vector dimensions 1536 and %', cardinality(query_embedding)
        using errcode = 'data_exception';
    end if;
    return query
      select m.id, m.user_id, m.title, m.content, m.memory_type, m.metadata, m.created_at,
        least(1, greatest(-1, s.cosine))  -- rounding may have gone a hair beyond
      from public.memories m
      cross join lateral (
        -- no neighbour of a zero vector, instead of a division by zero
        select sum(a::double precision * q) / nullif(sqrt(sum(a::double precision * a)) * query_norm, 0) as cosine
        from unnest(m.embedding, query_embedding) as pair (a, q)
      ) as s
      where m.embedding is not null
        and not m.is_archived
        and (filter_user_id is null or m.user_id = filter_user_id)
        and s.cosine >= match_threshold
      order by s.cosine desc
      limit least(match_count, 1000);
  end
  $body$;
end
$search$;

comment on function public.match_memories(real[], double precision, int, uuid)
  is 'pgherald: the memories nearest to an embedding, by cosine similarity';
revoke execute on function public.match_memories(real[], double precision, int, uuid) from public, anon;
grant execute on function public.match_memories(real[], double precision, int, uuid) to authenticated, service_role;
