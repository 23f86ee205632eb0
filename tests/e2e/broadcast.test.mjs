// Broadcast: from everybody to everybody in a topic, in both versions of the protocol.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Env, eventually, jwt, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase } from "./clients.mjs";

let env, token;

before(async () => {
  env = await Env.start({
    seed: false,
    config: { realtime_max_messages_per_second: "2000", realtime_max_joins_per_second: "20", realtime_client_buffer: "1M" },
  });
  token = jwt(env.secret, { role: "authenticated", sub: "00000000-0000-0000-0000-000000000001" });
});
after(() => env?.stop());

async function connect(t, options) {
  const phoenix = await Phoenix.connect(env, token, options);
  t.after(() => phoenix.close());
  return phoenix;
}

const quiet = { presence: { enabled: false } };
const joined = async (t, topic, options, broadcast = {}) => {
  const client = await connect(t, options);
  const { reply } = await client.join(topic, [], { config: { ...quiet, broadcast } });
  assert.equal(reply.payload.status, "ok");
  return client;
};
const v1 = { vsn: "1.0.0" };

const open = (t, age, name, config) => {
  const client = supabase(env, token, age);
  t.after(() => client.removeAllChannels());
  return { client, channel: client.channel(name, { config }) };
};

for (const from of ages) {
  for (const to of ages) {
    test(`supabase-js: from ${from} to ${to}`, async (t) => {
      const sender = open(t, from, `pair ${from}/${to}`).channel;
      const receiver = open(t, to, `pair ${from}/${to}`).channel;
      const heard = [];
      receiver.on("broadcast", { event: "shot" }, (message) => heard.push(message));
      await Promise.all([subscribed(sender), subscribed(receiver)]);
      const payloads = [{ n: 1.5, deep: [{ a: null, "ключ": "ü\u0000\\\"" }] }, {}, { big: "x".repeat(100000) }];
      for (const payload of payloads) assert.equal(await sender.send({ type: "broadcast", event: "shot", payload }), "ok");
      await sender.send({ type: "broadcast", event: "other", payload: {} });
      await eventually(() => heard.length === 3, "three messages");
      assert.deepEqual(heard.map(({ type, event, payload }) => ({ type, event, payload })), payloads.map((payload) => ({ type: "broadcast", event: "shot", payload })));
    });
  }
}

for (const age of ages) {
  test(`supabase-js of ${age}: self and ack`, async (t) => {
    const { channel } = open(t, age, `self ${age}`, { broadcast: { self: true, ack: true } });
    const heard = [];
    channel.on("broadcast", { event: "*" }, ({ event }) => heard.push(event));
    await subscribed(channel);
    for (const event of ["a", "b"]) assert.equal(await channel.send({ type: "broadcast", event, payload: {} }), "ok");
    await eventually(() => heard.length === 2, "its own messages");
    const other = open(t, age, `self ${age}`, { broadcast: { self: false } }).channel;
    let echoed = 0;
    other.on("broadcast", { event: "*" }, () => echoed++);
    await subscribed(other);
    await other.send({ type: "broadcast", event: "c", payload: {} });
    await eventually(() => heard.length === 3, "the other's message");
    assert.equal(echoed, 0);
    assert.deepEqual(heard, ["a", "b", "c"]);
  });
}

test("supabase-js: bytes, to those who can take them", async (t) => {
  const sender = open(t, "today", "bytes").channel;
  const receiver = open(t, "today", "bytes").channel;
  const old = open(t, "a year ago", "bytes").channel;
  const heard = [], oldHeard = [], told = [];
  receiver.on("broadcast", { event: "*" }, ({ payload }) => heard.push(payload));
  old.on("broadcast", { event: "*" }, ({ payload }) => oldHeard.push(payload)).on("system", {}, (message) => told.push(message));
  await Promise.all([sender, receiver, old].map(subscribed));
  const bytes = new Uint8Array([0, 255, 1, 254]);
  await sender.send({ type: "broadcast", event: "b", payload: bytes.buffer });
  await sender.send({ type: "broadcast", event: "j", payload: { n: 1 } });
  await eventually(() => heard.length === 2 && oldHeard.length === 1, "what each can take");
  assert.deepEqual(new Uint8Array(heard[0]), bytes);
  assert.deepEqual(heard[1], { n: 1 });
  assert.deepEqual(oldHeard, [{ n: 1 }]);
  await eventually(() => told.some(({ extension, status, message }) => extension === "broadcast" && status === "error" && /binary/.test(message)), "that it is said");
  assert.deepEqual(old.statuses, ["SUBSCRIBED"]);
});

