// Presence: everybody in a topic knows who is there, whatever comes, goes and breaks.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Env, eventually, jwt, patience, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase, tear } from "./clients.mjs";

let env, token;

before(async () => {
  env = await Env.start({ seed: false, config: { realtime_max_presence_per_second: "50", realtime_max_presences: "150" } });
  token = jwt(env.secret, { role: "authenticated", sub: "00000000-0000-0000-0000-000000000001" });
});
after(() => env?.stop());

async function connect(t, options) {
  const phoenix = await Phoenix.connect(env, token, options);
  t.after(() => phoenix.close());
  return phoenix;
}

// A channel of supabase-js that follows presence.
function open(t, age, name, key) {
  const client = supabase(env, token, age);
  t.after(() => client.removeAllChannels());
  const channel = client.channel(name, { config: { presence: { key } } });
  channel.seen = [];
  channel.on("presence", { event: "join" }, ({ key }) => channel.seen.push(`+${key}`));
  channel.on("presence", { event: "leave" }, ({ key }) => channel.seen.push(`-${key}`));
  channel.on("presence", { event: "sync" }, () => {});
  return { client, channel };
}

// What a channel believes, without the references, which tell versions apart and nothing else.
const who = (channel) =>
  Object.fromEntries(Object.entries(channel.presenceState()).map(([key, metas]) => [key, metas.map(({ presence_ref, ...meta }) => meta)]));
const sorted = (value) =>
  Object.fromEntries(Object.keys(value).sort().map((key) => [key, value[key].map((meta) => JSON.stringify(meta)).sort()]));
const same = (channel, expected) => JSON.stringify(sorted(who(channel))) === JSON.stringify(sorted(expected));
const agree = (channels, expected, what, ms = 5000) =>
  eventually(() => channels.every((channel) => same(channel, expected)), what, ms).catch((error) => {
    const wrong = channels.find((channel) => !same(channel, expected));
    assert.deepEqual(wrong ? sorted(who(wrong)) : {}, sorted(expected), error.message);
  });

for (const vsn of ["1.0.0", "2.0.0"]) {
  test(`vsn ${vsn}: state, track, diff, update, untrack, in the protocol's frames`, async (t) => {
    const topic = `realtime:frames${vsn}`;
    const client = await connect(t, { vsn });
    const { ref } = await client.join(topic, [], { config: { presence: { key: "k1", enabled: true } } });
    const state = await client.frame(({ event }) => event === "presence_state", "presence_state");
    assert.deepEqual(state.payload, {});
    if (vsn === "2.0.0") assert.equal(state.join_ref, ref);
    const call = async (event, payload) => {
      const pushed = client.push(topic, "presence", { type: "presence", event, payload }, { join_ref: ref });
      assert.deepEqual((await client.reply(pushed)).payload, { status: "ok", response: {} });
      return (await client.frame(({ event }) => event === "presence_diff", "presence_diff")).payload;
    };
    const joined = await call("track", { n: "A" });
    const [{ phx_ref: first, ...meta }] = joined.joins.k1.metas;
    assert.deepEqual(meta, { n: "A" });
    assert.deepEqual(joined.leaves, {});
    const updated = await call("track", { n: "B" });
    const [{ phx_ref: second, ...now }] = updated.joins.k1.metas;
    assert.deepEqual(now, { n: "B", phx_ref_prev: first });
    assert.notEqual(second, first);
    assert.deepEqual(updated.leaves, { k1: { metas: [{ n: "A", phx_ref: first }] } });
    const left = await call("untrack");
    assert.deepEqual(left, { joins: {}, leaves: { k1: { metas: [{ n: "B", phx_ref: second, phx_ref_prev: first }] } } });
  });
}

