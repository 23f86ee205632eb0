// What the body of a webhook looks like: its shape, and the columns in it.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Env, eventually } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env, owner;

before(async () => {
  env = await Env.start();
  owner = await env.user();
});
after(() => env?.stop());

async function endpoint(t, columns) {
  const receiver = await Receiver.start();
  const all = { name: "shape", url: receiver.url(), events: "{memories.*}", ...columns };
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
  return { ...hook, requests: receiver.requests, receiver };
}

const insert = (title, content = "c") => env.row("insert into public.memories (user_id, title, content) values ($1, $2, $3) returning *", [owner.id, title, content]);
const arrived = (hooks, n) => eventually(() => hooks.every(({ requests }) => requests.length >= n), `${n} calls each`);
// No order is promised.
const of = (hook, test) => hook.requests.find(({ body }) => test(body));

test("each endpoint gets the shape and the columns it chose, all of them signed", async (t) => {
  const hooks = {
    standard: await endpoint(t, {}),
    supabase: await endpoint(t, { payload_format: "supabase" }),
    events: await endpoint(t, { payload_format: "cloudevents" }),
    alike: await endpoint(t, { payload_format: "cloudevents" }),
    few: await endpoint(t, { columns: "{title,importance,no_such}" }),
    fewer: await endpoint(t, { payload_format: "supabase", columns: "{title}" }),
  };
  const row = await insert("first");
  await env.db.query("update public.memories set title = 'second' where id = $1", [row.id]);
  await env.db.query("delete from public.memories where id = $1", [row.id]);
  await arrived(Object.values(hooks), 3);
  for (const hook of Object.values(hooks)) for (const request of hook.requests) Receiver.verify(hook.secret, request);

  const inserted = of(hooks.supabase, ({ type }) => type === "INSERT").body;
  assert.deepEqual(Object.keys(inserted), ["type", "table", "schema", "record", "old_record"]);
  assert.equal(inserted.table, "memories");
  assert.equal(inserted.schema, "public");
  assert.equal(inserted.record.title, "first");
  assert.equal(inserted.old_record, null);
  const updated = of(hooks.supabase, ({ type }) => type === "UPDATE").body;
  assert.deepEqual([updated.record.title, updated.old_record.title], ["second", "first"]);
  const deleted = of(hooks.supabase, ({ type }) => type === "DELETE").body;
  assert.deepEqual([deleted.record, deleted.old_record.title], [null, "second"]);
  assert.match(hooks.supabase.requests[0].headers["content-type"], /^application\/json/);

  for (const hook of [hooks.events, hooks.alike]) {
    const request = of(hook, ({ type }) => type === "memories.update");
    const { specversion, id, source, type, time, subject, datacontenttype, data, ...more } = request.body;
    assert.deepEqual(more, {});
    assert.deepEqual(
      { specversion, id, source, type, subject, datacontenttype },
      { specversion: "1.0", id: request.id, source: `/${env.name}/public/memories`, type: "memories.update", subject: row.id, datacontenttype: "application/json" },
    );
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60000);
    assert.match(request.headers["content-type"], /^application\/cloudevents\+json/);
    assert.deepEqual(data, of(hooks.standard, (body) => body.type === "memories.update").body.data);
  }
  assert.notEqual(hooks.events.requests[0].id, hooks.alike.requests[0].id);

  const few = of(hooks.few, ({ type }) => type === "memories.update").body.data;
  assert.deepEqual(Object.keys(few.record).sort(), ["importance", "title"]);
  assert.deepEqual(Object.keys(few.old_record).sort(), ["importance", "title"]);
  assert.deepEqual(of(hooks.fewer, ({ type }) => type === "INSERT").body, { type: "INSERT", table: "memories", schema: "public", record: { title: "first" }, old_record: null });
});

test("a row too large is named by its key in every shape, and told to who left the large column out", async (t) => {
  const hooks = {
    supabase: await endpoint(t, { payload_format: "supabase" }),
    events: await endpoint(t, { payload_format: "cloudevents" }),
    few: await endpoint(t, { columns: "{id,title}" }),
  };
  const { id } = await insert("large", "x".repeat(2_000_000));
  await arrived(Object.values(hooks), 1);
  const left = { record: null, old_record: null, error: "payload too large", key: id };
  assert.deepEqual(hooks.supabase.requests[0].body, { type: "INSERT", table: "memories", schema: "public", ...left });
  const { record, old_record, error, key } = hooks.events.requests[0].body.data;
  assert.deepEqual({ record, old_record, error, key }, left);
  assert.deepEqual(hooks.few.requests[0].body.data.record, { id, title: "large" });
});

test("another shape holds from the next change on, also after a restart", async (t) => {
  const hook = await endpoint(t, {});
  await insert("one");
  await arrived([hook], 1);
  await env.db.query("update public.webhooks set payload_format = 'cloudevents' where id = $1", [hook.id]);
  await insert("two");
  await arrived([hook], 2);
  assert.deepEqual(hook.requests.map(({ headers }) => headers["content-type"]), ["application/json", "application/cloudevents+json"]);
  assert.equal(hook.requests[1].body.specversion, "1.0");
  await env.kill("SIGTERM");
  await env.run();
  await insert("three");
  await arrived([hook], 3);
  assert.equal(hook.requests[2].body.specversion, "1.0", "also after a restart");
});