test("raw frames: text stays text, binary stays binary, and version 1 has text", async (t) => {
  const topic = "realtime:raw";
  const sender = await joined(t, topic);
  const oldSender = await joined(t, topic, v1);
  const two = await joined(t, topic);
  const one = await joined(t, topic, v1);
  const message = { type: "broadcast", event: "shot", payload: { a: [1, 2] }, extra: true };
  sender.push(topic, "broadcast", message);
  assert.deepEqual(await two.broadcast(), { join_ref: null, ref: null, topic, event: "broadcast", payload: message });
  assert.deepEqual(await one.broadcast(), { topic, event: "broadcast", payload: message, ref: null });
  oldSender.push(topic, "broadcast", message);
  assert.deepEqual((await two.broadcast()).payload, message);
  assert.deepEqual((await one.broadcast()).payload, message);
  sender.pushBinary(topic, "é", { a: 1 }, { meta: '{"persist":true}' });
  const plain = { type: "broadcast", event: "é", payload: { a: 1 } };
  assert.deepEqual(await two.broadcast(), { join_ref: null, ref: null, topic, event: "broadcast", payload: plain, binary: true });
  assert.deepEqual(await one.broadcast(), { topic, event: "broadcast", payload: plain, ref: null });
  // no digit is lost on the way, whatever JavaScript makes of it
  const texts = [];
  two.socket.on("message", (data) => texts.push(data.toString()));
  sender.socket.send(`["1","9","${topic}","broadcast",{"type":"broadcast","event":"n","payload":{"n":12345678901234567890.50}}]`);
  await eventually(() => texts.some((text) => text.includes('{"n":12345678901234567890.50}')), "the number as it was written");
});

test("what is not right is answered with ack, dropped without, and nobody else hears of it", async (t) => {
  const topic = "realtime:wrong";
  const ack = await joined(t, topic, {}, { ack: true });
  const other = await joined(t, topic);
  const { frames_malformed_total: malformed } = await env.stats();
  const large = ack.pushBinary(topic, "large", { x: "x".repeat(3000001) });
  assert.match((await ack.reply(large)).payload.response.reason, /^PayloadSizeExceeded/);
  const list = ack.push(topic, "broadcast", []);
  assert.equal((await ack.reply(list)).payload.status, "error");
  const stray = ack.pushBinary("realtime:elsewhere", "e", {});
  assert.deepEqual((await ack.reply(stray)).payload, { status: "error", response: { reason: "unmatched topic" } });
  other.push(topic, "broadcast", []); // silent
  const text = Buffer.from(`1"}},"topic":"x"`);
  ack.socket.send(Buffer.concat([Buffer.from([3, 0, 1, topic.length, 1, 0, 1]), Buffer.from(`9${topic}e`), text]));
  ack.socket.send(Buffer.from([3, 255, 255]));
  ack.socket.send(Buffer.from([0]));
  const good = ack.pushBinary(topic, "good", {});
  assert.equal((await ack.reply(good)).payload.status, "ok");
  assert.equal((await other.broadcast()).payload.event, "good");
  assert.equal((await env.stats()).frames_malformed_total, malformed + 3);
  assert.deepEqual(other.frames, []);
});

test("messages arrive in the order in which they were sent", async (t) => {
  const topic = "realtime:order";
  const sender = await joined(t, topic);
  const receivers = [await joined(t, topic), await joined(t, topic, v1)];
  for (let i = 0; i < 1000; i++) sender.pushBinary(topic, String(i), { i });
  for (const receiver of receivers) {
    await eventually(() => receiver.frames.length === 1000, "all of them");
    assert.deepEqual(receiver.frames.map(({ payload }) => payload.payload.i), Array.from({ length: 1000 }, (_, i) => i));
  }
});

