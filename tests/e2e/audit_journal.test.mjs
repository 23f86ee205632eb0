// What the daemon says of itself in the audit trail: start, reload, stop, a stop that was none, and the gaps
// of its stream.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, Env, eventually, plugin, temporaryFolder } from "./harness.mjs";

let cluster;

before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster?.stop());

async function start(t, options = {}) {
  const env = await Env.start({ cluster, seed: false, ...options });
  t.after(() => env.stop());
  return env;
}

const journal = (env) =>
  env.rows("select action, resource_type, resource_id, new_values, user_id, user_agent, context from public.audit_logs where action like 'pgherald.%' order by id");
const actions = async (env) => (await journal(env)).map(({ action, new_values: { reason } }) => (reason ? `${action.slice(9)}: ${reason}` : action.slice(9)));
const last = async (env, action) => (await journal(env)).filter((entry) => entry.action === `pgherald.${action}`).at(-1);
// The walsender may need a moment to see that the daemon is gone.
const drop = (env) => eventually(() => env.db.query("select pg_drop_replication_slot($1)", [env.name]), "the slot to be free");
const remake = async (env) => {
  await drop(env);
  await env.db.query("select pg_create_logical_replication_slot($1, $2)", [env.name, plugin]);
};

test("start, reload and stop are entries, once each, with what changed and without secrets", async (t) => {
  const file = join(temporaryFolder("conf"), "pgherald.conf");
  const write = (level, secret) => writeFileSync(file, `log_level = ${level}\njwt_secret = ${secret.repeat(40)}\n`);
  const env = await start(t, { daemon: false });
  delete env.settings.jwt_secret;
  write("info", "a");
  await env.run(["-c", file]);
  await eventually(async () => (await actions(env)).length === 2, "the start");
  assert.deepEqual(await actions(env), ["gap: first start", "start"]);
  const first = await last(env, "start");
  assert.deepEqual([first.resource_type, first.resource_id, first.user_agent, first.user_id], ["pgherald.daemon", env.name, "pgherald", null]);
  assert.deepEqual(first.new_values, { audit: "on" });
  assert.equal(first.context.source, "pgherald");
  assert.equal(first.context.pid, env.daemon.pid);

  write("debug", "b");
  env.daemon.kill("SIGHUP");
  await eventually(async () => (await actions(env)).length === 3, "the reload");
  assert.deepEqual((await last(env, "reload")).new_values, { changed: { log_level: ["info", "debug"] }, needs_restart: { jwt_secret: "changed" } });
  writeFileSync(file, "log_level = loud\n");
  env.daemon.kill("SIGHUP");
  await eventually(async () => (await actions(env)).length === 4, "a reload that failed");
  assert.match((await last(env, "reload")).new_values.error, /could not be read/);

  write("debug", "b");
  await env.db.query("create table public.seen (id int primary key); insert into public.seen values (1)");
  await env.kill("SIGTERM");
  const stop = await last(env, "stop");
  assert.equal(stop.new_values.reason, "SIGTERM");
  assert.equal(stop.context.run, first.context.run);
  env.settings.batch_max_wait = "25ms";
  await env.run(["-c", file]);
  await env.caughtUp();
  const second = await last(env, "start");
  assert.deepEqual(second.new_values.changed, { batch_max_wait: ["20ms", "25ms"] }, "against the settings of the last run, as it ended");
  assert.ok(new Date(second.new_values.last_stop) > new Date(second.new_values.last_start));
  assert.notEqual(second.context.run, first.context.run);
  assert.deepEqual(await actions(env), ["gap: first start", "start", "reload", "reload", "stop: SIGTERM", "start"]);
  const { n } = await env.row("select count(*)::int as n from public.audit_logs where to_jsonb(audit_logs)::text ~ '(aaaa|bbbb)'");
  assert.equal(n, 0, "no secret is in the trail");
});

test("a stop that was not recorded is told by the next start, and lost connections make no second one", async (t) => {
  const env = await start(t);
  await env.caughtUp();
  const { pid } = env.daemon;
  await env.db.query("create table public.before_kill (id int primary key); insert into public.before_kill values (1)");
  await env.caughtUp();
  for (let n = 0; n < 3; n += 1) {
    await env.db.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name in ('pgherald store', 'pgherald stream')");
    await eventually(async () => (await env.stats()).reconnects_total > n, "a new session");
    await env.ready();
  }
  await env.kill("SIGKILL");
  await env.run();
  await env.caughtUp();
  assert.deepEqual(await actions(env), ["gap: first start", "start", "start"]);
  const { new_values: told } = await last(env, "start");
  assert.equal(told.last_stop, "not recorded");
  assert.equal(told.last_who.pid, pid);
  assert.ok(new Date(told.last_stored) > new Date(told.last_start));
});

