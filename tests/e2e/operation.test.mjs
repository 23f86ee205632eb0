// What an operator does with it: install, check, look, stop, restart, and what goes wrong.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, Env, eventually, freePort, sleep, temporaryFolder } from "./harness.mjs";

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

test("init twice changes nothing the second time; the seed application can be added later", async (t) => {
  const env = await start(t, { daemon: false });
  const first = await env.rows("select name, checksum, applied_at from pgherald.migrations order by name");
  const again = await env.command("init");
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(await env.rows("select name, checksum, applied_at from pgherald.migrations order by name"), first);
  assert.equal((await env.row("select to_regclass('public.memories') as t")).t, null);
  const seed = await env.command("init", "--with-seed-app");
  assert.equal(seed.code, 0, seed.stderr);
  const { n } = await env.row(`select count(*)::int as n from pg_tables where schemaname = 'public' and tablename in
    ('users', 'memories', 'transcripts', 'summaries', 'chat_sessions', 'chat_messages', 'google_oauth_tokens', 'meetings',
     'meeting_participants', 'meeting_transcripts', 'meeting_summaries', 'meeting_bot_sessions', 'files', 'job_logs',
     'audit_logs', 'notifications', 'api_keys', 'webhooks')`);
  assert.equal(n, 18);
});

test("two inits at once: one works, the other waits, both succeed", async (t) => {
  const env = await start(t, { init: false, daemon: false });
  const both = await Promise.all([env.command("init"), env.command("init")]);
  assert.deepEqual(both.map(({ code }) => code), [0, 0], both.map(({ stderr }) => stderr).join());
});

test("doctor: fine after init; names what is missing and the remedy before it", async (t) => {
  const env = await start(t, { init: false, daemon: false });
  const sick = await env.command("doctor", "--json");
  assert.equal(sick.code, 1);
  assert.match(sick.stdout, /pgherald init/);
  await env.init();
  await env.db.query("create table public.keyless (v int)");
  const warned = await env.command("doctor");
  assert.match(warned.stdout, /keyless/, "UPDATE and DELETE on a table without a key would be dropped");
  await env.db.query("drop table public.keyless");
  await env.admin("alter role service_role nobypassrls");
  t.after(() => env.admin("alter role service_role bypassrls"));
  assert.match((await env.command("doctor")).stdout, /service_role does not bypass row level security/);
  await env.admin("alter role service_role bypassrls");
  const fine = await env.command("doctor");
  assert.equal(fine.code, 0, fine.stdout);
});

test("status: healthy while it runs, exit 1 when it is down, JSON that a script can read", async (t) => {
  const env = await start(t);
  await env.db.query("create table public.looked_at (id int primary key)");
  await env.db.query("insert into public.looked_at values (1)");
  await env.caughtUp();
  const up = await env.command("status", "--json");
  const status = JSON.parse(up.stdout);
  assert.equal(up.code, 0, up.stdout + up.stderr);
  assert.equal(status.slot.active, true);
  assert.ok(status.lag.bytes >= 0 && status.lag.bytes < 1e7);
  assert.equal(status.daemon.up, true);
  await env.kill("SIGTERM");
  assert.equal((await env.command("status")).code, 1);
});

test("SIGTERM stores what has come and exits 0; the next start goes on from there", async (t) => {
  const env = await start(t);
  await env.db.query("create table public.steps (id int primary key)");
  for (let i = 1; i <= 200; i++) await env.db.query("insert into public.steps values ($1)", [i]);
  assert.deepEqual(await env.kill("SIGTERM"), { code: 0, signal: null });
  await env.db.query("insert into public.steps values (201)");
  await env.run();
  await env.caughtUp();
  const ids = (await env.rows("select resource_id::int as id from public.audit_logs where resource_type = 'public.steps' order by audit_logs.id")).map(({ id }) => id);
  assert.deepEqual(ids, Array.from({ length: 201 }, (_, i) => i + 1));
});

test("run --endpos exits 0 once everything up to there is durable", async (t) => {
  const env = await start(t, { daemon: false });
  await env.db.query("create table public.finite (id int primary key)");
  await env.db.query("insert into public.finite select generate_series(1, 5000)");
  const { lsn } = await env.row("select pg_current_wal_lsn()::text as lsn");
  const done = await env.command("run", "--endpos", lsn);
  assert.equal(done.code, 0, done.stderr);
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.finite'")).n, 5000);
});