test("too many messages a second close the channel, too many joins are refused", async (t) => {
  const topic = "realtime:flood";
  const client = await joined(t, topic);
  await client.join("realtime:calm", [], { config: { ...quiet, broadcast: { ack: true } } });
  for (let i = 0; i < 4500; i++) client.push(topic, "broadcast", { type: "broadcast", event: "x", payload: {} });
  const { payload } = await client.frame((frame) => frame.event === "system", "the system message");
  assert.deepEqual(payload, { message: "Too many messages per second", status: "error", extension: "system", channel: "flood" });
  await client.frame((frame) => frame.event === "phx_close" && frame.topic === topic, "phx_close");
  await sleep(1100);
  const calm = client.push("realtime:calm", "broadcast", { type: "broadcast", event: "x", payload: {} });
  assert.equal((await client.reply(calm)).payload.status, "ok", "the other channel stays");
  const refs = Array.from({ length: 60 }, (_, i) => client.push(`realtime:join${i}`, "phx_join", { config: quiet }));
  const replies = await Promise.all(refs.map((ref) => client.reply(ref)));
  const refused = replies.filter((frame) => frame.payload.status === "error");
  assert.ok(refused.length >= 20, `${refused.length} refused`);
  for (const frame of refused) assert.equal(frame.payload.response.reason, "ClientJoinRateLimitReached: Too many joins per second");
  const stats = await env.stats();
  assert.ok(stats.messages_limited_total >= 1);
  assert.equal(stats.joins_limited_total, refused.length);
});

test("a client that does not read is cut off, and the others get everything", async (t) => {
  const topic = "realtime:slow";
  const sender = await joined(t, topic);
  const deaf = await joined(t, topic);
  const alert = await joined(t, topic);
  const { clients_slow_total: slow } = await env.stats();
  let count = 0;
  alert.socket.on("message", () => count++);
  deaf.socket._socket.pause();
  for (let i = 0; i < 1500; i++) {
    sender.pushBinary(topic, "x", { filler: "x".repeat(10000) });
    if (i % 50 === 0) await sleep(5);
  }
  await eventually(() => count >= 1500, "all messages for the one who reads", 30000);
  await eventually(async () => (await env.stats()).clients_slow_total === slow + 1, "the slow one cut off");
});

test("a join without a config is one of old: the topic says what it binds, and changes are bare", async (t) => {
  await env.db.query("create table public.legacy (id int primary key); grant select on public.legacy to authenticated");
  for (const [vsn, topic] of [["1.0.0", "realtime:public:legacy:id=gt.1"], ["2.0.0", "realtime:public:legacy"]]) {
    const client = await connect(t, { vsn });
    const ref = client.push(topic, "phx_join", { user_token: token });
    assert.equal((await client.reply(ref)).payload.status, "ok");
    await client.frame((frame) => frame.event === "system" && frame.payload.status === "ok", "the system message");
    await env.db.query("delete from public.legacy; insert into public.legacy values (1), (2)");
    const insert = await client.frame((frame) => frame.event === "INSERT", "INSERT");
    assert.equal(insert.topic, topic);
    assert.equal(insert.payload.table, "legacy");
    assert.equal(insert.payload.type, "INSERT");
    assert.equal(insert.payload.record.id, vsn === "1.0.0" ? 2 : 1);
  }
});

// ---- REST ----

const post = (path, body, headers = {}) =>
  fetch(env.url(path), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  });

for (const under of ["/api/broadcast", "/realtime/v1/api/broadcast"]) {
  test(`POST ${under}: a batch, one message, bytes`, async (t) => {
    const name = `rest ${under}`;
    const two = await joined(t, `realtime:${name}`);
    const one = await joined(t, `realtime:${name}`, v1);
    const both = async () => [(await two.broadcast()).payload, (await one.broadcast()).payload];
    const batch = await post(under, { messages: [1, 2].map((n) => ({ topic: name, event: "e", payload: { n } })) });
    assert.equal(batch.status, 202);
    assert.equal(await batch.text(), "");
    assert.equal(batch.headers.get("access-control-allow-origin"), "*");
    for (const n of [1, 2]) for (const payload of await both()) assert.deepEqual(payload, { type: "broadcast", event: "e", payload: { n } });
    const path = `${under}/${encodeURIComponent(name)}/events/${encodeURIComponent("a/b é")}`;
    assert.equal((await post(path, { n: 3 }, { authorization: "", apikey: token })).status, 202);
    for (const payload of await both()) assert.deepEqual(payload, { type: "broadcast", event: "a/b é", payload: { n: 3 } });
    assert.equal((await post(`${path}?private=false`, new Uint8Array([255, 0]), { "content-type": "application/octet-stream" })).status, 202);
    const bytes = await two.broadcast();
    assert.ok(bytes.binary);
    assert.deepEqual([...bytes.payload.payload], [255, 0]);
  });
}

