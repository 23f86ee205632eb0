// Private channels: policies on realtime.messages decide who reads and who sends what, per topic.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { connect as connectTo } from "node:net";
import { readFileSync } from "node:fs";
import { Env, eventually, jwt, patience, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase } from "./clients.mjs";

let env;
const users = {};

before(async () => {
  env = await Env.start({ seed: false });
  for (const name of ["reader", "writer", "sender", "watcher", "stranger"]) {
    const { id } = await env.row("select gen_random_uuid() as id");
    users[name] = { id, token: jwt(env.secret, { role: "authenticated", sub: id }) };
  }
  await env.db.query("create table public.members (user_id uuid, topic text, extension text, reads boolean, writes boolean)");
  await env.db.query(`
    grant select on public.members to authenticated;
    create policy read on realtime.messages for select to authenticated using (exists (
      select from public.members m where m.user_id = auth.uid() and m.topic = realtime.topic() and m.extension = messages.extension and m.reads));
    create policy write on realtime.messages for insert to authenticated with check (exists (
      select from public.members m where m.user_id = auth.uid() and m.topic = realtime.topic() and m.extension = messages.extension and m.writes));
  `);
  for (const [name, extension, reads, writes] of [
    ["reader", "broadcast", true, false],
    ["writer", "broadcast", true, true],
    ["sender", "broadcast", false, true],
    ["watcher", "presence", true, true],
  ]) {
    await env.db.query("insert into public.members values ($1, 'club', $2, $3, $4)", [users[name].id, extension, reads, writes]);
  }
});
after(() => env?.stop());

async function connect(t, token, options) {
  const phoenix = await Phoenix.connect(env, token, options);
  t.after(() => phoenix.close());
  return phoenix;
}

const join = (client, topic, config = {}, extra = {}) =>
  client.join(`realtime:${topic}`, [], { config: { private: true, broadcast: { ack: true }, ...config }, ...extra });
const refused = (topic) => ({ status: "error", response: { reason: `Unauthorized: You do not have permissions to read from this Channel topic: ${topic}` } });
const isBroadcast = ({ event }) => event === "broadcast";

async function send(client, ref, topic, n) {
  const pushed = client.push(`realtime:${topic}`, "broadcast", { type: "broadcast", event: "e", payload: { n } }, { join_ref: ref });
  return (await client.reply(pushed)).payload;
}

test("who may read joins; who may write is heard; who may neither is refused, in Supabase's words", async (t) => {
  const clients = {};
  for (const name of ["reader", "writer"]) {
    clients[name] = await connect(t, users[name].token);
    const { ref, reply } = await join(clients[name], "club");
    assert.equal(reply.payload.status, "ok", name);
    clients[name].ref_ = ref;
  }
  for (const name of ["stranger", "sender"]) {
    const client = await connect(t, users[name].token);
    assert.deepEqual((await join(client, "club")).reply.payload, refused("club"), name);
  }
  const other = await connect(t, users.reader.token);
  assert.deepEqual((await join(other, "other club")).reply.payload, refused("other club"));

  assert.equal((await send(clients.writer, clients.writer.ref_, "club", 1)).status, "ok");
  assert.equal((await clients.reader.frame(isBroadcast, "the broadcast")).payload.payload.n, 1);
  const no = await send(clients.reader, clients.reader.ref_, "club", 2);
  assert.equal(no.status, "error");
  assert.match(no.response.reason, /^Unauthorized: You do not have permissions to write/);
  await sleep(100);
  assert.ok(!clients.writer.frames.some(isBroadcast));
});

