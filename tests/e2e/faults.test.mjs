// The fault matrix: what can fail does, under load, and afterwards every committed change is in the
// audit trail, in the notifications and in the outbox exactly once.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { Cluster, Env, eventually, freePort, patience, plugin, preloadable, sleep, temporaryFolder, top } from "./harness.mjs";
import { Journal, Load } from "./journal.mjs";
import { Proxy } from "./proxy.mjs";

let cluster, proxy, env, journal, load;

const fakes = temporaryFolder("fakes"); // what the fakes are told
const fullDisk = join(fakes, "full");
const clock = join(fakes, "clock");

// Seconds that the daemon's clock is off from now on.
function stepClock(seconds) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(seconds));
  writeFileSync(clock, bytes);
}

before(async () => {
  chmodSync(fakes, 0o755);
  stepClock(0);
  cluster = await Cluster.start({ own: true, environment: { LD_PRELOAD: preloadable("fake_disk"), FAKE_FULL: fullDisk } });
  proxy = await Proxy.start(cluster.port);
  env = await Env.start({ cluster, daemon: false, config: { stream_timeout: "5s", webhook_concurrency: "1" } });
  env.preloaded = { LD_PRELOAD: preloadable("fake_clock"), FAKE_CLOCK: clock, ASAN_OPTIONS: "verify_asan_link_order=0" };
  env.settings.database_url = `postgresql://postgres@127.0.0.1:${proxy.port}/${env.name}?sslmode=disable&gssencmode=disable`;
  await env.run();
  journal = await Journal.start(env, { effects: true });
  load = new Load(journal, { pauseMs: 2 });
});
after(async () => {
  await load?.stop();
  await env?.stop();
  proxy?.stop();
  cluster?.stop();
});

// All that was committed so far is in the effects, once; the load goes on meanwhile elsewhere.
async function settle() {
  await load.stop();
  try {
    await env.ready();
    await env.caughtUp(90000);
    await journal.check();
  } finally {
    load = new Load(journal, { pauseMs: 2 });
  }
}

const isStatement = (message, text) => message.fromClient && "PQ".includes(message.type) && message.body.includes(text);
const isOf = (message, name) => message.connection.name === `pgherald ${name}`;

// Everything that lasts goes over the wire, so a process that dies between two messages is as good as one
// that dies anywhere between them: these are all the moments there are.
const moments = {
  "before START_REPLICATION": (m) => isOf(m, "stream") && isStatement(m, "START_REPLICATION"),
  "with the first change of a stream read": (m) => isOf(m, "stream") && !m.fromClient && m.type === "d" && m.body[0] === 0x77,
  "before a batch begins": (m) => isOf(m, "store") && isStatement(m, "begin"),
  "before the COPY of deliveries": (m) => isOf(m, "store") && isStatement(m, "webhook_deliveries"),
  "with the notifications on their way": (m) => isOf(m, "store") && isStatement(m, "store_notifications"),
  "before the COPY of entries": (m) => isOf(m, "store") && isStatement(m, "copy public.audit_logs"),
  "in the middle of the COPY of entries": (m) => isOf(m, "store") && m.fromClient && m.type === "d",
  "at the end of a COPY": (m) => isOf(m, "store") && m.fromClient && m.type === "c",
  "before the checkpoint": (m) => isOf(m, "store") && isStatement(m, "pgherald.checkpoints"),
  "before the commit": (m) => isOf(m, "store") && isStatement(m, "commit"),
  "after the commit, unheard": (m) => isOf(m, "store") && !m.fromClient && m.type === "C" && m.body.includes("COMMIT"),
  "before the server is told what is durable": (m) => isOf(m, "stream") && m.fromClient && m.type === "d" && m.body[0] === 0x72,
};

for (const [moment, isMoment] of Object.entries(moments)) {
  test(`kill -9 ${moment}`, { timeout: 120000 * patience }, async () => {
    for (let round = 0; round < 3; round++) {
      let skip = round * 2;
      const struck = new Promise((done) => {
        proxy.watch = (message) => {
          if (!isMoment(message) || skip-- > 0) return;
          proxy.watch = undefined;
          env.daemon.kill("SIGKILL");
          done();
          return "cut";
        };
      });
      // a session's beginning comes with the next session only
      const begin = () => proxy.named("pgherald stream").forEach((connection) => connection.cut());
      const again = /START|first/.test(moment) && setInterval(begin, 1000);
      await struck;
      clearInterval(again);
      await env.exited;
      await env.run([], { ready: false });
    }
    await settle();
  });
}

const PEEK = {
  wal2json: "pg_logical_slot_peek_changes($1, null, null, 'format-version', '2')",
  pgoutput: "pg_logical_slot_peek_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', 'pgherald')",
};

// The proxy is in this process and has to go on meanwhile.
function stopServer(mode) {
  const stopping = spawn(join(top, "scripts/cluster.sh"), ["stop", cluster.folder, String(cluster.port), mode], { stdio: "ignore" });
  return new Promise((done) => stopping.once("exit", done));
}

