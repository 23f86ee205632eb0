// Messages from SQL: realtime.send() and realtime.broadcast_changes(), by the stream that carries the rows.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Env, eventually, jwt, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase } from "./clients.mjs";

let env, token, service;

before(async () => {
  env = await Env.start({
    seed: false,
    before: (e) => e.db.query("create table public.notes (id int primary key, body text)"),
  });
  token = jwt(env.secret, { role: "authenticated", sub: "00000000-0000-0000-0000-000000000001" });
  service = jwt(env.secret, { role: "service_role" });
  await env.db.query(`
    grant select on public.notes to authenticated;
    create policy listen on realtime.messages for select to authenticated using (realtime.topic() like 'room%');
    create function public.tell() returns trigger security definer language plpgsql as $$
    begin
      perform realtime.broadcast_changes('room notes', tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
      return null;
    end $$;
    create trigger tell after insert or update or delete on public.notes for each row execute function public.tell();
  `);
});
after(() => env?.stop());

async function connect(t, options) {
  const phoenix = await Phoenix.connect(env, token, options);
  t.after(() => phoenix.close());
  return phoenix;
}

const quiet = { presence: { enabled: false } };
async function listen(t, topic, config = {}, bindings = [], options) {
  const client = await connect(t, options);
  const { reply } = await client.join(`realtime:${topic}`, bindings, { config: { ...quiet, private: true, postgres_changes: bindings, ...config } });
  assert.deepEqual(reply.payload.status, "ok", JSON.stringify(reply));
  return client;
}
const send = (payload, event, topic, isPrivate = true) =>
  env.db.query("select realtime.send($1, $2, $3, $4)", [JSON.stringify(payload), event, topic, isPrivate]);
const broadcast = (client, ms) => client.frame(({ event }) => event === "broadcast", "a broadcast", ms);
const none = async (client) => {
  await env.caughtUp();
  await sleep(200);
  assert.deepEqual(client.frames.filter(({ event }) => event === "broadcast"), []);
};

for (const age of ages) {
  test(`supabase-js of ${age}: send() and broadcast_changes() arrive`, async (t) => {
    const client = supabase(env, token, age);
    t.after(() => client.removeAllChannels());
    await client.realtime.setAuth(token);
    const heard = [];
    const changes = client.channel("room notes", { config: { private: true } });
    changes.on("broadcast", { event: "*" }, (message) => heard.push(message));
    const room = client.channel("room 1", { config: { private: true } });
    room.on("broadcast", { event: "said" }, (message) => heard.push(message));
    await subscribed(changes);
    await subscribed(room);
    await env.db.query("delete from public.notes where id = 1");
    await env.caughtUp();
    heard.length = 0;

    await send({ text: "hi", n: 12345678901234567890n.toString() }, "said", "room 1");
    await eventually(() => heard.length === 1, "the message");
    assert.equal(heard[0].event, "said");
    assert.equal(heard[0].type, "broadcast");
    const { id, ...payload } = heard[0].payload;
    assert.deepEqual(payload, { text: "hi", n: "12345678901234567890" });
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.equal(heard[0].meta?.id, id);

    await env.db.query("insert into public.notes values (1, 'a')");
    await env.db.query("update public.notes set body = 'b' where id = 1");
    await env.db.query("delete from public.notes where id = 1");
    await eventually(() => heard.length === 4, "three changes");
    assert.deepEqual(
      heard.slice(1).map(({ event, payload: { id: _, ...rest } }) => [event, rest]),
      [
        ["INSERT", { schema: "public", table: "notes", operation: "INSERT", record: { id: 1, body: "a" }, old_record: null }],
        ["UPDATE", { schema: "public", table: "notes", operation: "UPDATE", record: { id: 1, body: "b" }, old_record: { id: 1, body: "a" } }],
        ["DELETE", { schema: "public", table: "notes", operation: "DELETE", record: null, old_record: { id: 1, body: "b" } }],
      ],
    );
  });
}