test("rights to presence are their own", async (t) => {
  const watcher = await connect(t, users.watcher.token);
  const { ref, reply } = await join(watcher, "club", { presence: { enabled: true, key: "w" } });
  assert.equal(reply.payload.status, "ok");
  assert.deepEqual((await watcher.frame(({ event }) => event === "presence_state", "presence_state")).payload, {});
  const track = watcher.push("realtime:club", "presence", { type: "presence", event: "track", payload: { n: 1 } }, { join_ref: ref });
  assert.equal((await watcher.reply(track)).payload.status, "ok");
  await watcher.frame(({ event, payload }) => event === "presence_diff" && payload.joins.w, "its own presence");
  assert.equal((await send(watcher, ref, "club", 1)).status, "error");

  const writer = await connect(t, users.writer.token);
  const joined = await join(writer, "club", { presence: { enabled: true, key: "b" } });
  assert.equal(joined.reply.payload.status, "ok");
  const no = writer.push("realtime:club", "presence", { type: "presence", event: "track", payload: {} }, { join_ref: joined.ref });
  assert.equal((await writer.reply(no)).payload.status, "error");
  await send(writer, joined.ref, "club", 2);
  await sleep(200);
  assert.deepEqual(writer.frames.filter(({ event }) => event.startsWith("presence")), []);
  assert.ok(!watcher.frames.some(isBroadcast), "who may read presence alone hears no broadcast");

  const off = await connect(t, users.watcher.token);
  assert.deepEqual((await join(off, "club", { presence: { enabled: false } })).reply.payload, refused("club"), "without presence there is nothing it may read");
});

for (const age of ages) {
  test(`supabase-js of ${age}: SUBSCRIBED or CHANNEL_ERROR, and messages between members`, async (t) => {
    const open = async (name) => {
      const client = supabase(env, users[name].token, age);
      t.after(() => client.removeAllChannels());
      await client.realtime.setAuth(users[name].token);
      return client.channel("club", { config: { private: true, broadcast: { ack: true }, presence: { enabled: false } } });
    };
    const reader = await open("reader");
    const heard = [];
    reader.on("broadcast", { event: "e" }, ({ payload }) => heard.push(payload.n));
    const writer = await open("writer");
    await Promise.all([subscribed(reader), subscribed(writer)]);
    assert.equal(await writer.send({ type: "broadcast", event: "e", payload: { n: 7 } }), "ok");
    await eventually(() => heard.length, "the message");
    assert.deepEqual(heard, [7]);
    assert.equal(await reader.send({ type: "broadcast", event: "e", payload: { n: 8 } }), "error");
    await assert.rejects(subscribed(await open("stranger")), /Unauthorized: You do not have permissions to read/);
  });
}

test("a new token is judged anew: who loses the right to read is shut out, who loses that to send is not heard", async (t) => {
  const client = await connect(t, users.writer.token);
  const { ref } = await join(client, "club");
  client.push("realtime:club", "access_token", { access_token: users.reader.token }, { join_ref: ref });
  await eventually(async () => (await send(client, ref, "club", 1)).status === "error", "the right to send to be gone");
  client.push("realtime:club", "access_token", { access_token: users.writer.token }, { join_ref: ref });
  await eventually(async () => (await send(client, ref, "club", 2)).status === "ok", "and to be back");
  client.push("realtime:club", "access_token", { access_token: users.stranger.token }, { join_ref: ref });
  const system = await client.frame(({ event }) => event === "system", "a word");
  assert.equal(system.payload.status, "error");
  assert.equal(system.payload.message, "You no longer have permission to read from this Channel topic: club");
  await client.frame(({ event }) => event === "phx_close", "phx_close");
});

test("of two tokens in a row the last one counts", async (t) => {
  const client = await connect(t, users.writer.token);
  const { ref } = await join(client, "club");
  client.together(() => {
    for (const name of ["stranger", "reader", "stranger", "writer"]) {
      client.push("realtime:club", "access_token", { access_token: users[name].token }, { join_ref: ref });
    }
  });
  await sleep(500);
  assert.ok(!client.frames.some(({ event }) => event === "phx_close"), JSON.stringify(client.frames));
  assert.equal((await send(client, ref, "club", 1)).status, "ok");
});

test("rights that change in the database count from the next join on", async (t) => {
  const client = await connect(t, users.stranger.token);
  assert.equal((await join(client, "late")).reply.payload.status, "error");
  await env.db.query("insert into public.members values ($1, 'late', 'broadcast', true, false)", [users.stranger.id]);
  assert.equal((await join(client, "late")).reply.payload.status, "ok");
  await env.db.query("delete from public.members where topic = 'late'");
  assert.equal((await join(client, "late")).reply.payload.status, "error");
});

