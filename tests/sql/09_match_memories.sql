-- The nearest memories: on pgvector or on arrays, the same answers.
begin;
select no_plan();
select tap.people();

-- A unit vector in the plane of the first two axes, at so many degrees.
create function pg_temp.at(degrees double precision) returns real[] language sql immutable as $$
  select array[cosd(degrees)::real, sind(degrees)::real] || array_fill(0::real, array[1534])
$$;

-- a function of text: the column's type, vector or array, is the server's
do $$
declare
  kind text := (select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.memories'::regclass and attname = 'embedding');
begin
  execute format('insert into public.memories (user_id, content, embedding, is_archived)
    select u, c, e::%s, a from (values
      (tap.ann(), ''at 0'', pg_temp.at(0), false), (tap.ann(), ''at 10'', pg_temp.at(10), false), (tap.ann(), ''at 45'', pg_temp.at(45), false),
      (tap.ann(), ''at 90'', pg_temp.at(90), false), (tap.ann(), ''at 180'', pg_temp.at(180), false),
      (tap.ann(), ''thrice as long, at 20'', (select array_agg(x * 3 order by n) from unnest(pg_temp.at(20)) with ordinality as t (x, n))::real[], false),
      (tap.cy(), ''cy''''s'', array_fill(0.5::real, array[1536]), false),
      (tap.ann(), ''archived'', pg_temp.at(0), true),
      (tap.ann(), ''zero'', array_fill(0::real, array[1536]), false),
      (tap.ann(), ''none'', null, false),
      (tap.bob(), ''bob at 1'', pg_temp.at(1), false)) as t (u, c, e, a)', kind);
end
$$;

create function pg_temp.found(role text, sub uuid, args text) returns text language sql as $$
  select tap.call(role, sub, format('select string_agg(m.content, '', '' order by m.similarity desc) from public.match_memories(%s) m', args))
$$;

select is(pg_temp.found('authenticated', tap.ann(), 'pg_temp.at(0)'), 'at 0, at 10, thrice as long, at 20, at 45', 'nearest first, down to a similarity of 0.7; length does not matter');
select results_eq(
  $$ select content, round(similarity::numeric, 4) from public.match_memories(pg_temp.at(0), -1, 100, tap.ann()) $$,
  $$ values ('at 0', 1.0000), ('at 10', 0.9848), ('thrice as long, at 20', 0.9397), ('at 45', 0.7071), ('at 90', 0.0000), ('at 180', -1.0000) $$,
  'similarity is the cosine; no zero vector, none without an embedding, none archived');
select is(pg_temp.found('authenticated', tap.ann(), 'pg_temp.at(0), 0.95'), 'at 0, at 10', 'the threshold');
select is(pg_temp.found('authenticated', tap.ann(), 'pg_temp.at(0), -1, 2'), 'at 0, at 10', 'the limit');
select is(pg_temp.found('authenticated', tap.ann(), 'pg_temp.at(0), -1, 0'), null, 'of zero');
select is(pg_temp.found('authenticated', tap.bob(), 'pg_temp.at(0)'), 'bob at 1', 'a user searches his own');
select is(pg_temp.found('authenticated', tap.bob(), format('pg_temp.at(0), 0.7, 10, %L', tap.ann())), null, 'whatever the filter says');
select is(pg_temp.found('service_role', null, 'pg_temp.at(0), 0.98'), 'at 0, bob at 1, at 10', 'the service searches all');
select is(pg_temp.found('service_role', null, format('pg_temp.at(0), 0.98, 10, %L', tap.bob())), 'bob at 1', 'or one user''s');
select ok((select similarity <= 1 and similarity > 0.999999 from public.match_memories(array_fill(0.1::real, array[1536]))), 'rounding does not go beyond 1');
select is(pg_temp.found('service_role', null, 'null'), null, 'nothing is near nothing');
select is(pg_temp.found('service_role', null, 'array_fill(0::real, array[1536]), -1'), null, 'or near a zero vector');
select throws_like($$ select * from public.match_memories(array[1, 2, 3]::real[]) $$, '%different vector dimensions 1536 and 3%', 'another length is an error');
select throws_ok($$ select * from public.match_memories(array_fill('NaN'::real, array[1536])) $$, '22000', null, 'so is what is not a number');
select throws_ok($$ select * from public.match_memories(array_fill('Infinity'::real, array[1536])) $$, '22000', null, 'or has no end');
create function pg_temp.remember(embedding text) returns text language plpgsql as $$
begin
  execute format('insert into public.memories (user_id, content, embedding) values (tap.ann(), ''odd'', %s)', embedding);
  return 'stored';
exception when data_exception then
  return 'refused';  -- pgvector's way
end
$$;
select ok(pg_temp.remember($$ array_fill('NaN'::real, array[1536]) $$) in ('stored', 'refused'), 'an embedding that is not a number');
select ok(pg_temp.remember($$ array_fill('Infinity'::real, array[1536]) $$) in ('stored', 'refused'), 'or without end');
select is(pg_temp.found('service_role', null, 'pg_temp.at(0), 0.999'), 'at 0, bob at 1', 'is near nothing');
select is(tap.attempt('anon', null, 'select * from public.match_memories(null)'), '42501', 'anon does not search');

select * from finish();
rollback;