test("messages and rows of a transaction keep their order, and nothing of one that is rolled back is sent", async (t) => {
  const client = await listen(t, "room notes", {}, [{ event: "*", schema: "public", table: "notes" }]);
  await env.db.query("begin; insert into public.notes values (2, 'never'); rollback");
  await env.db.query(`begin;
    insert into public.notes values (3, 'x'); select realtime.send('{"n": 1}', 'between', 'room notes');
    update public.notes set body = 'y' where id = 3; savepoint s; delete from public.notes where id = 3; rollback to s;
    select realtime.send('{"n": 2}', 'last', 'room notes'); commit`);
  const told = [];
  for (let i = 0; i < 6; i++) {
    const { event, payload } = await client.frame((frame) => ["broadcast", "postgres_changes"].includes(frame.event), "the next");
    told.push(event === "broadcast" ? `b ${payload.event}` : `r ${payload.data.type}`);
  }
  assert.deepEqual(told, ["r INSERT", "b INSERT", "b between", "r UPDATE", "b UPDATE", "b last"]);
  await none(client);
});

test("messages that come while rows are judged wait for them, and ask nothing of their own", async (t) => {
  const client = await listen(t, "room notes", {}, [{ event: "*", schema: "public", table: "notes" }]);
  const rounds = Array.from({ length: 100 }, (_, i) => i);
  await Promise.all(rounds.flatMap((i) => [env.db.query("insert into public.notes values ($1, 'x')", [100 + i]), send({ i }, "after", "room notes"), send({ i }, "and", "room notes")]));
  const told = [];
  while (told.length < 4 * rounds.length) {
    const { event, payload } = await client.frame((frame) => ["broadcast", "postgres_changes"].includes(frame.event), "the next");
    told.push(event === "broadcast" ? payload.event : payload.data.record.id);
  }
  assert.deepEqual(told, rounds.flatMap((i) => [100 + i, "INSERT", "after", "and"]));
  assert.doesNotMatch(env.logText(), /cannot learn the policies/);
});

test("public and private channels of a name are two", async (t) => {
  const mine = await listen(t, "room 2");
  const open = await listen(t, "room 2", { private: false });
  await send({ n: 1 }, "secret", "room 2");
  await send({ n: 2 }, "open", "room 2", false);
  assert.equal((await broadcast(mine)).payload.event, "secret");
  assert.equal((await broadcast(open)).payload.event, "open");
  for (const client of [mine, open]) await none(client);
});

test("10,000 messages of one transaction arrive, in order", async (t) => {
  const client = await listen(t, "room 3");
  await env.db.query("select count(realtime.send(jsonb_build_object('n', n), 'e', 'room 3')) from generate_series(1, 10000) as n");
  await eventually(() => client.frames.filter(({ event }) => event === "broadcast").length === 10000, "all", 60000);
  assert.deepEqual(client.frames.filter(({ event }) => event === "broadcast").map(({ payload }) => payload.payload.n), Array.from({ length: 10000 }, (_, n) => n + 1));
});

test("bytes go to those who speak 2.0.0", async (t) => {
  const client = await connect(t);
  const got = new Promise((done) => client.socket.on("message", (data, binary) => binary && done(data)));
  client.read = () => ({});
  client.push("realtime:room 4", "phx_join", { config: { ...quiet, private: true } });
  await eventually(async () => (await env.stats()).rooms >= 1, "the join");
  await env.db.query("select realtime.send_binary('\\x00ff41', 'e', 'room 4')");
  const data = await got;
  const [kind, topic, event, meta, encoding] = data.subarray(0, 5);
  assert.deepEqual([kind, encoding], [4, 0]);
  assert.equal(data.subarray(5, 5 + topic + event).toString(), "realtime:room 4e");
  assert.match(data.subarray(5 + topic + event, 5 + topic + event + meta).toString(), /^\{"id":"[0-9a-f-]{36}"\}$/);
  assert.deepEqual([...data.subarray(5 + topic + event + meta)], [0, 0xff, 0x41]);
});