test("a policy that fails lets nobody in, and its words stay in the log", async (t) => {
  await env.db.query(`
    create function public.broken() returns boolean language plpgsql as $$ begin raise exception 'the secret is %', 42; end $$;
    create policy broken on realtime.messages for select to anon using (realtime.topic() = 'broken' and public.broken())`);
  const client = await connect(t, jwt(env.secret, { role: "anon" }));
  assert.deepEqual((await join(client, "broken")).reply.payload, refused("broken"));
  assert.match(env.logText(), /a policy on realtime.messages failed.*the secret is 42/);
  assert.ok((await env.stats()).rls_errors_total >= 1);
});

const dropSlow = () => env.db.query("drop policy if exists slow on realtime.messages");

test("a policy that hangs is given up in time, and holds up nobody but those whom it judges", async (t) => {
  t.after(dropSlow);
  await env.db.query("create policy slow on realtime.messages for select to anon using (realtime.topic() like 'slow%' and pg_sleep(30) is not null)");
  const slow = await connect(t, jwt(env.secret, { role: "anon" }));
  const started = Date.now();
  const hanging = ["slow 1", "slow 2", "slow 3"].map((topic) => slow.push(`realtime:${topic}`, "phx_join", { config: { private: true } }));
  await sleep(50);
  const quick = await connect(t, users.reader.token);
  for (let i = 0; i < 10; i++) {
    const at = Date.now();
    assert.equal((await join(quick, "club")).reply.payload.status, "ok");
    assert.ok(Date.now() - at < 2000 * patience, `a join took ${Date.now() - at} ms`);
  }
  for (const ref of hanging) {
    const { payload } = await slow.frame((frame) => frame.event === "phx_reply" && frame.ref === ref, "an answer", 10000);
    assert.equal(payload.status, "error");
    assert.match(payload.response.reason, /^(QueryCanceled|InitializingProjectConnection): /);
  }
  assert.ok(Date.now() - started < 9800 * patience, `${Date.now() - started} ms`);
});

test("a second join, a leave and a lost socket end a join that waits", async (t) => {
  t.after(dropSlow);
  await env.db.query("create policy slow on realtime.messages for select to anon using (realtime.topic() = 'slow' and pg_sleep(0.3) is not null)");
  const token = jwt(env.secret, { role: "anon" });
  const client = await connect(t, token);
  client.push("realtime:slow", "phx_join", { config: { private: true } });
  const second = client.push("realtime:slow", "phx_join", { config: { private: true } });
  assert.equal((await client.reply(second)).payload.status, "ok");
  const third = client.push("realtime:slow", "phx_join", { config: { private: true } });
  const leave = client.push("realtime:slow", "phx_leave", {});
  assert.equal((await client.reply(leave)).payload.status, "ok");
  const gone = await connect(t, token);
  gone.push("realtime:slow", "phx_join", { config: { private: true } });
  await gone.close();
  await sleep(1500);
  assert.ok(!client.frames.some((frame) => frame.event === "phx_reply" && frame.ref === third));
  await eventually(async () => (await env.stats()).rooms === (await env.stats()).rooms, "peace");
});

test("service_role and a role that bypasses policies may everything, anon nothing", async (t) => {
  const service = await connect(t, jwt(env.secret, { role: "service_role" }));
  const { ref, reply } = await join(service, "anything");
  assert.equal(reply.payload.status, "ok");
  assert.equal((await send(service, ref, "anything", 1)).status, "ok");
  const anon = await connect(t, jwt(env.secret, { role: "anon" }));
  assert.deepEqual((await join(anon, "anything")).reply.payload, refused("anything"));
});

// ---------------------------------------------------------------- REST

const post = (token, messages, path = "/api/broadcast") =>
  fetch(env.url(path), { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(messages) });

