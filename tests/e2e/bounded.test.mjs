// What is very large or very many, at sizes that a test can wait for: `make limits` runs the same at full size.
// Each experiment compares the audit trail with the tables, and has a bound on the daemon's memory.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Cluster, Env } from "./harness.mjs";
import { faultsOf } from "../bench/limits/limits.mjs";

let cluster;
before(async () => (cluster = await Cluster.start()));
after(() => cluster.stop());

for (const name of ["rows", "empty", "columns", "tables", "away"]) {
  const { run, small } = await import(`../bench/limits/${name}.mjs`);
  test(`limits: ${name}, ${Object.entries(small).map(([what, value]) => `${value} ${what}`).join(", ")}`, async (t) => {
    for (const result of [await run(cluster, small)].flat()) {
      assert.deepEqual(faultsOf(result), []);
      t.diagnostic(`${result.title}: at most ${result.peak.hwm.toFixed(0)} MB, bound ${result.bound}`);
    }
  });
}

// The walsender says nothing while it decodes a transaction of which nothing is wanted. A session that were
// ended for that would come to the same transaction again, for ever.
test("a large transaction that is nothing to us is no silence, however long it takes", async (t) => {
  const env = await Env.start({
    cluster,
    seed: false,
    config: { stream_timeout: "1s" },
    before: ({ db }) => db.query("create schema aside; create table aside.things (id int); create table public.notes (id int primary key)"),
  });
  t.after(() => env.stop());
  await env.db.query("insert into aside.things select generate_series(1, 2000000)");
  await env.db.query("insert into public.notes values (1)");
  await env.caughtUp(300000);
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.notes'")).n, 1);
  assert.equal(Number((await env.stats()).reconnects_total), 0, env.logText());
});
