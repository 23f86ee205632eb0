// The main job: one stream in, four effects out, every part real.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import { Env, eventually, sleep, jwt } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env, receiver;

before(async () => {
  env = await Env.start();
  receiver = await Receiver.start();
});
after(async () => {
  await receiver?.stop();
  await env?.stop();
});

function client(token) {
  return createClient(env.url(), token, {
    accessToken: async () => token,
    realtime: { transport: WebSocket, params: { apikey: token } },
  });
}

// Subscribes to all changes of memories, and resolves once the server says so.
async function subscribe(token, sink) {
  const supabase = client(token);
  await new Promise((done, fail) => {
    supabase
      .channel("memories")
      .on("postgres_changes", { event: "*", schema: "public", table: "memories" }, (payload) => sink.push(payload))
      .subscribe((status, error) => {
        if (status === "SUBSCRIBED") done();
        else if (status !== "CLOSED") fail(error ?? new Error(status));
      });
  });
  return supabase;
}

test("insert, update and delete reach audit trail, notification, webhook and browser", async (t) => {
  const owner = await env.user();
  const stranger = await env.user();
  await env.db.query(
    `insert into public.notification_rules (name, table_name, events, condition, recipient, type, priority, title, message, data, dedupe_key, expires_in)
     values ('long memory', 'memories', '{insert,update}', 'title=like.Important%', 'user_id', 'memory', 'high',
             'Kept: {{new.title}}', '{{table}} {{event}}', '{"title": "{{new.title}}"}', 'memory-{{new.id}}', '7 days')`,
  );
  const hook = await env.row(
    "insert into public.webhooks (name, url, events) values ('all memories', $1, '{memories.*}') returning id, secret",
    [receiver.url()],
  );
  await env.caughtUp();

  const seen = [];
  const strange = [];
  const mine = await subscribe(owner.token, seen);
  const theirs = await subscribe(stranger.token, strange);
  t.after(() => [mine, theirs].map((supabase) => supabase.realtime.disconnect()));

  const { id } = await env.row(
    "insert into public.memories (user_id, title, content) values ($1, 'Important \"thing\" é', 'first') returning id",
    [owner.id],
  );
  await env.db.query("update public.memories set content = 'second' where id = $1", [id]);
  await env.db.query("delete from public.memories where id = $1", [id]);
  await env.caughtUp();

  // audit: before and after
  const audit = await env.rows(
    "select * from public.audit_logs where resource_type = 'public.memories' and resource_id = $1 order by audit_logs.id",
    [id],
  );
  assert.deepEqual(audit.map((row) => row.action), ["insert", "update", "delete"]);
  assert.equal(audit[0].old_values, null);
  assert.equal(audit[0].new_values.content, "first");
  assert.equal(audit[1].old_values.content, "first");
  assert.equal(audit[1].new_values.content, "second");
  assert.ok(audit[1].changed_fields.includes("content"));
  assert.ok(!audit[1].changed_fields.includes("title"));
  assert.equal(audit[2].old_values.content, "second");
  assert.equal(audit[2].new_values, null);

  // notification: once, although both events match, since the dedupe key says so
  const told = await env.rows("select * from public.notifications where user_id = $1", [owner.id]);
  assert.equal(told.length, 1);
  assert.equal(told[0].title, 'Kept: Important "thing" é');
  assert.equal(told[0].priority, "high");
  assert.equal(told[0].message, "memories memories.insert");
  assert.ok(Math.abs(Date.parse(told[0].expires_at) - Date.now() - 7 * 86400000) < 60000, "it expires in a week");
  assert.deepEqual(told[0].data, { title: 'Important "thing" é' });

  // webhook: signed, in the body's shape, recorded as delivered
  await eventually(() => receiver.requests.length >= 3, "three webhook calls");
  for (const request of receiver.requests) Receiver.verify(hook.secret, request);
  const bodies = Object.fromEntries(receiver.requests.map(({ body }) => [body.type, body]));
  assert.deepEqual(Object.keys(bodies).sort(), ["memories.delete", "memories.insert", "memories.update"]);
  const { data } = bodies["memories.update"];
  assert.deepEqual(
    { schema: data.schema, table: data.table, operation: data.operation, before: data.old_record.content, after: data.record.content },
    { schema: "public", table: "memories", operation: "update", before: "first", after: "second" },
  );
  assert.equal(data.commit_lsn, audit[1].commit_lsn);
  assert.equal(String(data.ordinal), String(audit[1].ordinal));
  await eventually(
    async () => (await env.row("select count(*)::int as n from public.webhook_deliveries where webhook_id = $1 and status = 'delivered'", [hook.id])).n === 3,
    "three deliveries recorded",
  );
  const attempts = await env.rows("select a.* from public.webhook_attempts a join public.webhook_deliveries d on d.id = a.delivery_id where d.webhook_id = $1", [hook.id]);
  assert.deepEqual(attempts.map((a) => [a.attempt, a.status_code]), [[1, 200], [1, 200], [1, 200]]);

  // realtime: the owner sees all three, in order; the stranger nothing
  await eventually(() => seen.length >= 3, "three realtime messages");
  assert.deepEqual(seen.map((payload) => payload.eventType), ["INSERT", "UPDATE", "DELETE"]);
  assert.equal(seen[0].new.content, "first");
  assert.equal(seen[1].new.content, "second");
  assert.equal(seen[1].old.content, "first");
  assert.equal(seen[2].old.id, id);
  await sleep(300);
  assert.deepEqual(strange, []);
});

test("no token, a forged one or an expired one: no connection", async () => {
  const refused = async (apikey) => {
    const socket = new WebSocket(`ws://127.0.0.1:${env.port}/realtime/v1/websocket?vsn=2.0.0${apikey ? `&apikey=${apikey}` : ""}`);
    return new Promise((done) => {
      socket.once("open", () => done("open"));
      socket.once("unexpected-response", (_, response) => done(response.statusCode));
      socket.once("error", (error) => done(error.message));
    });
  };
  assert.equal(await refused(""), 401);
  assert.equal(await refused(jwt("another secret of enough bytes....", { role: "authenticated" })), 401);
  assert.equal(await refused(jwt(env.secret, { role: "authenticated", exp: Math.floor(Date.now() / 1000) - 10 })), 401);
});