test("REST: who may write to a private topic is heard there, all others are told no", async (t) => {
  const reader = await connect(t, users.reader.token);
  await join(reader, "club");
  const message = { topic: "club", event: "e", payload: { n: 1 }, private: true };
  assert.equal((await post(users.sender.token, { messages: [message] })).status, 202);
  assert.equal((await reader.frame(isBroadcast, "the message")).payload.payload.n, 1);
  assert.equal((await post(users.writer.token, { n: 2 }, "/realtime/v1/api/broadcast/club/events/e?private=true")).status, 202);
  assert.equal((await reader.frame(isBroadcast, "the next")).payload.payload.n, 2);
  const no = await post(users.reader.token, { messages: [{ ...message, private: false }, message] });
  assert.equal(no.status, 403);
  assert.match((await no.json()).message, /^You do not have permissions to write to this Channel topic: club$/);
  assert.equal((await post(users.sender.token, { messages: [message, { ...message, topic: "other club" }] })).status, 403);
  await sleep(200);
  assert.ok(!reader.frames.some(isBroadcast), "of a request all messages are sent, or none");
  const many = await Promise.all(Array.from({ length: 50 }, () => post(users.sender.token, { messages: [message] })));
  assert.ok(many.every(({ status }) => status === 202 || status === 429), many.map(({ status }) => status).join());
});

