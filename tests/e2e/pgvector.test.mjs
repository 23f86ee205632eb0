// match_memories() has one signature and gives the same answers on pgvector with an HNSW index and
// on plain arrays. Debian 12 has no package of pgvector, so it runs in PGlite, which is PostgreSQL
// with the real extension in one process; where the test server has it, there too.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { Env } from "./harness.mjs";

const folder = fileURLToPath(new URL("../../sql/migrations/", import.meta.url));
const migrations = readdirSync(folder).sort();
const people = [1, 2, 3].map((n) => `aaaaaaaa-0000-4000-8000-00000000000${n}`);
const own = 15; // of the first person; the second has the rest, the third none
const rows = 600;

const ways = {};
const stops = [];

async function installed(name, exec, query) {
  for (const file of migrations) await exec(`begin; ${readFileSync(folder + file, "utf8")}; commit`);
  await exec(data);
  ways[name] = { exec, query };
}

async function onServer(name, before) {
  const env = await Env.start({ init: false, daemon: false });
  stops.push(() => env.stop());
  if (before) await env.db.query(before);
  await installed(name, (sql) => env.db.query(sql), async (sql, params) => (await env.db.query(sql, params)).rows);
  return env;
}

// Points of a space of eight dimensions, spread by sines, in the first columns of 1536: near enough
// to each other that an index has something to find.
const point = (seed) => `(select array_agg(sin(${seed} * (d + 0.37) * (d * d + 1.73))::real) from generate_series(1, 8) as d) || array_fill(0::real, array[1528])`;
const data = `
  do $$
  declare
    kind constant text := (select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.memories'::regclass and attname = 'embedding');
  begin
    insert into public.users (id) values ('${people.join("'), ('")}');
    execute format('insert into public.memories (id, user_id, content, embedding)
      select (''00000000-0000-4000-8000-'' || lpad(n::text, 12, ''0''))::uuid, case when n <= ${own} then ''${people[0]}'' else ''${people[1]}'' end::uuid, ''m'', (${point("n")})::%s
      from generate_series(1, ${rows}) as n', kind);
    -- not embedded yet; so that the table is large enough for the planner to look for an index
    insert into public.memories (user_id, content) select '${people[1]}', 'm' from generate_series(1, 20000);
  end $$;
  analyze public.memories;`;

before(async () => {
  const server = await onServer("vector", null);
  const hasVector = (await server.db.query("select 1 from pg_extension where extname = 'vector'")).rowCount > 0;
  if (!hasVector) ways.array = ways.vector;
  delete ways.vector;
  if (hasVector) {
    ways["pgvector of the server"] = { exec: (sql) => server.db.query(sql), query: async (sql, params) => (await server.db.query(sql, params)).rows };
    // as on a server that has no such extension
    await onServer("array", `
      create function public.no_vector() returns event_trigger language plpgsql as
        $$ begin raise exception 'extension "vector" is not available' using errcode = 'feature_not_supported'; end $$;
      create event trigger no_vector on ddl_command_start when tag in ('CREATE EXTENSION') execute function public.no_vector()`);
  }
  const lite = await PGlite.create({ extensions: { vector } });
  stops.push(() => lite.close());
  await installed("pgvector in PGlite", (sql) => lite.exec(sql), async (sql, params) => (await lite.query(sql, params)).rows);
});
after(async () => {
  for (const stop of stops) await stop();
});

const vectorWays = () => Object.entries(ways).filter(([name]) => name !== "array");
const search = (way, seed, rest = "") => way.query(`select id, similarity::float8 as similarity from public.match_memories(${point(seed)}${rest})`);

// As PostgREST would: what a user sees.
async function asUser(way, user, sql, settings = "") {
  await way.exec(`begin; ${settings} select set_config('request.jwt.claims', '{"sub": "${user}", "role": "authenticated"}', true); set local role authenticated`);
  try {
    return await way.query(sql);
  } finally {
    await way.exec("rollback");
  }
}