test("SIGHUP changes the log level; a bad file changes nothing", async (t) => {
  const file = join(temporaryFolder("conf"), "pgherald.conf");
  writeFileSync(file, "log_level = info\n");
  const env = await start(t, { daemon: false });
  await env.run(["-c", file]);
  writeFileSync(file, "log_level = debug\n");
  env.daemon.kill("SIGHUP");
  await eventually(() => /SIGHUP: log_level read again/.test(env.logText()), "the reload");
  writeFileSync(file, "log_level = info\nbatch_max_changes = 77\n");
  env.daemon.kill("SIGHUP");
  await eventually(() => /restart is needed.*batch_max_changes/.test(env.logText()), "what needs a restart");
  writeFileSync(file, "log_level = loud\n");
  env.daemon.kill("SIGHUP");
  await eventually(() => /pgherald\.conf.*log_level.*debug, info, warn/s.test(env.logText()), "the complaint");
});

test("a bad setting names the file, the line, the key and what is allowed", async (t) => {
  const file = join(temporaryFolder("conf"), "pgherald.conf");
  const env = await start(t, { init: false, daemon: false });
  delete env.settings.listen;
  const complaint = async (text) => {
    writeFileSync(file, text);
    const { code, stderr } = await env.command("-c", file, "config");
    assert.equal(code, 78);
    return stderr;
  };
  assert.match(await complaint("# settings\nlisten = nowhere\n"), /pgherald\.conf.*2.*listen.*host:port/s);
  assert.match(await complaint("lisen = 127.0.0.1:1\n"), /pgherald\.conf.*1.*lisen/s);
  assert.equal((await env.command("nonsense")).code, 64);
});

test("a taken port is said plainly", async (t) => {
  const env = await start(t, { daemon: false });
  const squatter = createServer().listen(env.port, "127.0.0.1");
  t.after(() => squatter.close());
  const failed = await env.command("run");
  assert.equal(failed.code, 71);
  assert.match(failed.stderr, new RegExp(`${env.port}`));
});