test("REST: requests in one packet, and who hangs up, do no harm", async (t) => {
  const body = JSON.stringify({ messages: [{ topic: "club", event: "e", payload: {}, private: true }] });
  const request = `POST /api/broadcast HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${users.sender.token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const raw = (text, ms) =>
    new Promise((done) => {
      let answer = "";
      const socket = connectTo(env.port, "127.0.0.1", () => socket.write(text));
      socket.on("data", (data) => (answer += data));
      socket.on("close", () => done(answer));
      socket.on("error", () => {}); // a reset, since the second request is not read
      if (ms) setTimeout(() => socket.destroy(), ms);
    });
  const two = await raw(request + request);
  assert.match(two, /^HTTP\/1.1 202/);

  t.after(dropSlow);
  await env.db.query("create policy slow on realtime.messages as restrictive for insert to authenticated with check (realtime.topic() <> 'club' or pg_sleep(1) is not null)");
  const ticks = () => Number(readFileSync(`/proc/${env.daemon.pid}/stat`, "utf8").split(" ")[13]) + Number(readFileSync(`/proc/${env.daemon.pid}/stat`, "utf8").split(" ")[14]);
  const before = ticks();
  const late = await new Promise((done) => {
    let answer = "";
    const socket = connectTo(env.port, "127.0.0.1", () => socket.write(request));
    for (const ms of [30, 60, 90]) setTimeout(() => socket.write(request), ms);
    socket.on("data", (data) => (answer += data));
    socket.on("close", () => done(answer));
    socket.on("error", () => {});
  });
  assert.match(late, /^HTTP\/1.1 202/);
  const spent = ticks() - before;
  assert.ok(spent < 50, `${spent} ticks of 10 ms of a second were spent on waiting`);
  await dropSlow();
  for (let i = 0; i < 20; i++) await raw(request, i % 4);
  const alive = await connect(t, users.reader.token);
  assert.equal((await join(alive, "club")).reply.payload.status, "ok");
});

test("private_only: public channels are refused", async (t) => {
  const own = await Env.start({ seed: false, config: { realtime_private_only: "on" } });
  t.after(() => own.stop());
  const client = await Phoenix.connect(own, jwt(own.secret, { role: "service_role" }));
  t.after(() => client.close());
  const { reply } = await client.join("realtime:open", [], {});
  assert.deepEqual(reply.payload, { status: "error", response: { reason: "PrivateOnly: This project only allows private channels" } });
  assert.equal((await client.join("realtime:closed", [], { config: { private: true } })).reply.payload.status, "ok");
});

// ---------------------------------------------------------------- stored messages

const store = (topic, n, ago = 0) =>
  env.db.query(
    "insert into realtime.messages (topic, extension, event, payload, private, inserted_at) values ($1, 'broadcast', 'e', jsonb_build_object('n', $2::int), true, now() at time zone 'UTC' - make_interval(secs => $3))",
    [topic, n, ago],
  );
const replayed = (client) => client.frames.filter(isBroadcast).map(({ payload }) => [payload.payload.n, payload.meta?.replayed ?? false]);

test("replay: the newest stored messages come first, then the new ones, each once", async (t) => {
  const service = jwt(env.secret, { role: "service_role" });
  for (let n = 1; n <= 30; n++) await store("past", n, 100 - n);
  await store("past", 0, 7200);
  await store("elsewhere", 99);
  await env.db.query("insert into realtime.messages (topic, extension, event, payload, private) values ('past', 'broadcast', 'e', '{\"n\": 98}', false), ('past', 'presence', 'e', '{\"n\": 97}', true)");
  await env.caughtUp();
  const hourAgo = Date.now() - 3600_000;
  const client = await connect(t, service);
  await join(client, "past", { broadcast: { replay: { since: hourAgo, limit: 3 } } });
  await eventually(() => client.frames.filter(isBroadcast).length === 3, "the stored ones"); // else the next may be one of them
  await env.db.query("select realtime.send('{\"n\": 31}', 'e', 'past')");
  await eventually(() => client.frames.filter(isBroadcast).length === 4, "all");
  assert.deepEqual(replayed(client), [[28, true], [29, true], [30, true], [31, false]]);
  assert.match(client.frames.find(isBroadcast).payload.meta.id, /^[0-9a-f-]{36}$/);

  const most = await connect(t, service, { vsn: "1.0.0" });
  await join(most, "past", { broadcast: { replay: { since: hourAgo, limit: 1000 } } });
  await eventually(() => most.frames.filter(isBroadcast).length === 25, "25 at most");
  const old = await connect(t, service);
  await join(old, "past", { broadcast: { replay: { since: Date.now() + 60000 } } });
  await sleep(300);
  assert.deepEqual(replayed(old), []);
});

test("replay: none is missing and none comes twice while messages are being sent", async (t) => {
  const service = jwt(env.secret, { role: "service_role" });
  const writer = await env.connect();
  let n = 0, writing = true;
  const work = (async () => {
    while (writing) await writer.query("select realtime.send(jsonb_build_object('n', $1::int), 'e', 'busy')", [++n]);
  })();
  for (let round = 0; round < 10; round++) {
    const client = await connect(t, service);
    await join(client, "busy", { broadcast: { replay: { since: Date.now() - 60000, limit: 25 } } });
    await sleep(200);
    const upTo = n;
    await eventually(() => client.frames.some((frame) => isBroadcast(frame) && frame.payload.payload.n >= upTo), "the newest");
    const got = client.frames.filter(isBroadcast).map(({ payload }) => payload.payload.n);
    assert.deepEqual(got, Array.from({ length: got.length }, (_, i) => got[0] + i));
    await client.close();
  }
  writing = false;
  await work;
  await writer.end();
});

test("replay: refused for public channels, for who may not read, and for what makes no sense", async (t) => {
  const reader = await connect(t, users.reader.token);
  const reason = async (config) => (await join(reader, "club", config)).reply.payload.response.reason;
  assert.equal(await reason({ private: false, broadcast: { replay: { since: 0 } } }), "UnableToReplayMessages: Replay is not allowed for public channels");
  assert.equal(await reason({ broadcast: { replay: { since: "yesterday" } } }), "UnableToReplayMessages: Replay params are not valid");
  const watcher = await connect(t, users.watcher.token);
  const { reply } = await join(watcher, "club", { broadcast: { replay: { since: 0 } } });
  assert.deepEqual(reply.payload, refused("club"));
});

test("without the database nobody is let in, and everybody is told in time; then it goes on", async (t) => {
  await env.db.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pgherald topics%'");
  const client = await connect(t, users.reader.token);
  assert.equal((await join(client, "club")).reply.payload.status, "ok");
});
