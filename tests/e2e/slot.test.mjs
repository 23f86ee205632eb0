// WAL that piles up for the slot: it is told, and where the operator wants it the slot goes before the
// database's disk is full. What is missing then is said, and the daemon goes on with a new slot.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, Env, eventually, patience, sleep } from "./harness.mjs";

const metric = async (env, name) => Number((await (await fetch(`http://127.0.0.1:${env.adminPort}/metrics`)).text()).match(new RegExp(`^pgherald_${name} (\\d+)`, "m"))[1]);
const level = (env) => metric(env, "slot_level");

const gaps = async (env) => (await env.rows("select new_values ->> 'reason' as reason from public.audit_logs where action = 'pgherald.gap' order by id")).map(({ reason }) => reason);

// Nothing is stored while somebody has the audit trail, so WAL piles up.
async function block(env) {
  const locker = await env.connect();
  await locker.query("begin; lock table public.audit_logs in access exclusive mode");
  return async () => {
    await locker.query("rollback");
    await locker.end();
  };
}

async function writeWal(env, bytes) {
  for (let written = 0; written < bytes; written += 1 << 20) await env.db.query("insert into public.bulk select g, repeat('x', 1000) from generate_series(1, 1000) g");
}

test("warning, critical and fine again: log, metrics, status", { timeout: 120000 * patience }, async (t) => {
  const env = await Env.start({ seed: false, config: { slot_warning: "2M", slot_critical: "12M" } });
  t.after(() => env.stop());
  await env.db.query("create table public.bulk (id int, filler text)");
  const unblock = await block(env);
  await writeWal(env, 4 << 20);
  await eventually(async () => (await level(env)) === 1, "the warning", 20000);
  assert.match(env.logText(), /level=warn module=slot .*slot_warning/);
  assert.ok((await metric(env, "slot_retained_bytes")) > 2 << 20);
  assert.equal(JSON.parse((await env.command("status", "--json")).stdout).slot.level, "warning");
  await writeWal(env, 12 << 20);
  await eventually(async () => (await level(env)) === 2, "the level to be critical", 20000);
  assert.match(env.logText(), /level=error module=slot .*in danger/);
  const status = await env.command("status");
  assert.equal(status.code, 1);
  assert.match(status.stdout + status.stderr, /which is critical/);
  await unblock();
  await env.caughtUp();
  await env.db.query("checkpoint");
  await eventually(async () => {
    await env.db.query("insert into public.bulk values (0, '')");
    return (await level(env)) === 0;
  }, "the level to be fine again", 60000);
});

test("beyond slot_drop_beyond the slot is dropped; init makes it anew and records the gap", { timeout: 120000 * patience }, async (t) => {
  const env = await Env.start({ seed: false, config: { slot_drop_beyond: "8M" } });
  t.after(() => env.stop());
  await env.db.query("create table public.bulk (id int primary key generated always as identity, filler text)");
  await env.db.query("insert into public.bulk (filler) values ('before')");
  await env.caughtUp();
  const unblock = await block(env);
  for (let i = 0; i < 12; i++) await env.db.query("insert into public.bulk (filler) select repeat('x', 1000) from generate_series(1, 1000) g");
  await eventually(async () => (await env.row("select count(*)::int as n from pg_replication_slots where slot_name = $1", [env.name])).n === 0, "the slot to be dropped", 30000);
  await unblock();
  await eventually(async () => (await level(env)) === 4, "the daemon to see it gone", 20000);
  await eventually(async () => (await fetch(`http://127.0.0.1:${env.adminPort}/readyz`)).status === 503, "not ready without a slot");
  assert.match(env.logText(), /the slot has been dropped; `pgherald init` makes a new one/);
  const status = await env.command("status");
  assert.equal(status.code, 1);
  assert.match(status.stdout + status.stderr, /does not exist: run pgherald init/);
  await env.init();
  await env.ready(); // the daemon needs no restart
  await env.db.query("insert into public.bulk (filler) values ('after')");
  await env.caughtUp();
  assert.deepEqual(await gaps(env), ["first start", "slot missing", "slot made anew"]);
  const kept = await env.rows("select new_values ->> 'filler' as filler from public.audit_logs where resource_type = 'public.bulk' and length(new_values ->> 'filler') < 10 order by id");
  assert.deepEqual(kept.map(({ filler }) => filler), ["before", "after"]);
});

test("a slot that the server took away is said to be lost, with the remedy", { timeout: 120000 * patience }, async (t) => {
  const cluster = await Cluster.start({ own: true });
  const env = await Env.start({ cluster, seed: false });
  t.after(async () => {
    await env.stop();
    cluster.stop();
  });
  await env.db.query("create table public.bulk (id int, filler text)");
  await env.db.query("insert into public.bulk values (0, 'before')");
  await env.caughtUp();
  await env.db.query("alter system set max_slot_wal_keep_size = '16MB'");
  await env.db.query("select pg_reload_conf()");
  await env.kill("SIGTERM");
  for (let i = 0; i < 5; i++) {
    await writeWal(env, 8 << 20);
    await env.db.query("select pg_switch_wal()");
  }
  await env.db.query("checkpoint");
  assert.equal((await env.row("select wal_status from pg_replication_slots where slot_name = $1", [env.name])).wal_status, "lost");
  await env.run([], { ready: false });
  await eventually(async () => (await level(env)) === 4, "the level to be lost", 20000);
  assert.match(env.logText(), /run `pgherald init`, which makes a new one/);
  assert.equal((await fetch(`http://127.0.0.1:${env.adminPort}/readyz`)).status, 503);
  const status = await env.command("status");
  assert.match(status.stdout + status.stderr, /removed WAL that it still needed/);
  await eventually(async () => (await gaps(env)).includes("slot lost"), "the entry of a session that finds it lost");
  await env.db.query("select pg_drop_replication_slot($1)", [env.name]);
  await env.init();
  await env.ready();
  await env.db.query("insert into public.bulk values (1, 'after')");
  await env.caughtUp();
  // the daemon may have looked between the drop and init
  assert.deepEqual((await gaps(env)).filter((reason) => reason !== "slot missing"), ["first start", "slot lost", "slot made anew"]);
});
