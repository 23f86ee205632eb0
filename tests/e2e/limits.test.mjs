// Every limit of the realtime side: what is allowed works, one more is answered in the protocol's words,
// is counted, and harms nobody else. And connections of which nothing is heard.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { connect as tcpConnect } from "node:net";
import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import { Env, eventually, jwt, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase } from "./clients.mjs";

const quiet = { presence: { enabled: false } };
let env, token;

before(async () => {
  env = await Env.start({
    seed: false,
    config: {
      realtime_max_clients: "20",
      realtime_max_channels: "5",
      realtime_max_joins_per_second: "8",
      realtime_max_frame: "20000",
      realtime_max_payload: "5000",
      realtime_idle_timeout: "4s",
    },
  });
  token = jwt(env.secret, { role: "authenticated" });
});
after(() => env?.stop());

async function connect(t, options) {
  const phoenix = await Phoenix.connect(env, token, options);
  t.after(() => phoenix.close());
  return phoenix;
}
const join = async (client, topic) => (await client.reply(client.push(topic, "phx_join", { config: quiet }))).payload;
const reason = async (client, topic) => (await join(client, topic)).response.reason;
const counter = async (name) => Number((await env.stats())[name]);
const counted = (name, n) => eventually(async () => (await counter(name)) === n, `${name} to be ${n}`);
const nobody = () => eventually(async () => (await counter("clients")) === 0, "all to be gone");

test("channels of a connection: the one too many is refused, and a place is free again after leaving", async (t) => {
  const client = await connect(t);
  for (let i = 0; i < 5; i++) assert.equal((await join(client, `realtime:c${i}`)).status, "ok");
  assert.equal(await reason(client, "realtime:c5"), "ChannelRateLimitReached: Too many channels");
  await counted("channels_limited_total", 1);
  assert.equal((await join(client, "realtime:c4")).status, "ok", "a second join of a topic is no further channel");
  await client.reply(client.push("realtime:c0", "phx_leave", {}));
  await sleep(1000);
  assert.equal((await join(client, "realtime:c5")).status, "ok");
});

test("joins a second", async (t) => {
  const client = await connect(t);
  const refs = Array.from({ length: 12 }, () => client.push("realtime:again", "phx_join", { config: quiet }));
  const replies = await Promise.all(refs.map((ref) => client.reply(ref)));
  const refused = replies.filter(({ payload }) => payload.status === "error");
  assert.ok(refused.length >= 3, `${refused.length}`);
  for (const { payload } of refused) assert.equal(payload.response.reason, "ClientJoinRateLimitReached: Too many joins per second");
  await counted("joins_limited_total", refused.length);
  await sleep(1000);
  assert.equal((await join(client, "realtime:again")).status, "ok");
});

test("a topic without a name, one that is none, a join that is none: each has its answer", async (t) => {
  const client = await connect(t);
  assert.equal(await reason(client, "realtime:"), "TopicNameRequired: You must provide a topic name");
  assert.equal(await reason(client, "elsewhere"), "unmatched topic");
  const malformed = async (payload) => (await client.reply(client.push("realtime:m", "phx_join", payload))).payload.response.reason;
  assert.match(await malformed([]), /^MalformedJoin: the payload of a join is an object/);
  assert.match(await malformed({ config: { postgres_changes: {} } }), /^MalformedJoin: postgres_changes is an array/);
  assert.match(await malformed({ config: { postgres_changes: Array(101).fill({ table: "t" }) } }), /^MalformedJoin: at most 100 postgres_changes/);
  await sleep(1000);
  assert.match(await malformed({ config: { presence: { key: "k".repeat(2000) } } }), /^MalformedJoin: presence.key is longer/);
  const unknown = await client.reply(client.push("realtime:m", "phx_join", { config: { ...quiet, postgres_changes: [{ event: "*", schema: "public", table: "t" }] }, access_token: jwt(env.secret, { role: "nobody_of_this_name" }) }));
  assert.match(unknown.payload.response.reason, /^Unauthorized: /);
  assert.equal((await join(client, "realtime:m")).status, "ok");
});

test("clients: a few more may connect, to be told why they may not join; then 503", async (t) => {
  await nobody();
  const held = [];
  for (let i = 0; i < 20; i++) held.push(await connect(t));
  const over = await connect(t);
  assert.equal(await reason(over, "realtime:x"), "ConnectionRateLimitReached: Too many connected users");
  await counted("joins_full_total", 1);
  assert.equal((await join(held[0], "realtime:x")).status, "ok", "who was there before may go on");
  const { clients_refused_total: refused } = await env.stats();
  let full;
  while (!full) held.push(await connect(t).catch((error) => (full = error.message)));
  assert.match(full, /503/);
  held.pop();
  await counted("clients_refused_total", Number(refused) + 1);
  for (const client of held.slice(19)) await client.close();
  await eventually(async () => (await join(over, "realtime:x")).status === "ok", "room for one more");
});

