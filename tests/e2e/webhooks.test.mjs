// Webhooks: signed, retried, recorded, and no endpoint in another one's way.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { Env, eventually, patience, sleep } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env, owner;

before(async () => {
  env = await Env.start();
  owner = await env.user();
});
after(() => env?.stop());

async function endpoint(t, behave, columns = {}) {
  const receiver = await Receiver.start({ behave });
  const all = { name: t.name.slice(0, 60), url: receiver.url(), events: "{memories.insert}", ...columns };
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

const remember = (title) => env.db.query("insert into public.memories (user_id, title, content) values ($1, $2, 'c')", [owner.id, title]);
const deliveries = (hook) => env.rows("select * from public.webhook_deliveries where webhook_id = $1 order by id", [hook.id]);
const attempts = (hook) => env.rows("select a.* from public.webhook_attempts a join public.webhook_deliveries d on d.id = a.delivery_id where d.webhook_id = $1 order by a.delivery_id, a.attempt", [hook.id]);

test("a failure is tried again with the same id, and every attempt is recorded", async (t) => {
  let failing = true;
  const hook = await endpoint(t, () => (failing ? { status: 500, body: "database on fire" } : 204));
  await remember("retry");
  await eventually(() => hook.receiver.requests.length === 1, "the first attempt");
  failing = false;
  await eventually(() => hook.receiver.requests.length === 2, "the second attempt after about 5 s", 12000);
  const [first, second] = hook.receiver.requests;
  assert.equal(first.id, second.id);
  assert.equal(first.text, second.text);
  for (const request of hook.receiver.requests) Receiver.verify(hook.secret, request);
  assert.ok(second.at - first.at > 3000, "not at once");
  const [delivery] = await eventually(async () => {
    const rows = await deliveries(hook);
    return rows[0]?.status === "delivered" && rows;
  }, "delivered");
  assert.equal(delivery.attempts, 2);
  const tried = await attempts(hook);
  assert.deepEqual(tried.map((a) => [a.attempt, a.status_code]), [[1, 500], [2, 204]]);
  assert.equal(tried[0].response_body, "database on fire");
});

test("an endpoint that hangs delays no other and times out with a reason", async (t) => {
  const stuck = await endpoint(t, () => ({ hang: true }), { timeout_seconds: 2, max_retries: 0 });
  const quick = await endpoint(t, () => 200);
  for (let i = 0; i < 50; i++) await remember(`both ${i}`);
  const from = Date.now();
  await eventually(() => quick.receiver.requests.length >= 50, "fifty calls of the quick one", 5000);
  assert.ok(Date.now() - from < 2000 * patience, `took ${Date.now() - from} ms`);
  await eventually(async () => (await deliveries(stuck)).some(({ status }) => status === "failed"), "a time-out", 10000);
  const [tried] = await attempts(stuck);
  assert.match(tried.error, /time/i);
  assert.equal(tried.status_code, null);
});

test("redirects are failures, 410 ends the endpoint", async (t) => {
  const elsewhere = await endpoint(t, () => 200, { events: "{never.insert}" });
  const moved = await endpoint(t, () => ({ status: 302, headers: { location: elsewhere.receiver.url() } }), { max_retries: 0 });
  const gone = await endpoint(t, () => 410);
  await remember("gone");
  await eventually(async () => (await deliveries(moved))[0]?.status === "failed", "the redirect to fail");
  assert.equal(elsewhere.receiver.requests.length, 0);
  await eventually(async () => !(await env.row("select is_active from public.webhooks where id = $1", [gone.id])).is_active, "the endpoint disabled");
  await remember("after");
  await env.caughtUp();
  await sleep(300);
  assert.equal(gone.receiver.requests.length, 1);
});

test("a closed port, a reset and a huge answer are failures with reasons, and harm nobody", async (t) => {
  const resetting = createServer((socket) => socket.once("data", () => socket.resetAndDestroy())).listen(0, "127.0.0.1");
  await new Promise((done) => resetting.once("listening", done));
  t.after(() => resetting.close());
  const refused = await endpoint(t, () => 200, { url: "http://127.0.0.1:9/", max_retries: 0 });
  const reset = await endpoint(t, () => 200, { url: `http://127.0.0.1:${resetting.address().port}/`, max_retries: 0 });
  const huge = await endpoint(t, () => ({ status: 200, body: Buffer.alloc(20_000_000, "x") }), { max_retries: 0 });
  await remember("trouble");
  for (const hook of [refused, reset]) {
    await eventually(async () => (await deliveries(hook))[0]?.status === "failed", "a failure");
    assert.ok((await attempts(hook))[0].error.length > 5);
  }
  await eventually(async () => (await attempts(huge)).length === 1, "the huge answer");
  assert.ok(((await attempts(huge))[0].response_body ?? "").length <= 20000);
});

test("custom headers are sent, ours cannot be replaced", async (t) => {
  const hook = await endpoint(t, () => 200, { headers: JSON.stringify({ "X-Tenant": "acme", Authorization: "Bearer abc" }) });
  await remember("headers");
  await eventually(() => hook.receiver.requests.length === 1, "a call");
  const [{ headers }] = hook.receiver.requests;
  assert.equal(headers["x-tenant"], "acme");
  assert.equal(headers.authorization, "Bearer abc");
  assert.match(headers["content-type"], /^application\/json/);
  assert.match(headers["user-agent"], /^pgherald\//);
});

test("a row too large for a webhook is named by its key instead", async (t) => {
  const hook = await endpoint(t, () => 200);
  const { id } = await env.row("insert into public.memories (user_id, title, content) values ($1, 'large', repeat('x', 2000000)) returning id", [owner.id]);
  await eventually(() => hook.receiver.requests.length === 1, "a call");
  const [request] = hook.receiver.requests;
  Receiver.verify(hook.secret, request);
  const { record, error, key, commit_lsn } = request.body.data;
  assert.deepEqual({ record, error, key }, { record: null, error: "payload too large", key: id });
  assert.ok(commit_lsn);
});

test("kill -9 between sending and recording sends again with the same id, and loses none", async (t) => {
  let slow = true;
  const hook = await endpoint(t, async () => {
    if (slow) await sleep(1500);
    return 200;
  }, { timeout_seconds: 3 });
  for (let i = 0; i < 5; i++) await remember(`crash ${i}`);
  await eventually(() => hook.receiver.requests.length >= 5, "requests under way");
  await env.kill("SIGKILL");
  slow = false;
  await env.run();
  await eventually(async () => (await deliveries(hook)).every(({ status }) => status === "delivered"), "all delivered", 30000);
  const rows = await deliveries(hook);
  assert.equal(rows.length, 5);
  assert.deepEqual(new Set(hook.receiver.requests.map(({ id }) => id)), new Set(rows.map(({ message_id }) => message_id)));
});

test("private addresses are refused unless allowed", async (t) => {
  const strict = await Env.start({ cluster: env.cluster, config: { webhook_allow_private: "off" } });
  t.after(() => strict.stop());
  const receiver = await Receiver.start();
  t.after(() => receiver.stop());
  const user = await strict.user();
  for (const url of [receiver.url(), `http://localhost:${receiver.port}/`, `http://[::ffff:127.0.0.1]:${receiver.port}/`, `http://0x7f000001:${receiver.port}/`]) {
    await strict.db.query("insert into public.webhooks (name, url, events, max_retries) values ($1, $1, '{memories.insert}', 0)", [url]);
  }
  await strict.db.query("insert into public.memories (user_id, title, content) values ($1, 't', 'c')", [user.id]);
  await strict.caughtUp();
  await eventually(async () => (await strict.row("select count(*)::int as n from public.webhook_deliveries where status = 'failed'")).n === 4, "four refusals", 20000);
  assert.equal(receiver.requests.length, 0);
  const reasons = await strict.rows("select last_error from public.webhook_deliveries");
  for (const { last_error } of reasons) assert.match(last_error, /private|not allowed|address/i);
});
