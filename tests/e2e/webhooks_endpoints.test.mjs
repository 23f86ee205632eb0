// What an endpoint may ask for, and what becomes of one that fails: rate, concurrency, breaker, disabling.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Env, eventually, patience, sleep } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env, owner;

before(async () => {
  env = await Env.start({
    config: { webhook_breaker_attempts: "4", webhook_breaker_pause: "1500ms", webhook_disable_after: "4s" },
  });
  owner = await env.user();
});
after(() => env?.stop());

async function endpoint(t, behave, columns = {}) {
  const receiver = await Receiver.start({ behave });
  const all = { name: t.name.slice(0, 60), url: receiver.url(), events: "{memories.insert}", retry_schedule: "{1}", max_retries: 20, ...columns };
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

const remember = (n = 1, title = "t") => env.db.query("insert into public.memories (user_id, title, content) select $1, $2 || i, 'c' from generate_series(1, $3::int) as i", [owner.id, title, n]);
const pending = async (hook) => (await env.row("select count(*)::int as n from public.webhook_deliveries where webhook_id = $1 and status = 'pending'", [hook.id])).n;
const health = (hook) => env.row("select * from pgherald.webhook_health where webhook_id = $1", [hook.id]);

test("a rate is kept to, evenly, and no other endpoint is delayed by it", async (t) => {
  const slow = await endpoint(t, () => 200, { rate_limit_per_second: 5 });
  const quick = await endpoint(t, () => 200);
  await env.caughtUp();
  await remember(20);
  await eventually(() => quick.receiver.requests.length === 20, "the other endpoint", 3000);
  assert.ok(slow.receiver.requests.length < 12);
  await eventually(() => slow.receiver.requests.length === 20, "all of them at their rate", 15000);
  const at = slow.receiver.requests.map(({ at }) => at);
  const took = at.at(-1) - at[0];
  assert.ok(took > 3600 && took < 8000 * patience, `19 intervals of 200 ms took ${took} ms`);
  const close = at.slice(1).filter((time, i) => time - at[i] < 100).length;
  assert.ok(close <= 4, `${close} of them came in less than 100 ms`);
});

test("no more at once than an endpoint allows", async (t) => {
  let busy = 0, most = 0;
  const hook = await endpoint(t, async () => {
    most = Math.max(most, ++busy);
    await sleep(20);
    busy--;
    return 200;
  }, { max_concurrency: 2 });
  await env.caughtUp();
  await remember(60);
  await eventually(() => hook.receiver.requests.length === 60, "all to be delivered");
  assert.equal(most, 2);
});

test("an own schedule of retries", async (t) => {
  let n = 0;
  const hook = await endpoint(t, () => (n++ < 2 ? 500 : 200), { retry_schedule: "{1,3}" });
  await env.caughtUp();
  await remember();
  await eventually(() => hook.receiver.requests.length === 3, "the third attempt", 10000);
  const [first, second, third] = hook.receiver.requests.map(({ at }) => at);
  assert.ok(second - first >= 750 && second - first < 2500, `${second - first} ms`);
  assert.ok(third - second >= 2350 && third - second < 5500, `${third - second} ms`);
});

test("a breaker opens, uses up no attempts, probes, outlives a restart and closes", async (t) => {
  let failing = true;
  const hook = await endpoint(t, () => (failing ? 500 : 200), { max_retries: 3, retry_schedule: "{1}" });
  await env.caughtUp();
  const opened = (await env.stats()).breakers_opened_total;
  await remember(30);
  await eventually(async () => (await health(hook))?.breaker === "open", "the breaker to open");
  const calls = hook.receiver.requests.length;
  assert.ok(calls >= 4 && calls <= 12, `${calls} calls before it opened`);
  await sleep(1000);
  assert.ok(hook.receiver.requests.length - calls <= 8, "what was under way, and no more");
  assert.equal(await pending(hook), 30, "nothing is given up");
  await eventually(async () => (await env.stats()).breakers_open === 1, "the gauge");
  assert.equal((await env.stats()).breakers_opened_total, opened + 1);
  // a probe fails: twice as long
  const before = hook.receiver.requests.length;
  await eventually(() => hook.receiver.requests.length > before, "the probe", 6000);
  await eventually(async () => (await health(hook)).breaker_opened === 2, "it to be open again");
  assert.equal(hook.receiver.requests.length, before + 1, "one probe");
  await env.kill("SIGTERM");
  await env.run();
  const restarted = hook.receiver.requests.length;
  await sleep(700);
  assert.equal(hook.receiver.requests.length, restarted, "a restart does not close it");
  failing = false;
  await eventually(async () => (await health(hook)).breaker === "closed", "the probe to close it", 15000);
  await eventually(async () => (await pending(hook)) === 0, "what waited");
  const { max } = await env.row("select max(attempts) from public.webhook_deliveries where webhook_id = $1", [hook.id]);
  assert.ok(max <= 4);
  assert.equal((await env.row("select count(*)::int as n from public.webhook_deliveries where webhook_id = $1 and status = 'delivered'", [hook.id])).n, 30);
  await eventually(async () => (await env.stats()).breakers_open === 0, "the gauge");
});

test("after too long of nothing but failures it is disabled, its owner is told, and nothing is lost", async (t) => {
  let failing = true;
  const hook = await endpoint(t, () => (failing ? 500 : 200), { user_id: owner.id, max_retries: 20 });
  await env.caughtUp();
  await remember(2, "before");
  const disabled = await eventually(async () => {
    const row = await env.row("select is_active, disabled_reason from public.webhooks where id = $1", [hook.id]);
    return !row.is_active && row;
  }, "the endpoint to be disabled", 30000);
  assert.match(disabled.disabled_reason, /^nothing but failures since \d{4}-/);
  const note = await env.row("select user_id, priority, message from public.notifications where type = 'webhook_disabled' and data ->> 'webhook_id' = $1", [hook.id]);
  assert.equal(note.user_id, owner.id);
  assert.match(note.message, /nothing but failures/);
  const entry = await env.row("select user_id, new_values from public.audit_logs where action = 'webhook.disabled' and resource_id = $1", [hook.id]);
  assert.equal(entry.user_id, owner.id);
  assert.equal(entry.new_values.is_active, false);
  assert.equal((await env.stats()).webhooks_disabled_total, 1);
  const calls = hook.receiver.requests.length;
  await env.caughtUp();
  await remember(3, "meanwhile");
  await env.caughtUp();
  assert.equal(await pending(hook), 5, "what happens waits");
  await sleep(1500);
  assert.equal(hook.receiver.requests.length, calls, "and nothing is sent");
  failing = false;
  await env.db.query("update public.webhooks set is_active = true where id = $1", [hook.id]);
  // nobody tells the dispatcher, which looks at the outbox itself
  await remember(1, "after");
  await eventually(async () => (await pending(hook)) === 0, "all of it", 30000);
  const { status, n } = await env.row("select min(status) as status, count(*)::int as n from public.webhook_deliveries where webhook_id = $1", [hook.id]);
  assert.deepEqual({ status, n }, { status: "delivered", n: 6 });
  assert.equal((await env.row("select disabled_reason from public.webhooks where id = $1", [hook.id])).disabled_reason, null);
});

test("while its owner has it switched off, nothing waits for it", async (t) => {
  const hook = await endpoint(t, () => 200, { user_id: owner.id });
  await env.db.query("update public.webhooks set is_active = false where id = $1", [hook.id]);
  await remember(2);
  await env.caughtUp();
  assert.equal(await pending(hook), 0);
});

test("a filter knows what changed, and tells nobody what is redacted", async (t) => {
  const changed = await endpoint(t, () => 200, { events: "{memories.update}", filter: "title=is.changed" });
  const hidden = await endpoint(t, () => 200, { events: "{memories.update}", filter: "embedding=not.is.null", user_id: owner.id });
  await env.caughtUp();
  const { id } = await env.row("insert into public.memories (user_id, title, content) values ($1, 'a', 'c') returning id", [owner.id]);
  await env.db.query("update public.memories set content = 'd' where id = $1", [id]);
  await env.db.query("update public.memories set title = 'b' where id = $1", [id]);
  await eventually(() => changed.receiver.requests.length === 1, "the change of the title");
  await env.caughtUp();
  await sleep(200);
  assert.equal(changed.receiver.requests.length, 1);
  assert.equal(changed.receiver.requests[0].body.data.record.title, "b");
  assert.equal(hidden.receiver.requests.length, 0);
  assert.match(env.logText(), /its filter names a column that is redacted.*memories.*embedding/);
});