const faults = {
  async "the server stops fast"() {
    await stopServer("fast");
    await cluster.start();
  },
  async "the server stops at once"() {
    await stopServer("immediate");
    await cluster.start();
  },
  async "the server is killed"() {
    await cluster.crash();
    await cluster.start();
  },
  async "the stream's connection is cut"() {
    proxy.named("pgherald stream").forEach((connection) => connection.cut());
  },
  async "the stream's connection is half open: the server is gone without a word"() {
    const before = (await env.stats()).reconnects_total;
    proxy.named("pgherald stream").forEach((connection) => connection.freeze());
    await eventually(async () => (await env.stats()).reconnects_total > before, "the daemon to notice the silence");
  },
  async "the stream's connection stalls for a second"() {
    const stalled = proxy.named("pgherald stream");
    stalled.forEach((connection) => connection.server.pause());
    await sleep(1000);
    stalled.forEach((connection) => connection.server.resume());
  },
  async "the store's connection is cut in the middle of a COPY"() {
    await new Promise((done) => {
      proxy.watch = (message) => {
        if (!isOf(message, "store") || !message.fromClient || message.type !== "d") return;
        proxy.watch = undefined;
        done();
        return "cut";
      };
    });
  },
  async "the server ends the store's session"() {
    await env.db.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgherald store'");
  },
  async "the audit trail is locked away for a while"() {
    const locker = await env.connect();
    await locker.query("begin; lock table public.audit_logs in access exclusive mode");
    await sleep(2000);
    await locker.query("rollback");
    await locker.end();
  },
  async "the disk of the audit trail is full for a while"() {
    const files = await env.rows("select pg_relation_filepath(inhrelid) as path from pg_inherits where inhparent = 'public.audit_logs'::regclass");
    const failed = (await env.stats()).batches_failed_total;
    writeFileSync(fullDisk, files.map(({ path }) => `${path}\n`).join(""));
    await eventually(async () => (await env.stats()).batches_failed_total > failed, "a batch to fail", 30000);
    assert.match(env.logText(), /could not extend file .*No space left on device/);
    assert.equal((await fetch(`http://127.0.0.1:${env.adminPort}/readyz`)).status, 503);
    rmSync(fullDisk);
  },
  async "the clock steps an hour back, and two ahead"() {
    stepClock(-3600);
    await sleep(1000);
    stepClock(+3600);
    await sleep(1000);
    stepClock(0);
  },
  async "the table changes its shape"() {
    await env.db.query("alter table public.accounts add column note text default 'n'");
    await sleep(200);
    await env.db.query("alter table public.accounts rename column note to remark");
    await sleep(200);
    await env.db.query("alter table public.accounts drop column remark");
  },
  async "another process takes the slot"() {
    const other = await env.connect();
    const taken = eventually(async () => {
      await env.db.query("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", [env.name]);
      await other.query(`select count(*) from ${PEEK[plugin]}`, [env.name]);
      return true;
    }, "the slot to be another's");
    await taken;
    await other.end();
  },
};

for (const [fault, strike] of Object.entries(faults)) {
  test(`while it works, ${fault}`, { timeout: 120000 * patience }, async () => {
    const before = load.transactions;
    await eventually(() => load.transactions > before + 50, "the load to run");
    await strike();
    const after = load.transactions;
    await eventually(() => load.transactions > after + 50, "the load to run on", 30000);
    env.db = await env.connect();
    await settle();
  });
}

test("rules that change while it works hold from their commit, to the row", { timeout: 120000 * patience }, async () => {
  const { id } = await env.row("insert into public.webhooks (name, url, events) values ('switched', 'http://127.0.0.1:1/switched', '{accounts.*}') returning id");
  for (let i = 0; i < 40; i++) {
    await env.db.query("update public.webhooks set is_active = not is_active where id = $1", [id]);
    await sleep(20 + Math.random() * 60);
  }
  await settle();
  // a webhook's own entries in the trail say when it was switched, in the order of commits
  const truth = `
    select a.commit_lsn, a.ordinal
    from public.audit_logs a
    cross join lateral (
      select w.new_values -> 'is_active' = 'true' as was_active from public.audit_logs w
      where w.resource_type = 'public.webhooks' and w.resource_id = '${id}' and w.commit_lsn < a.commit_lsn
      order by w.commit_lsn desc limit 1
    ) w
    where a.resource_type = 'public.accounts' and w.was_active`;
  const made = `
    select (payload -> 'data' ->> 'commit_lsn')::pg_lsn, (payload -> 'data' ->> 'ordinal')::int
    from public.webhook_deliveries where webhook_id = '${id}'`;
  const [expected, missing, extra] = await Promise.all([truth, `${truth} except all ${made}`, `${made} except all (${truth})`].map(async (sql) => (await env.row(`select count(*)::int as n from (${sql}) q`)).n));
  assert.ok(expected > 100, `only ${expected} changes while it was on`);
  assert.deepEqual({ missing, extra }, { missing: 0, extra: 0 });
});

test("a second daemon waits as a standby, and takes over within seconds when the first is killed", async () => {
  const first = { daemon: env.daemon, exited: env.exited };
  const settings = { ...env.settings };
  env.adminPort = await freePort();
  Object.assign(env.settings, { listen: `127.0.0.1:${await freePort()}`, admin_listen: `127.0.0.1:${env.adminPort}` });
  await env.run([], { ready: false });
  await eventually(() => /is active for PID/.test(env.logText()), "the second to find the slot taken");
  first.daemon.kill("SIGKILL");
  const killed = Date.now();
  await first.exited;
  await env.ready();
  const took = Date.now() - killed;
  await settle();
  assert.ok(took < 15000 * patience, `${took} ms`);
  settings.listen = env.settings.listen;
});

test("a huge transaction is interrupted again and again, and arrives once", async () => {
  await env.db.query(`
    insert into public.accounts (id, owner, no) select g, '${journal.owner}', nextval('public.change_no') from generate_series(300000001, 300030000) g`);
  for (let round = 0; round < 3; round++) {
    const copied = (await env.stats()).changes_total;
    await eventually(async () => (await env.stats()).changes_total > copied + 5000, "a piece of it to be read", 30000).catch(() => {});
    await env.kill("SIGKILL");
    await env.run([], { ready: false });
    await eventually(() => fetch(`http://127.0.0.1:${env.adminPort}/healthz`), "the daemon to be up");
  }
  await settle();
});