test("REST says what is wrong, and then sends nothing", async (t) => {
  const client = await joined(t, "realtime:strict");
  const good = { topic: "strict", event: "e", payload: {} };
  const status = async (...args) => (await post(...args)).status;
  assert.equal(await status("/api/broadcast", { messages: [good] }, { authorization: "" }), 401);
  assert.equal(await status("/api/broadcast", { messages: [good] }, { authorization: `Bearer ${jwt(env.secret, { role: "anon", exp: 1 })}` }), 401);
  assert.equal(await status("/api/broadcast", { messages: [good] }, { authorization: `Bearer ${jwt("another secret of more than 32 bytes", { role: "anon" })}` }), 401);
  const bad = await post("/api/broadcast", { messages: [good, { topic: "strict" }] });
  assert.equal(bad.status, 422);
  assert.deepEqual(await bad.json(), { errors: { messages: [{}, { event: ["can't be blank"], payload: ["can't be blank"] }] } });
  assert.equal(await status("/api/broadcast", { messages: [{ ...good, payload: { x: "x".repeat(3000000) } }] }), 422);
  assert.equal(await status("/api/broadcast", "{"), 400);
  assert.equal(await status("/api/broadcast", { messages: [{ ...good, private: true }] }), 403);
  assert.equal(await status("/api/broadcast/strict/events/e?private=true", {}), 403);
  assert.equal(await status("/api/broadcast/strict/events/e", "x", { "content-type": "text/plain" }), 415);
  assert.equal(await status("/api/broadcast/strict", {}), 404);
  assert.equal((await fetch(env.url("/api/broadcast"))).status, 405);
  const large = await post("/api/broadcast", { messages: [{ ...good, payload: { x: "x".repeat(8000000) } }] }).catch((error) => error);
  assert.ok(large instanceof Error || large.status === 413);
  const flood = await post("/api/broadcast", { messages: Array(2001).fill(good) });
  assert.equal(flood.status, 429);
  assert.match((await flood.json()).message, /reduce the batch size/);
  const preflight = await fetch(env.url("/realtime/v1/api/broadcast"), {
    method: "OPTIONS",
    headers: { origin: "https://app.example.com", "access-control-request-method": "POST", "access-control-request-headers": "authorization,apikey,content-type" },
  });
  assert.ok(preflight.status === 204 || preflight.status === 200);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
  assert.match(preflight.headers.get("access-control-allow-headers"), /apikey/);
  assert.deepEqual(client.frames, []);
});

for (const age of ages) {
  test(`supabase-js of ${age} sends by REST, without having joined`, async (t) => {
    const name = `by rest: ${age}`;
    const receiver = open(t, "today", name).channel;
    const heard = [];
    receiver.on("broadcast", { event: "*" }, ({ event, payload }) => heard.push([event, payload]));
    await subscribed(receiver);
    const { client, channel } = open(t, age, name);
    await client.realtime.setAuth();
    assert.equal(await channel.send({ type: "broadcast", event: "fallback", payload: { n: 1 } }), "ok");
    assert.deepEqual(await channel.httpSend("explicit/é", { n: 2 }), { success: true });
    await eventually(() => heard.length === 2, "both");
    assert.deepEqual(heard, [["fallback", { n: 1 }], ["explicit/é", { n: 2 }]]);
    if (age === "today") {
      assert.deepEqual(await channel.httpSend("bytes", new Uint8Array([1, 255])), { success: true });
      await eventually(() => heard.length === 3, "bytes");
      assert.deepEqual([...new Uint8Array(heard[2][1])], [1, 255]);
    }
  });
}
