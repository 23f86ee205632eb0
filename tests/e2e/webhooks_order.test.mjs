// Webhooks that want order, and several dispatchers at one outbox.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { openSync, closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { Env, binary, eventually, freePort, sleep, temporaryFolder } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env;

before(async () => {
  env = await Env.start({
    seed: false,
    before: async ({ db }) => db.query("create table public.cells (id int primary key, n int not null); alter table public.cells replica identity full"),
  });
  await env.db.query("insert into public.cells select i, 0 from generate_series(1, 100) as i");
});
after(() => env?.stop());

// A process that only dispatches, beside the daemon of the environment.
class Dispatcher {
  static async start() {
    const dispatcher = new Dispatcher();
    dispatcher.port = await freePort();
    dispatcher.log = join(temporaryFolder("dispatcher"), "log");
    const fd = openSync(dispatcher.log, "a");
    dispatcher.child = spawn(binary, ["run", "--role", "dispatch"], {
      env: { ...env.environment, PGHERALD_ADMIN_LISTEN: `127.0.0.1:${dispatcher.port}` },
      cwd: tmpdir(),
      stdio: ["ignore", fd, fd],
    });
    closeSync(fd);
    dispatcher.exited = new Promise((done) => dispatcher.child.once("exit", (code, signal) => done(code ?? signal)));
    await eventually(async () => (await fetch(`http://127.0.0.1:${dispatcher.port}/readyz`)).status === 200, "a dispatcher that is ready");
    return dispatcher;
  }

  async stats() {
    return (await fetch(`http://127.0.0.1:${this.port}/status.json`)).json();
  }

  kill(signal) {
    this.child.kill(signal);
    return this.exited;
  }

  logText() {
    return readFileSync(this.log, "utf8");
  }
}

async function endpoint(t, behave, columns = {}) {
  const receiver = await Receiver.start({ behave });
  const all = { name: t.name.slice(0, 60), url: receiver.url(), events: "{cells.update}", retry_schedule: "{1}", max_retries: 20, ...columns };
  const names = Object.keys(all);
  const hook = await env.row(
    `insert into public.webhooks (${names.join(", ")}) values (${names.map((_, i) => `$${i + 1}`).join(", ")}) returning id, secret`,
    Object.values(all),
  );
  t.after(async () => {
    await env.db.query("delete from public.webhooks where id = $1", [hook.id]);
    await env.caughtUp();
    await receiver.stop();
  });
  return { receiver, ...hook };
}

const deliveries = (hook) => env.rows("select * from public.webhook_deliveries where webhook_id = $1 order by id", [hook.id]);
const left = async (hook) => (await env.row("select count(*)::int as n from public.webhook_deliveries where webhook_id = $1 and status = 'pending'", [hook.id])).n;

// What a receiver has to see of each row: every n once delivered, in order, one at a time.
class Rows {
  constructor() {
    this.delivered = new Map();
    this.busy = new Set();
    this.wrong = [];
    this.failures = 0;
  }

  // `fail`: whether this request is to fail.
  async take({ body }, fail) {
    const { id, n } = body.data.record;
    const have = this.delivered.get(id) ?? [];
    this.delivered.set(id, have);
    if (this.busy.has(id)) this.wrong.push(`${id}: ${n} while another one is under way`);
    const last = have.at(-1) ?? 0;
    if (n !== last + 1 && n !== last) this.wrong.push(`${id}: ${n} after ${last}`);
    this.busy.add(id);
    await sleep(1);
    this.busy.delete(id);
    if (fail) {
      this.failures++;
      return 500;
    }
    if (n !== last) have.push(n);
    return 200;
  }
}

// `times` updates of each of the 100 rows, in transactions of all of them.
async function update(times) {
  for (let i = 0; i < times; i++) await env.db.query("update public.cells set n = n + 1");
}
const reset = () => env.db.query("update public.cells set n = 0");

test("10,000 updates of 100 rows arrive in order for each row, whatever fails, from two dispatchers", async (t) => {
  await reset();
  await env.caughtUp();
  const second = await Dispatcher.start();
  t.after(() => second.kill("SIGTERM"));
  const rows = new Rows();
  const hook = await endpoint(t, (request) => rows.take(request, Math.random() < 0.05), { ordering: "key" });
  await env.caughtUp();
  const from = Date.now();
  await update(100);
  await env.caughtUp();
  await eventually(async () => (await left(hook)) === 0, "all to be delivered", 120000);
  t.diagnostic(`10,000 in ${Date.now() - from} ms, ${rows.failures} failures`);
  assert.deepEqual(rows.wrong.slice(0, 5), []);
  assert.equal(rows.delivered.size, 100);
  for (const [id, have] of rows.delivered) assert.equal(have.length, 100, `row ${id}`);
  assert.ok(rows.failures > 200, `${rows.failures} failures`);
  const done = await env.rows("select status, count(*)::int as n from public.webhook_deliveries where webhook_id = $1 group by status", [hook.id]);
  assert.deepEqual(done, [{ status: "delivered", n: 10000 }]);
  assert.ok((await second.stats()).delivered_total > 100, "the second one had its share");
});