test("a stop in the middle of a transaction that is being stored is recorded", async (t) => {
  const env = await start(t, { config: { store_buffer: "64k", shutdown_timeout: "30s" } });
  await env.db.query("create table public.long (id int primary key, filler text)");
  await env.caughtUp();
  await env.db.query("insert into public.long select g, repeat('x', 500) from generate_series(1, 60000) g");
  await eventually(async () => (await env.stats()).changes_total > 1000, "its middle");
  await env.kill("SIGTERM");
  assert.deepEqual(await actions(env), ["gap: first start", "start", "stop: SIGTERM"]);
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.long'")).n, 0, "none of it was stored");
  await env.run();
  await env.caughtUp();
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.long'")).n, 60000);
  assert.deepEqual(await actions(env), ["gap: first start", "start", "stop: SIGTERM", "start"]);
});

test("a slot that was made anew behind the daemon's back is a gap, also if nothing was ever stored", async (t) => {
  const env = await start(t);
  await env.db.query("create table public.t (id int primary key)");
  await env.caughtUp();
  await env.kill("SIGTERM");
  await env.db.query("insert into public.t values (1)");
  await remake(env);
  await env.run();
  await env.db.query("insert into public.t values (2)");
  await env.caughtUp();
  assert.deepEqual(await actions(env), ["gap: first start", "start", "stop: SIGTERM", "gap: slot made anew", "start"]);
  assert.ok((await last(env, "gap")).new_values.until_lsn);

  // without a recorded stop
  await env.kill("SIGKILL");
  await env.db.query("select pg_logical_emit_message(false, 'x', repeat('x', 1000000)) from generate_series(1, 20)");
  await remake(env);
  await env.run();
  await env.db.query("insert into public.t values (3)");
  await env.caughtUp();
  await env.kill("SIGTERM");
  await env.run();
  await env.caughtUp();
  assert.deepEqual((await actions(env)).slice(5), ["gap: slot made anew", "start", "stop: SIGTERM", "start"], "once");
  const gap = (await last(env, "gap")).new_values;
  assert.ok(gap.after_lsn && gap.after_time, JSON.stringify(gap));
  const ids = await env.rows("select resource_id from public.audit_logs where resource_type = 'public.t' order by id");
  assert.deepEqual(ids.map((row) => row.resource_id), ["2", "3"]);
});

test("a slot that is gone is an entry, once, and one that init makes anew another; idle WAL is none", async (t) => {
  const env = await start(t);
  await env.caughtUp();
  await env.kill("SIGTERM");
  await drop(env);
  await env.run([], { ready: false });
  await eventually(async () => (await env.stats()).reconnects_total >= 3, "a few tries");
  await env.kill("SIGTERM");
  await env.init();
  await env.run();
  await env.caughtUp();
  assert.deepEqual(await actions(env), ["gap: first start", "start", "stop: SIGTERM", "gap: slot missing", "gap: slot made anew", "start"]);

  // 60 MB that nobody wants, with the slot confirmed on the way, and a crash: no gap
  for (let n = 0; n < 3; n += 1) {
    await env.db.query("select pg_logical_emit_message(false, 'x', repeat('x', 1000000)) from generate_series(1, 20)");
    await env.caughtUp();
  }
  await env.kill("SIGKILL");
  await env.run();
  await env.caughtUp();
  assert.deepEqual((await actions(env)).slice(6), ["start"]);
});

test("a checkpoint of another server's WAL is not gone on from", async (t) => {
  const env = await start(t);
  await env.db.query("create table public.t (id int primary key); insert into public.t values (1)");
  await env.caughtUp();
  await env.kill("SIGTERM");
  await env.db.query("update pgherald.checkpoints set commit_lsn = 'FFFF/0', end_lsn = 'FFFF/8'");
  await env.run();
  await env.db.query("insert into public.t values (2)");
  await env.caughtUp();
  assert.deepEqual(await actions(env), ["gap: first start", "start", "stop: SIGTERM", "gap: checkpoint ahead of the WAL", "start"]);
  const ids = await env.rows("select resource_id from public.audit_logs where resource_type = 'public.t' order by id");
  assert.deepEqual(ids.map((row) => row.resource_id), ["1", "2"]);
});

test("a slot whose WAL the server has thrown away is an entry, once", async (t) => {
  const own = await Cluster.start({ own: true });
  const env = await Env.start({ cluster: own, seed: false });
  t.after(async () => {
    await env.stop().catch(() => {});
    own.stop();
  });
  await env.caughtUp();
  await env.kill("SIGTERM");
  await env.admin("alter system set max_slot_wal_keep_size = '1MB'");
  await env.admin("select pg_reload_conf()");
  const isLost = async () => {
    await env.db.query("select pg_logical_emit_message(false, 'x', repeat('x', 1000000)); select pg_switch_wal(); checkpoint");
    return (await env.row("select wal_status from pg_replication_slots where slot_name = $1", [env.name])).wal_status === "lost";
  };
  await eventually(isLost, "the slot to be lost");
  await env.run([], { ready: false });
  await eventually(async () => (await env.stats()).reconnects_total >= 3, "a few tries");
  assert.deepEqual(await actions(env), ["gap: first start", "start", "stop: SIGTERM", "gap: slot lost"]);
});