for (const age of ages) {
  for (const other of ages) {
    test(`supabase-js: ${age} is seen by ${other}`, async (t) => {
      const name = `seen ${age}/${other}`;
      const { channel } = open(t, age, name, "me");
      const watcher = open(t, other, name, "watcher").channel;
      await Promise.all([channel, watcher].map(subscribed));
      assert.equal(await channel.track({ n: 1 }), "ok");
      await agree([channel, watcher], { me: [{ n: 1 }] }, "track");
      assert.equal(await channel.track({ n: 2 }), "ok");
      await agree([channel, watcher], { me: [{ n: 2 }] }, "an update");
      const late = open(t, other, name, "late").channel;
      await subscribed(late);
      await agree([late], { me: [{ n: 2 }] }, "whoever comes later");
      assert.equal(await channel.untrack(), "ok");
      await agree([channel, watcher, late], {}, "untrack");
      await channel.track({ n: 3 });
      await agree([watcher, late], { me: [{ n: 3 }] }, "again");
      await channel.unsubscribe();
      await agree([watcher, late], {}, "unsubscribe");
      assert.deepEqual(watcher.seen, ["+me", "+me", "-me", "-me", "+me", "-me"]);
    });
  }
}

test("a lost socket leaves at once, and only its own", async (t) => {
  const one = open(t, "today", "lost", "ann"), two = open(t, "a year ago", "lost", "ann"), bob = open(t, "today", "lost", "bob");
  const watcher = open(t, "today", "lost", "w").channel;
  await Promise.all([one, two, bob].map(({ channel }) => subscribed(channel)));
  await subscribed(watcher);
  await one.channel.track({ tab: 1 });
  await two.channel.track({ tab: 2 });
  await bob.channel.track({});
  await agree([watcher], { ann: [{ tab: 1 }, { tab: 2 }], bob: [{}] }, "two tabs, one key");
  assert.deepEqual(who(watcher).ann, [{ tab: 1 }, { tab: 2 }], "in order");
  const start = Date.now();
  tear(two.client);
  await eventually(() => same(watcher, { ann: [{ tab: 1 }], bob: [{}] }), "the other tab alone", 1000);
  assert.ok(Date.now() - start < 1000 * patience);
});