test("a row that fails holds up its own deliveries and no others, until it is given up", async (t) => {
  await reset();
  await env.caughtUp();
  const seen = [];
  const hook = await endpoint(t, ({ body: { data: { record } } }) => {
    seen.push(`${record.id}:${record.n}`);
    return record.id === 1 && record.n === 1 ? 500 : 200;
  }, { ordering: "key", max_retries: 2 });
  await env.caughtUp();
  for (let n = 1; n <= 3; n++) await env.db.query("update public.cells set n = $1 where id in (1, 2)", [n]);
  await eventually(() => seen.includes("2:3"), "the other row");
  assert.ok(!seen.includes("1:2"), "the next of the failing row waits");
  await eventually(() => seen.includes("1:3"), "the failing row, after its attempts are used up", 15000);
  assert.deepEqual(seen.filter((s) => s.startsWith("1:")), ["1:1", "1:1", "1:1", "1:2", "1:3"]);
  await eventually(async () => (await left(hook)) === 0, "the records of it");
  assert.deepEqual((await deliveries(hook)).filter(({ status }) => status === "failed").length, 1);
  const keys = await env.rows("select distinct row_key, origin from public.webhook_deliveries where webhook_id = $1 order by 1", [hook.id]);
  assert.deepEqual(keys, [{ row_key: "public.cells:1", origin: "change" }, { row_key: "public.cells:2", origin: "change" }]);
});

test("kill -9 of one of two dispatchers at work: each delivery is made, with one id, and none is lost", async (t) => {
  await reset();
  await env.caughtUp();
  const second = await Dispatcher.start();
  const times = new Map();
  const hook = await endpoint(t, async ({ id }) => {
    times.set(id, (times.get(id) ?? 0) + 1);
    await sleep(10);
    return 200;
  }, { timeout_seconds: 1 });
  const inOrder = new Rows();
  const ordered = await endpoint(t, (request) => inOrder.take(request, Math.random() < 0.02), { ordering: "key", timeout_seconds: 1 });
  await env.caughtUp();
  await update(20);
  await eventually(async () => (await second.stats()).inflight > 0 && (await second.stats()).delivered_total > 50, "both to be at work");
  await second.kill("SIGKILL");
  await eventually(async () => (await left(hook)) === 0, "all to be delivered", 60000);
  const rows = await deliveries(hook);
  assert.equal(rows.length, 2000);
  assert.ok(rows.every(({ status }) => status === "delivered"));
  assert.deepEqual([...times.keys()].sort(), rows.map(({ message_id }) => message_id).sort(), "no id that is not in the table, and all of them");
  await eventually(async () => (await left(ordered)) === 0, "all of the other one", 60000);
  assert.deepEqual(inOrder.wrong.slice(0, 5), [], "a row's order holds across the crash");
  assert.ok([...inOrder.delivered.values()].every((have) => have.length === 20) && inOrder.delivered.size === 100);
  const more = [...times.values()].filter((n) => n > 1).length;
  t.diagnostic(`${more} were made twice`);
  assert.ok(more <= 64, `${more} were made more than once: no more than were under way`);
});

test("a dispatcher alone: ready without a stream, quick to see what is new, status and a taken port", async (t) => {
  await reset();
  await env.kill("SIGTERM");
  const alone = await Dispatcher.start();
  t.after(async () => {
    await alone.kill("SIGTERM");
    await env.run();
  });
  const hook = await endpoint(t, () => 200);
  t.after(() => env.db.query("delete from public.webhooks"));
  const times = [];
  for (let i = 0; i < 3; i++) {
    const from = Date.now();
    await env.db.query("insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload) values ($1, $2, 'x', '{}')", [hook.id, `msg_${i}`]);
    await eventually(() => hook.receiver.requests.length === i + 1, "the call");
    times.push(Date.now() - from);
  }
  t.diagnostic(`seen after ${times} ms`);
  assert.ok(Math.min(...times) < 1500, `after ${times} ms`);
  const { roles, stream_up, dispatch_up } = await alone.stats();
  assert.deepEqual({ roles, stream_up, dispatch_up }, { roles: 2, stream_up: 0, dispatch_up: 1 });
  assert.equal((await fetch(env.url("/")).catch(() => "closed")), "closed");
  // another one with the same port says so and ends
  const busy = spawn(binary, ["run", "--role", "dispatch"], { env: { ...env.environment, PGHERALD_ADMIN_LISTEN: `127.0.0.1:${alone.port}` }, cwd: tmpdir(), stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  busy.stderr.on("data", (chunk) => (said += chunk));
  assert.equal(await new Promise((done) => busy.once("exit", done)), 71);
  assert.match(said, /admin_listen: cannot listen on .*is another program/);
  const { code, stderr } = await env.command("run", "--role", "cook");
  assert.equal(code, 64);
  assert.match(stderr, /"cook" is no role/);
  const { stdout } = await new Promise((done, fail) => {
    const child = spawn(binary, ["status", "--json"], { env: { ...env.environment, PGHERALD_ADMIN_LISTEN: `127.0.0.1:${alone.port}` }, cwd: tmpdir() });
    let stdout = "";
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.once("error", fail);
    child.once("close", () => done({ stdout }));
  });
  const status = JSON.parse(stdout);
  assert.equal(status.daemon.up, true);
  assert.deepEqual(status.problems.filter((p) => /daemon/.test(p)), [], "nothing is wrong with a dispatcher that has no stream");
});