test("the column is a vector here and an array there, and the function's signature is one", async () => {
  const signature = "select pg_get_function_arguments(oid) as takes, pg_get_function_result(oid) as gives, provolatile::text, prosecdef from pg_proc where proname = 'match_memories'";
  const type = "select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'public.memories'::regclass and attname = 'embedding'";
  assert.equal((await ways.array.query(type))[0].type, "real[]");
  const want = await ways.array.query(signature);
  assert.equal(want.length, 1);
  for (const [name, way] of vectorWays()) {
    assert.equal((await way.query(type))[0].type, "vector(1536)", name);
    assert.deepEqual(await way.query(signature), want, name);
  }
});

test("exact search: the same rows in the same order, the same similarities", async () => {
  for (const [name, way] of vectorWays()) {
    await way.exec("set enable_indexscan = off");
    for (const [seed, rest] of [[3.3, ""], [17.5, ", 0.9"], [101.1, ", -1, 50"], [8.2, `, 0, 20, '${people[0]}'`], [5.5, `, 0, 20, '${people[2]}'`], [44.4, ", 0.5, 0"]]) {
      const want = await search(ways.array, seed, rest);
      const have = await search(way, seed, rest);
      assert.deepEqual(have.map(({ id }) => id), want.map(({ id }) => id), `${name}: ${seed}${rest}`);
      for (const [i, { similarity }] of have.entries()) assert.ok(Math.abs(similarity - want[i].similarity) < 1e-6, `${name}: ${similarity} is not ${want[i].similarity}`);
    }
    await way.exec("reset enable_indexscan");
  }
});

test("through the index: nearly the same rows, in order, each with its exact similarity", async () => {
  for (const [name, way] of vectorWays()) {
    await way.exec("set enable_seqscan = off; set enable_sort = off");
    let found = 0;
    for (let seed = 1.5; seed < 21; seed++) {
      const want = new Map((await search(ways.array, seed, ", -1, 1000")).map(({ id, similarity }) => [id, similarity]));
      const best = [...want.keys()].slice(0, 10);
      const have = await search(way, seed, ", -1, 10");
      assert.equal(have.length, 10, name);
      assert.deepEqual(have.map(({ similarity }) => similarity), have.map(({ similarity }) => similarity).sort((a, b) => b - a));
      for (const { id, similarity } of have) assert.ok(Math.abs(similarity - want.get(id)) < 1e-6, name);
      found += have.filter(({ id }) => best.includes(id)).length;
    }
    await way.exec("reset enable_seqscan; reset enable_sort");
    assert.ok(found >= 190, `${name}: ${found} of the 200 nearest`);
  }
});

test("the HNSW index is there and is what a search scans", async () => {
  for (const [name, way] of vectorWays()) {
    const [{ definition }] = await way.query("select pg_get_indexdef('public.memories_embedding_idx'::regclass) as definition");
    assert.match(definition, /USING hnsw \(embedding .*vector_cosine_ops\)/, name);
    const scans = "select pg_stat_get_xact_numscans('public.memories_embedding_idx'::regclass)::int as n, pg_stat_get_xact_numscans('public.memories'::regclass)::int as whole";
    await way.exec("begin");
    const [earlier] = await way.query(scans);
    assert.equal((await search(way, 2.5, ", 0.1, 5")).length, 5);
    const [later] = await way.query(scans);
    await way.exec("rollback");
    assert.deepEqual([later.n - earlier.n, later.whole - earlier.whole], [1, 0], name);
  }
});

test("a user among many finds his own, as many as there are", async () => {
  for (const [name, way] of Object.entries(ways)) {
    for (const plan of ["", "set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off;"]) {
      const found = `select count(*)::int as n, count(*) filter (where user_id = auth.uid())::int as own from public.match_memories(${point(333.3)}, -1, 10)`;
      const count = async (user) => (await asUser(way, user, found, plan))[0];
      assert.deepEqual(await count(people[0]), { n: 10, own: 10 }, name);
      assert.deepEqual(await count(people[2]), { n: 0, own: 0 }, name);
    }
  }
});

test("what is no embedding is refused in both ways", async () => {
  for (const [name, way] of Object.entries(ways)) {
    await assert.rejects(way.query("select * from public.match_memories(array[1, 2, 3]::real[])"), (error) => error.code === "22000" && /dimensions/.test(error.message), name);
    await assert.rejects(way.query("select * from public.match_memories(array_fill('NaN'::real, array[1536]))"), { code: "22000" }, name);
  }
});