test("keys are anything: a fresh one if none is named, odd names, names of JavaScript's", async (t) => {
  const watcher = open(t, "today", "keys", "w").channel;
  await subscribed(watcher);
  const anonymous = [open(t, "today", "keys", "").channel, open(t, "a year ago", "keys").channel];
  await Promise.all(anonymous.map(subscribed));
  for (const [i, channel] of anonymous.entries()) await channel.track({ i });
  await eventually(() => Object.keys(watcher.presenceState()).length === 2, "two keys");
  for (const key of Object.keys(watcher.presenceState())) assert.match(key, /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
  const names = ["constructor", 'quo"te\\', "ключ 😀", "1"];
  const odd = names.map((name) => open(t, "today", "odd keys", name).channel);
  for (const channel of odd) {
    await subscribed(channel);
    await channel.track({ phx_ref: "mine", metas: [] });
  }
  await agree(odd, Object.fromEntries(names.map((name) => [name, [{ metas: [] }]])), "all of them");
});

test("who did not ask for presence is told nothing, and may be present all the same", async (t) => {
  const topic = "realtime:asked";
  const deaf = await connect(t), watcher = await connect(t);
  await deaf.join(topic, [], { config: { presence: { key: "d", enabled: false } } });
  await watcher.join(topic, [], { config: { presence: { key: "w", enabled: true } } });
  await watcher.frame(({ event }) => event === "presence_state", "presence_state");
  const ref = deaf.push(topic, "presence", { type: "presence", event: "track", payload: { n: 1 } });
  assert.equal((await deaf.reply(ref)).payload.status, "ok");
  const diff = await watcher.frame(({ event }) => event === "presence_diff", "presence_diff");
  assert.deepEqual(Object.keys(diff.payload.joins), ["d"]);
  await sleep(200);
  assert.deepEqual(deaf.frames, []);
});

test("limits are answered", async (t) => {
  const topic = "realtime:limits";
  const client = await connect(t);
  await client.join(topic, []);
  const call = (event, payload) => client.push(topic, "presence", { type: "presence", event, payload });
  assert.deepEqual((await client.reply(call("track", [1]))).payload, { status: "error", response: { reason: "Presence track payload must be a map" } });
  assert.equal((await client.reply(call("dance", {}))).payload.status, "error");
  for (let i = 0; i < 60; i++) call("track", { i });
  const { payload } = await client.frame(({ event }) => event === "system", "the system message");
  assert.deepEqual(payload, { message: "Client presence rate limit exceeded", status: "error", extension: "system", channel: "limits" });
  await client.frame(({ event }) => event === "phx_close", "phx_close");
  assert.equal((await env.stats()).presence_limited_total, 1);
  await sleep(1000);
  await client.join(topic, []);
  call("track", { x: "x".repeat(3000001) });
  const large = await client.frame(({ event }) => event === "system", "the system message");
  assert.equal(large.payload.message, "Track message size exceeded");

  const { channel } = open(t, "today", "flood of presence", "f");
  await subscribed(channel);
  for (let i = 0; i < 60; i++) channel.track({ i }).catch(() => {});
  await eventually(() => channel.statuses.includes("CLOSED"), "supabase-js to be told");
});

test("under churn of 100 clients all agree in the end", async (t) => {
  const name = "churn", count = 100;
  const clients = Array.from({ length: count }, (_, i) => ({ i, key: `k${i % 40}`, age: ages[i % 2], ...open(t, ages[i % 2], name, `k${i % 40}`) }));
  let seed = 42;
  const chance = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  await Promise.all(clients.map(({ channel }) => subscribed(channel)));
  let step = 0;
  const act = async (client) => {
    const what = chance(10);
    if (what < 6) {
      client.meta = { i: client.i, step: ++step };
      await client.channel.track(client.meta);
    } else if (what < 8) {
      client.meta = null;
      await client.channel.untrack();
    } else if (what < 9) {
      client.meta = null;
      await client.channel.unsubscribe();
      Object.assign(client, open(t, client.age, name, client.key));
      await subscribed(client.channel);
    } else {
      // as when the network breaks: supabase-js connects and joins again by itself
      client.meta = null;
      const before = client.channel.statuses.length;
      tear(client.client);
      await eventually(() => client.channel.statuses.slice(before).includes("SUBSCRIBED"), "a channel that is joined again", 10000);
    }
  };
  const live = async (client) => {
    for (let n = 0; n < 6; n++) {
      await act(client);
      await sleep(chance(30));
    }
  };
  await Promise.all(clients.map(live));
  const expected = {};
  for (const { key, meta } of clients) if (meta) (expected[key] ??= []).push(meta);
  assert.ok(Object.keys(expected).length > 10);
  await agree(clients.map(({ channel }) => channel), expected, "all to agree", 10000);
  const refs = clients.map(({ channel }) => JSON.stringify(Object.entries(channel.presenceState()).map(([key, metas]) => [key, metas.map(({ presence_ref }) => presence_ref).sort()]).sort()));
  assert.equal(new Set(refs).size, 1, "down to the versions");
  assert.equal((await env.stats()).presences, clients.filter(({ meta }) => meta).length);
});

test("after a restart nobody is taken for who he was", async (t) => {
  const own = await Env.start({ cluster: env.cluster, seed: false });
  t.after(() => own.stop());
  const key = jwt(own.secret, { role: "authenticated" });
  const make = (name) => {
    const client = supabase(own, key);
    t.after(() => client.removeAllChannels());
    const channel = client.channel("restart", { config: { presence: { key: name } } });
    channel.on("presence", { event: "sync" }, () => {});
    return channel;
  };
  const stays = make("stays"), goes = make("goes");
  await Promise.all([stays, goes].map(subscribed));
  await stays.track({ life: 1 });
  await goes.track({ life: 1 });
  await agree([stays, goes], { stays: [{ life: 1 }], goes: [{ life: 1 }] }, "both");
  const statuses = stays.statuses.length;
  await own.kill("SIGKILL");
  await own.run();
  await eventually(() => stays.statuses.slice(statuses).includes("SUBSCRIBED"), "to be joined again", 20000);
  await stays.track({ life: 2 });
  await agree([stays], { stays: [{ life: 2 }] }, "only who is there now", 10000);
});