test("a frame too large ends the connection with 1009, whole or in parts; a payload too large does not", async (t) => {
  await nobody();
  for (const parts of [1, 3, 500]) {
    const client = await connect(t);
    const text = JSON.stringify([null, "1", "phoenix", "heartbeat", { x: "x".repeat(20001) }]);
    const size = Math.ceil(text.length / parts);
    for (let at = 0; at < text.length; at += size) client.socket.send(text.slice(at, at + size), { fin: at + size >= text.length });
    assert.equal(await client.closed, 1009, `${parts} parts`);
  }
  await counted("frames_too_large_total", 3);
  const client = await connect(t);
  assert.equal((await client.join("realtime:p", [], { config: { ...quiet, broadcast: { ack: true } } })).reply.payload.status, "ok");
  const answer = (await client.reply(client.push("realtime:p", "broadcast", { type: "broadcast", event: "e", payload: { x: "x".repeat(5001) } }))).payload;
  assert.match(answer.response.reason, /^PayloadSizeExceeded/);
  await counted("broadcasts_refused_total", 1);
});

test("who says nothing but answers pings stays; who does not is closed with 1001, and so is one that is half open", async (t) => {
  await nobody();
  const open = async (options) => {
    const socket = new WebSocket(`ws://127.0.0.1:${env.port}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`, options);
    t.after(() => socket.terminate());
    socket.pings = 0;
    socket.on("ping", () => socket.pings++);
    socket.ended = new Promise((done) => socket.once("close", (code) => done(code)));
    await new Promise((done, fail) => socket.once("open", done).once("error", fail));
    return socket;
  };
  const background = await open(), mute = await open({ autoPong: false }), halfOpen = await open();
  const busy = await connect(t);
  let pings = 0;
  busy.socket.on("ping", () => pings++);
  const beat = setInterval(() => busy.push("phoenix", "heartbeat", {}), 500);
  t.after(() => clearInterval(beat));
  halfOpen._socket.pause(); // the kernel still takes what comes; nobody answers
  const from = Date.now();
  assert.equal(await mute.ended, 1001);
  assert.ok(Date.now() - from > 3000, `${Date.now() - from} ms`);
  await counted("clients_idle_total", 2);
  await sleep(5000);
  assert.equal(background.readyState, WebSocket.OPEN);
  assert.ok(background.pings >= 2 && background.pings <= 6, `${background.pings} pings`);
  assert.equal(pings, 0, "who sends heartbeats is not asked");
  assert.equal(busy.socket.readyState, WebSocket.OPEN);
  await counted("clients", 2);
});

for (const age of ages) {
  test(`supabase-js of ${age}: a page whose timers are held back is not cut off`, async (t) => {
    const client = supabase(env, token, age, { heartbeatIntervalMs: 60000 });
    t.after(() => client.removeAllChannels());
    const channel = client.channel("background");
    await subscribed(channel);
    await sleep(7000);
    assert.deepEqual(channel.statuses, ["SUBSCRIBED"]);
  });
}

test("frames by the byte, by raw sockets: taken as they come, and nobody waits for them", async (t) => {
  const key = randomBytes(16).toString("base64");
  const socket = tcpConnect(env.port, "127.0.0.1");
  t.after(() => socket.destroy());
  let heard = Buffer.alloc(0);
  socket.on("data", (data) => (heard = Buffer.concat([heard, data])));
  socket.write(`GET /realtime/v1/websocket?vsn=2.0.0&apikey=${token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
  await eventually(() => heard.includes("\r\n\r\n"), "101");
  assert.match(heard.toString("latin1"), /^HTTP\/1.1 101/);
  const text = Buffer.from('[null,"7","phoenix","heartbeat",{}]');
  const mask = randomBytes(4);
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, text.map((byte, i) => byte ^ mask[i % 4])]);
  for (const byte of frame) {
    socket.write(Buffer.from([byte]));
    await sleep(10);
  }
  await eventually(() => heard.includes('[null,"7","phoenix","phx_reply",{"status":"ok","response":{}}]'), "the reply");
  const ended = new Promise((done) => socket.once("close", done));
  socket.write(Buffer.from([0x81, 0x05, ...Buffer.from("plain")])); // not masked: no client may do so (RFC 6455, 5.1)
  await Promise.race([ended, sleep(5000).then(() => assert.fail("an unmasked frame was taken"))]);
});