test("messages are nothing to the audit trail, to rules and to webhooks, unless they are asked for", async () => {
  await env.db.query("insert into public.webhooks (name, url, events) values ('all', 'http://127.0.0.1:1/', '{*}')");
  await env.db.query("create table public.seen (id int primary key)");
  await env.caughtUp();
  const count = async (where) => Number((await env.row(`select count(*) as n from public.audit_logs where resource_type ${where}`)).n);
  await send({}, "e", "room 5");
  await env.db.query("insert into public.seen values (1)");
  await env.caughtUp();
  assert.equal(await count("like 'realtime%'"), 0);
  assert.equal(await count("= 'public.seen'"), 1);
  assert.equal(Number((await env.row("select count(*) as n from public.webhook_deliveries where event_type like 'realtime%'")).n), 0);
  await env.db.query("insert into pgherald.audit_policies (table_name) values ('realtime.messages')");
  await env.caughtUp();
  await send({}, "e", "room 5");
  await env.caughtUp();
  assert.equal(await count("= 'realtime.messages'"), 1);
  await env.db.query("delete from pgherald.audit_policies where table_name = 'realtime.messages'");
});

test("what cannot be sent is counted and said, and stops nothing", async (t) => {
  const client = await listen(t, "room 6");
  const { messages_rejected_total: before } = await env.stats();
  await env.db.query("insert into realtime.messages (topic, extension, event, payload, private) values ('room 6', 'broadcast', null, '{}', true), ('room 6', 'presence', 'e', '{}', true), ('room 6', 'broadcast', 'e', null, true)");
  await send({}, "fine", "room 6");
  assert.equal((await broadcast(client)).payload.event, "fine");
  assert.equal((await env.stats()).messages_rejected_total, before + 3);
  await none(client);
});

test("partitions are the table", async (t) => {
  await env.db.query(`
    create table realtime.messages_2026_08_01 (like realtime.messages including defaults, primary key (id, inserted_at));
    insert into realtime.messages_2026_08_01 (topic, extension, event, payload, private) values ('room 7', 'broadcast', 'e', '{}', true)`);
  await env.caughtUp();
  const client = await listen(t, "room 7");
  await env.db.query("insert into realtime.messages_2026_08_01 (topic, extension, event, payload, private) values ('room 7', 'broadcast', 'seen', '{}', true)");
  assert.equal((await broadcast(client)).payload.event, "seen");
});

test("doctor says what is missing for private channels and messages from SQL", async () => {
  const doctor = async () => (await env.command("doctor")).stdout;
  assert.match(await doctor(), /^ok +realtime +private channels and messages from SQL are possible/m);
  await env.db.query("create schema elsewhere; create table elsewhere.t (id int primary key); create publication supabase_realtime for table elsewhere.t, public.notes where (id > 0)");
  await env.db.query("alter table realtime.messages rename to messages_kept; create table realtime.messages (like realtime.messages_kept) partition by range (inserted_at)");
  const day = (offset) => new Date(Date.now() + offset * 86400_000).toISOString().slice(0, 10);
  await env.db.query(`create table realtime.messages_today partition of realtime.messages for values from ('${day(0)}') to ('${day(1)}')`);
  const sick = await doctor();
  assert.match(sick, new RegExp(`warn +realtime +realtime.messages has no partition for ${day(1)} `));
  assert.doesNotMatch(sick, new RegExp(`no partition for ${day(0)} `));
  assert.match(sick, /publication supabase_realtime has tables of schema elsewhere, which is not followed/);
  assert.match(sick, /public.notifications is not in publication supabase_realtime/);
  assert.match(sick, /the row filter of public.notes in publication supabase_realtime is not applied/);
  await env.db.query("create table realtime.messages_rest partition of realtime.messages default; drop publication supabase_realtime");
  assert.match(await doctor(), /^ok +realtime /m);
  await env.db.query("drop table realtime.messages");
  assert.match(await doctor(), /there is no table realtime.messages/);
});
