// What is very large or very many, at sizes that a test can wait for: `make limits` runs the same at full size.
// Each experiment compares the audit trail with the tables, and has a bound on the daemon's memory.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Cluster, Env, eventually, patience } from "./harness.mjs";
import { faultsOf } from "../bench/limits/limits.mjs";
import * as away from "../bench/limits/away.mjs";
import * as columns from "../bench/limits/columns.mjs";
import * as empty from "../bench/limits/empty.mjs";
import * as rows from "../bench/limits/rows.mjs";
import * as tables from "../bench/limits/tables.mjs";

let cluster;
before(async () => (cluster = await Cluster.start()));
after(() => cluster?.stop());

for (const [name, { run, small }] of Object.entries({ rows, empty, columns, tables, away })) {
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

// Its output function is that of an enum, which knows no such value: the server's own words for a row that it
// cannot print, without a row of 600 MB.
const brittle = `
  create function public.brittle_in(cstring) returns public.brittle language internal strict immutable as 'int4in';
  create function public.brittle_out(public.brittle) returns cstring language internal strict immutable as 'enum_out';
  create type public.brittle (input = public.brittle_in, output = public.brittle_out, internallength = 4, passedbyvalue, alignment = int4);
  create table public.notes (id int primary key, unprintable public.brittle);`;

test("a transaction that the server cannot send: what is before it is stored, it is named, and can be skipped with an entry", { timeout: 120000 * patience }, async (t) => {
  const env = await Env.start({ cluster, seed: false, daemon: false, before: ({ db }) => db.query(brittle) });
  t.after(() => env.stop());
  const trail = async () => (await env.rows("select resource_id from public.audit_logs where resource_type = 'public.notes' order by id")).map((row) => row.resource_id).join();
  const skip = (lsn) => env.db.query("select pgherald.skip_transaction($1, $2)", [env.name, lsn]);
  await env.db.query("insert into public.notes values (1)");
  await env.db.query("begin; insert into public.notes select generate_series(2, 4); insert into public.notes values (5, '7'); commit");
  await env.db.query("insert into public.notes values (6)");
  await env.run([], { ready: false }); // it is ready for moments only, between its attempts
  const [, lsn] = await eventually(() => /cannot send this transaction.* commit=(\S+).*invalid internal value for enum/.exec(env.logText()), "the log to name it", 30000);
  await eventually(async () => (await trail()) === "1", "what is before it to be stored");
  const { stuck_lsn: stuck } = await env.stats();
  assert.equal((await env.row("select '0/0'::pg_lsn + $1::numeric = $2::pg_lsn as same", [stuck, lsn])).same, true);
  await env.kill("SIGTERM");
  await eventually(async () => (await env.row("select not active as free from pg_replication_slots where slot_name = $1", [env.name])).free, "the slot to be free");
  await assert.rejects(skip("0/1"), /has passed 0\/1 already/);
  await assert.rejects(skip("FFFF/0"), /the WAL ends at/);
  await skip(lsn);
  await env.run();
  await env.caughtUp();
  assert.equal(await trail(), "1,6");
  await assert.rejects(skip(lsn), /is in use/);
  const gaps = await env.rows("select new_values ->> 'reason' as reason, new_values ->> 'until_lsn' as upto from public.audit_logs where action = 'pgherald.gap' order by id");
  assert.deepEqual(gaps, [{ reason: "first start", upto: gaps[0].upto }, { reason: "transaction skipped", upto: lsn }]);
  assert.equal(Number((await env.stats()).stuck_lsn), 0);
});