test("health, readiness and metrics", async (t) => {
  const env = await start(t);
  const get = async (path) => {
    const response = await fetch(`http://127.0.0.1:${env.adminPort}${path}`);
    return { status: response.status, text: await response.text() };
  };
  assert.equal((await get("/healthz")).status, 200);
  assert.equal((await get("/readyz")).status, 200);
  const metrics = await get("/metrics");
  assert.match(metrics.text, /^# TYPE pgherald_audit_rows_total counter$/m);
  assert.match(metrics.text, /^pgherald_stream_up 1$/m);
  assert.equal((await get("/nothing")).status, 404);
  assert.equal((await fetch(env.url("/metrics"))).status, 404, "metrics are for the admin address only");
});

test("the server restarts, fast, immediate and by kill: the daemon comes back by itself", async (t) => {
  const own = await Cluster.start({ own: true });
  const env = await Env.start({ cluster: own, seed: false });
  t.after(async () => {
    await env.stop().catch(() => {});
    own.stop();
  });
  await env.db.query("create table public.through (id int primary key)");
  let id = 0;
  for (const mode of ["fast", "immediate", "kill"]) {
    await env.db.query("insert into public.through values ($1)", [++id]);
    if (mode === "kill") await own.crash();
    else own.script("stop", mode);
    await eventually(async () => (await fetch(`http://127.0.0.1:${env.adminPort}/readyz`)).status === 503, "not ready while the server is down");
    await own.start();
    env.db = await env.connect();
    await env.db.query("insert into public.through values ($1)", [++id]);
    await env.ready();
    await env.caughtUp();
  }
  const ids = (await env.rows("select resource_id::int as id from public.audit_logs where resource_type = 'public.through' order by audit_logs.id")).map((row) => row.id);
  assert.deepEqual(ids, [1, 2, 3, 4, 5, 6]);
});

test("a second daemon on the slot waits, and takes over", async (t) => {
  const env = await start(t);
  await env.db.query("create table public.standby (id int primary key)");
  const first = { daemon: env.daemon, exited: env.exited };
  env.adminPort = await freePort();
  env.settings.listen = `127.0.0.1:${await freePort()}`;
  env.settings.admin_listen = `127.0.0.1:${env.adminPort}`;
  await env.run([], { ready: false });
  await eventually(() => /is active for PID/.test(env.logText()), "the second says that the slot is taken");
  await env.db.query("insert into public.standby values (1)");
  first.daemon.kill("SIGKILL");
  await first.exited;
  await env.ready();
  await env.db.query("insert into public.standby values (2)");
  await env.caughtUp();
  const rows = await env.rows("select resource_id from public.audit_logs where resource_type = 'public.standby' order by id");
  assert.deepEqual(rows.map((row) => row.resource_id), ["1", "2"]);
});

test("an idle slot moves on while other databases write", async (t) => {
  const env = await start(t);
  const where = async () => (await env.row("select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = $1", [env.name])).lsn;
  const from = await where();
  const other = await env.connect("postgres");
  await other.query("create table if not exists elsewhere as select generate_series(1, 10000) g");
  await other.query("drop table elsewhere");
  await other.end();
  await env.caughtUp();
  assert.notEqual(await where(), from);
  await sleep(1500);
  const { commit_lsn } = await env.row("select commit_lsn::text from pgherald.checkpoints where slot_name = $1", [env.name]);
  assert.equal(commit_lsn, "0/0", "nothing to store, so nothing was written");
});

// What comes while a batch commits may leave nothing to store: the daemon's own commit, or the server's
// word that there is no more, which it does not say twice. A standby that never answers makes that moment long.
test("what was idle while a batch committed is confirmed once it has", async (t) => {
  const env = await Env.start({ cluster: await Cluster.start({ own: true }), seed: false });
  const wait = async (names) => {
    await env.admin(`alter system set synchronous_standby_names = '${names}'`);
    await env.admin("select pg_reload_conf()");
  };
  t.after(async () => {
    await wait("");
    await env.stop();
    env.cluster.stop();
  });
  await env.db.query("set synchronous_commit to local; create table public.steps (id int primary key)");
  await env.caughtUp();
  await wait("nobody");
  await eventually(async () => {
    await env.db.query("insert into public.steps select count(*) from public.steps");
    return env.row("select from pg_stat_activity where wait_event = 'SyncRep' and application_name = 'pgherald store'");
  }, "a batch to wait for the standby", 30000);
  const { at } = await env.row("select (pg_current_wal_lsn() - '0/0')::text as at");
  await eventually(async () => (await env.stats()).received_lsn >= Number(at), "the stream to be there", 30000);
  await wait("");
  await env.caughtUp(5000);
});

test("transactions that come without end share batches", async (t) => {
  const env = await start(t);
  await env.db.query("create table public.flow (id int primary key)");
  await env.caughtUp();
  await sleep(200);
  const from = Date.now();
  const { batches_total: before } = await env.stats();
  for (let id = 0; id < 300; id++) await env.db.query("insert into public.flow values ($1)", [id]);
  const ms = Date.now() - from;
  await env.caughtUp();
  const batches = (await env.stats()).batches_total - before;
  assert.ok(batches <= ms / 20 + 3, `${batches} batches in ${ms} ms`);
});

test("a stalled store holds up the stream, not the connection, also on a server with little patience", async (t) => {
  const env = await start(t, { config: { store_buffer: "64k", stream_timeout: "2500ms" } });
  const walsender = async () => (await env.row("select active_pid from pg_replication_slots where slot_name = $1", [env.name])).active_pid;
  const pid = await walsender();
  await env.db.query("create table public.flood (id int primary key, filler text)");
  const locker = await env.connect();
  await locker.query("begin; lock table public.audit_logs in access exclusive mode");
  await env.db.query("insert into public.flood select g, repeat('x', 200) from generate_series(1, 20000) g");
  await eventually(async () => (await env.stats()).backpressure_total > 0, "back-pressure");
  await sleep(6000);
  assert.equal(await walsender(), pid, "the same connection as before");
  await locker.query("rollback");
  await locker.end();
  await env.caughtUp();
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.flood'")).n, 20000);
});
