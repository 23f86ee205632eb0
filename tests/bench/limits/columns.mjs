// 1,600 columns, the most that a table can have: of all kinds, most of them null, updated with the old row.
import assert from "node:assert/strict";
import { jwt } from "../../e2e/harness.mjs";
import { Phoenix } from "../../e2e/phoenix.mjs";
import { caughtUp, cpuSeconds, measured, sameAsTable } from "./measure.mjs";

const COLUMNS = 1600;
const types = ["int", "text", "numeric", "boolean", "timestamptz", "jsonb", "uuid", "float8"];
const typeOf = (i) => types[i % types.length];
// A page of the heap holds 8 kB, so a row of 1,600 columns has few values that are not null.
const valueOf = { int: "g", text: "'t' || g", numeric: "g / 8.0", boolean: "g % 2 = 0", timestamptz: "'2026-01-01'", jsonb: "jsonb_build_object('g', g)", uuid: "gen_random_uuid()", float8: "g / 4.0" };

export const full = { rows: 20_000 };
export const small = { rows: 100 };

function setUp() {
  const columns = Array.from({ length: COLUMNS - 1 }, (_, i) => `column_number_${i} ${typeOf(i)}`);
  return `create table public.wide (id int primary key, ${columns.join(", ")}); alter table public.wide replica identity full;`;
}

// Every so many-th column has a value.
function insert(every) {
  const with_value = Array.from({ length: COLUMNS - 1 }, (_, i) => i).filter((i) => i % every === 0 || i === 6 || i === COLUMNS - 2);
  return `insert into public.wide (id, ${with_value.map((i) => `column_number_${i}`).join(", ")}) select g, ${with_value.map((i) => valueOf[typeOf(i)]).join(", ")} from generate_series($1::int, $2::int) g`;
}

export const run = (cluster, { rows, settings }) =>
  measured(
    cluster,
    { title: `rows of ${COLUMNS.toLocaleString("en")} columns, inserted and updated`, bound: 96, settings, before: ({ db }) => db.query(setUp()) },
    async (env, watch) => {
      await env.db.query(`
        insert into public.notification_rules (name, table_name, events, condition, recipient, title)
        values ('the last column', 'wide', '{update}', 'column_number_0=eq.-1', 'column_number_6', 'row {{new.id}}: {{new.column_number_${COLUMNS - 2}}}')`);
      await env.db.query("grant select on public.wide to service_role");
      const client = await Phoenix.connect(env, jwt(env.secret, { role: "service_role" }));
      const { reply } = await client.join("realtime:wide", [{ event: "*", schema: "public", table: "wide" }]);
      assert.equal(reply.payload.status, "ok");
      await env.db.query(insert(3), [0, 0]);
      const { payload } = await client.frame((frame) => frame.event === "postgres_changes", "the wide row", 20000);
      assert.equal(Object.keys(payload.data.record).length, COLUMNS);
      assert.equal(payload.data.columns.length, COLUMNS);
      await client.close();
      const cpu = await cpuSeconds(env);
      watch.begin();
      for (let from = 1; from <= rows; from += 500) {
        await env.db.query(insert(8), [from, Math.min(from + 499, rows)]);
        await env.db.query(`update public.wide set column_number_0 = -1, column_number_${COLUMNS - 2} = null where id between $1 and $2`, [from, Math.min(from + 499, rows)]);
      }
      const written = watch.seconds();
      await caughtUp(env);
      const seconds = watch.seconds();
      const after = await cpuSeconds(env);
      assert.equal(await sameAsTable(env, "wide", { action: "update", where: "id > 0" }), rows);
      const told = await env.row("select count(*)::int as n from public.notifications");
      assert.equal(told.n, rows);
      const { n } = await env.row(`select count(*)::int as n from public.audit_logs where action = 'update' and changed_fields = '{column_number_0,column_number_${COLUMNS - 2}}'`);
      assert.equal(n, rows);
      return {
        changes: 2 * rows,
        seconds,
        notes: [`written in ${written.toFixed(1)} s; CPU of 1,000 changes: the daemon ${(((after.daemon - cpu.daemon) * 500) / rows).toFixed(2)} s, the server for it ${(((after.server - cpu.server) * 500) / rows).toFixed(2)} s`],
      };
    },
  );
