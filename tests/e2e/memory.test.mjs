// Memory that cannot be had. What we ask for ourselves ends the process with a sentence and a code of its own,
// and a supervisor starts it again, as does what most libraries ask for; what libpq, libwebsockets and libc ask for
// fails a connection, which is tried again. Either way nothing is lost, made twice, stored or told otherwise than it was.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary, Cluster, Env, eventually, preloadable, sleep, temporaryFolder } from "./harness.mjs";
import { Journal, Load } from "./journal.mjs";
import { Phoenix } from "./phoenix.mjs";
import { Receiver } from "./receiver.mjs";

const skip = /__[at]san_init/.test(readFileSync(binary, "latin1")) && "a sanitizer brings its own malloc()";
const OUT_OF_MEMORY = 71; // EX_OSERR
const STRUCK_MS = 10000;
const SAYS_SO = /^pgherald: out of memory; whatever is not checkpointed will be read again at the next start$/m;
const DID_NOT_START = /msg="could not start" error=/;

const folder = temporaryFolder("memory");
const wanted = join(folder, "one_in");
let cluster, env, journal, load, receiver, watchers;

// One allocation of so many fails from now on, 0: none; whose, see fake_memory.c.
const [EVERYBODYS, LIBRARIES] = [0, 1];
function fail(oneIn, whose = EVERYBODYS) {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE(BigInt(oneIn));
  bytes.writeBigInt64LE(BigInt(whose), 8);
  writeFileSync(wanted, bytes, { flag: "r+" }); // in place: it is mapped
}

// A client that comes again whenever it is sent away, asks for pages, and remembers every change it is told.
class Watcher {
  constructor(token) {
    this.heard = [];
    this.asked = 0;
    this.watches = true;
    this.ended = this.watch(token);
  }

  async watch(token) {
    while (this.watches) {
      await this.session(token).catch(() => {});
      await sleep(50);
    }
  }

  async session(token) {
    const client = await Phoenix.connect(env, token);
    try {
      client.push("realtime:accounts", "phx_join", { config: { broadcast: { self: true }, postgres_changes: [{ event: "*", schema: "public", table: "accounts" }] } });
      let open = true;
      client.closed.then(() => (open = false));
      for (let turn = 0; open && this.watches && turn < 40; turn++) {
        client.push("realtime:accounts", "broadcast", { type: "broadcast", event: "e", payload: { turn, long: "x".repeat(turn * 100) } }, { join_ref: "1" });
        await fetch(`http://127.0.0.1:${env.adminPort}/metrics`).then((answer) => answer.text()).then(() => this.asked++);
        await sleep(50);
      }
    } finally {
      for (const { event, payload } of client.frames) if (event === "postgres_changes") this.heard.push(payload.data);
      client.socket.terminate();
    }
  }

  async stop() {
    this.watches = false;
    await this.ended;
  }
}

before(async () => {
  if (skip) return;
  chmodSync(folder, 0o755);
  writeFileSync(wanted, Buffer.alloc(16));
  cluster = await Cluster.start({ own: true });
  env = await Env.start({ cluster, daemon: false, config: { webhook_breaker_percent: "0" } });
  env.settings.database_url += "?gssencmode=disable&sslmode=disable"; // Kerberos's library crashes without memory
  env.preloaded = { LD_PRELOAD: preloadable("fake_memory"), FAKE_MEMORY: wanted };
  await env.run();
  journal = await Journal.start(env, { effects: true });
  await env.db.query("grant select on public.accounts to authenticated");
  receiver = await Receiver.start();
  await env.db.query(
    `insert into public.webhooks (name, url, events, max_retries, retry_schedule) values ('called', $1, '{accounts.*}', 20, '{1}')`, [receiver.url()]);
  load = new Load(journal, { clients: 2, pauseMs: 10 });
  const { token } = await env.user();
  watchers = Array.from({ length: 3 }, () => new Watcher(token));
});
after(async () => {
  if (skip) return;
  fail(0);
  await load?.stop();
  await Promise.all(watchers?.map((watcher) => watcher.stop()) ?? []);
  await receiver?.stop();
  await env?.stop();
  cluster?.stop();
});

// As a service manager does: starts it again whenever it ends. After so long memory can be had again.
async function strike(ms, oneIn, whose) {
  const ends = [];
  const until = Date.now() + ms;
  fail(oneIn, whose);
  for (;;) {
    const how = await Promise.race([env.exited, sleep(Math.max(0, until - Date.now()))]);
    if (!how) fail(0);
    if (!how && env.daemon.exitCode === null && env.daemon.signalCode === null) return ends;
    ends.push({ ...(await env.exited), log: env.logText() });
    await sleep(100);
    await env.run([], { ready: false });
  }
}

// What was told to browsers and called at the endpoint is what happened, and nobody was left out for good.
async function checkTold() {
  const truth = new Set((await env.rows("select upper(op) || no as what from public.journal")).map(({ what }) => what));
  for (const { type, record, old_record } of watchers.flatMap(({ heard }) => heard))
    assert.ok(truth.has(`${type}${(type === "DELETE" ? old_record : record).no}`), JSON.stringify({ type, record, old_record }));
  await eventually(
    async () => (await env.row("select count(*)::int as n from public.webhook_deliveries d join public.webhooks w on w.id = webhook_id where w.name = 'called' and d.status <> 'delivered'")).n === 0,
    "all calls to be made", 60000);
  const called = new Map(receiver.requests.map(({ id, body }) => [id, body]));
  const payloads = await env.rows("select message_id, payload from public.webhook_deliveries d join public.webhooks w on w.id = webhook_id where w.name = 'called'");
  assert.ok(payloads.length > 0);
  for (const { message_id, payload } of payloads) assert.deepEqual(called.get(message_id), payload);
}

for (const [what, oneIn, whose] of [
  ["allocation", 3000, EVERYBODYS],
  ["allocation of libraries", 1000, LIBRARIES],
]) {
  test(`one ${what} in ${oneIn} fails`, { timeout: 240000, skip }, async (t) => {
    const before = load.transactions;
    await eventually(() => load.transactions > before + 50, "the load to run");
    const ends = await strike(STRUCK_MS, oneIn, whose);
    for (const { code, signal, log } of ends) {
      assert.deepEqual({ code, signal }, { code: OUT_OF_MEMORY, signal: null }, log.slice(-4000));
      assert.ok(SAYS_SO.test(log) || DID_NOT_START.test(log), log.slice(-4000));
    }
    t.diagnostic(`it ended and was started again ${ends.length} times; clients heard ${watchers.map(({ heard }) => heard.length)} changes`);
    if (whose === EVERYBODYS) assert.ok(ends.length > 0, "it never ran out of memory");
    await load.stop();
    await env.ready();
    await env.caughtUp(90000);
    await journal.check();
    await checkTold();
    load = new Load(journal, { clients: 2, pauseMs: 10 });
  });
}
