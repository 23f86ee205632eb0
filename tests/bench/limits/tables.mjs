// 10,000 tables: what the start and `doctor` take, what is held in memory of each, with rows of all of them
// in turns, so that no cache is right twice in a row.
import assert from "node:assert/strict";
import { caughtUp, highWater, measured } from "./measure.mjs";

export const full = { tables: 10_000, rounds: 3 };
export const small = { tables: 1_000, rounds: 2 };

const COLUMNS = 20;

// Half of them with REPLICA IDENTITY FULL, as audited tables have it.
async function make({ db }, tables) {
  await db.query("set synchronous_commit to off");
  for (let from = 0; from < tables; from += 200) {
    await db.query(`do $$ begin
      for t in ${from}..${Math.min(from + 199, tables - 1)} loop
        execute format('create table public.table_number_%s (id int, part int, ${Array.from({ length: COLUMNS - 2 }, (_, i) => `some_column_${i} text`).join(", ")}, primary key (part, id))', t);
        if t % 2 = 0 then execute format('alter table public.table_number_%s replica identity full', t); end if;
      end loop; end $$`);
  }
}

async function timed(work) {
  const from = process.hrtime.bigint();
  const found = await work();
  return [Number(process.hrtime.bigint() - from) / 1e9, found];
}

// 100 tables a transaction: an insert into each, and an update.
async function write(env, tables, round) {
  await env.db.query("set synchronous_commit to off");
  for (let from = 0; from < tables; from += 100) {
    await env.db.query(`do $$ begin
      for t in ${from}..${Math.min(from + 99, tables - 1)} loop
        execute format('insert into public.table_number_%s (part, id, some_column_0) values (1, ${round}, ''a'')', t);
        execute format('update public.table_number_%s set some_column_0 = ''b'' where id = ${round}', t);
      end loop; end $$`);
  }
}

export const run = (cluster, { tables, rounds, settings }) =>
  measured(
    cluster,
    { title: `${tables.toLocaleString("en")} tables of ${COLUMNS} columns`, bound: 160, settings, daemon: false, before: (env) => make(env, tables) },
    async (env, watch) => {
      const [doctor, { code, stdout }] = await timed(() => env.command("doctor"));
      assert.ok(code === 0 || code === 1, `doctor exited with ${code}`);
      const [start] = await timed(() => env.run());
      const base = highWater(env);
      watch.begin();
      for (let round = 0; round < rounds; round++) await write(env, tables, round);
      const written = watch.seconds();
      await caughtUp(env);
      const seconds = watch.seconds();
      const changes = 2 * tables * rounds;
      const found = await env.row(`
        select count(*)::int as n, count(distinct resource_type)::int as tables,
          count(*) filter (where resource_id = format('[%s,1]', new_values ->> 'id'))::int as keys,
          count(*) filter (where new_values ->> 'some_column_0' = case action when 'insert' then 'a' else 'b' end)::int as values
        from public.audit_logs where resource_type like 'public.table\\_number\\_%'`);
      assert.deepEqual(found, { n: changes, tables, keys: changes, values: changes });
      return {
        base,
        changes,
        seconds,
        notes: [`doctor ${doctor.toFixed(1)} s, ${stdout.split("\n").length} lines; start until ready ${start.toFixed(1)} s, ${base.toFixed(0)} MB then; written in ${written.toFixed(0)} s`],
      };
    },
  );
