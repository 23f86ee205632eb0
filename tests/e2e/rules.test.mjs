// Rules are rows of tables: they take effect at the commit that made them, and survive a restart as
// they were at the checkpoint.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Env, eventually, sleep } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env, receiver;

before(async () => {
  env = await Env.start();
  receiver = await Receiver.start();
  await env.db.query("create schema app");
});
after(async () => {
  await receiver?.stop();
  await env?.stop();
});

const audit = (resource) => env.rows("select * from public.audit_logs where resource_type = $1 order by id", [resource]);
const insertMemory = async (owner, title, content = "c") =>
  (await env.row("insert into public.memories (user_id, title, content) values ($1, $2, $3) returning id", [owner.id, title, content])).id;

test("a webhook is called from the transaction after its own, not while it is paused, and not after it is gone", async () => {
  const owner = await env.user();
  const titles = () => receiver.requests.map(({ body }) => body.data.record.title);
  const called = (title) => eventually(() => titles().includes(title), `the call for ${title}`);
  await insertMemory(owner, "before");
  await env.db.query("begin");
  const { id } = await env.row("insert into public.webhooks (name, url, events) values ('live', $1, '{memories.insert}') returning id", [receiver.url("/live")]);
  await insertMemory(owner, "in its own transaction");
  await env.db.query("commit");
  await insertMemory(owner, "next");
  await called("next");
  await env.db.query("update public.webhooks set is_active = false where id = $1", [id]);
  await insertMemory(owner, "paused");
  await env.db.query("update public.webhooks set is_active = true where id = $1", [id]);
  await insertMemory(owner, "again");
  await called("again");
  await env.db.query("delete from public.webhooks where id = $1", [id]);
  await insertMemory(owner, "after");
  await env.caughtUp();
  await sleep(200);
  assert.deepEqual(titles(), ["next", "again"]);
  const { n } = await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.webhooks'");
  assert.equal(n, 4, "changes of rules are audited too");
});

test("filters choose rows; a user's webhook gets only that user's rows", async () => {
  const [ann, bob] = [await env.user(), await env.user()];
  const mine = await Receiver.start();
  const some = await Receiver.start();
  await env.db.query("insert into public.webhooks (user_id, name, url, events) values ($1, 'ann', $2, '{*}')", [ann.id, mine.url()]);
  await env.db.query("insert into public.webhooks (name, url, events, filter) values ('some', $1, '{memories.*}', 'title=like.yes%')", [some.url()]);
  await insertMemory(ann, "yes ann");
  await insertMemory(bob, "no bob");
  await insertMemory(bob, "yes bob");
  await env.caughtUp();
  await eventually(() => some.requests.length >= 2 && mine.requests.length >= 1, "calls");
  await env.db.query("delete from public.webhooks");
  await env.caughtUp();
  assert.deepEqual(some.requests.map(({ body }) => body.data.record.title).sort(), ["yes ann", "yes bob"]);
  const owners = new Set(mine.requests.map(({ body }) => (body.data.record ?? body.data.old_record).user_id));
  assert.deepEqual([...owners], [ann.id]);
  await mine.stop();
  await some.stop();
});

test("secrets never reach the audit trail or a webhook's body", async () => {
  const hooks = await Receiver.start();
  await env.db.query("insert into public.webhooks (name, url, events) values ('vault', $1, '{webhooks.*}')", [hooks.url()]);
  await env.db.query("create table public.vault (id int primary key, access_token text, password_hash text, tokens_used int, note text)");
  await env.db.query("insert into public.webhooks (name, url, events) values ('vault too', $1, '{vault.*,webhooks.insert}')", [hooks.url()]);
  await env.db.query("insert into public.vault values (1, 'tok-123', 'hash-123', 7, 'plain'), (2, null, null, null, null)");
  await env.caughtUp();
  const [first, second] = await audit("public.vault");
  assert.deepEqual(first.new_values, { id: 1, access_token: "[redacted]", password_hash: "[redacted]", tokens_used: 7, note: "plain" });
  assert.equal(second.new_values.access_token, null);
  await eventually(() => hooks.requests.length >= 3, "calls");
  const everything = JSON.stringify([await audit("public.webhooks"), hooks.requests.map(({ text }) => text), env.logText()]);
  assert.ok(!everything.includes("whsec_") && !everything.includes("tok-123") && !everything.includes("hash-123"));
  await env.db.query("delete from public.webhooks");
  await hooks.stop();
});

test("audit policies switch a table off, ignore and redact columns, from their commit on", async () => {
  await env.db.query("create table public.policed (id int primary key, a text, b text)");
  await env.db.query("insert into public.policed values (1, 'a', 'b')");
  await env.db.query("insert into pgherald.audit_policies (table_name, redact, ignore) values ('public.policed', '{a}', '{b}')");
  await env.db.query("insert into public.policed values (2, 'a', 'b')");
  await env.db.query("update pgherald.audit_policies set is_enabled = false where table_name = 'public.policed'");
  await env.db.query("insert into public.policed values (3, 'a', 'b')");
  await env.db.query("delete from pgherald.audit_policies where table_name = 'public.policed'");
  await env.db.query("insert into public.policed values (4, 'a', 'b')");
  await env.caughtUp();
  assert.deepEqual((await audit("public.policed")).map((row) => row.new_values), [
    { id: 1, a: "a", b: "b" },
    { id: 2, a: "[redacted]" },
    { id: 4, a: "a", b: "b" },
  ]);
  assert.deepEqual((await audit("pgherald.audit_policies")).map((row) => row.action), ["insert", "update", "delete"]);
});

test("keys: text, a JSON array when composite, none without a primary key; TRUNCATE is an entry", async () => {
  await env.db.query("create table public.pair (a int, b text, v int, primary key (a, b))");
  await env.db.query("create table public.keyless (v int)");
  await env.db.query("insert into public.pair values (1, 'x\"y', 1)");
  await env.db.query("insert into public.keyless values (1)");
  await env.db.query("truncate public.pair, public.keyless");
  await env.caughtUp();
  assert.deepEqual((await audit("public.pair")).map((row) => [row.action, row.resource_id]), [["insert", '[1,"x\\"y"]'], ["truncate", null]]);
  assert.deepEqual((await audit("public.keyless")).map((row) => [row.action, row.resource_id]), [["insert", null], ["truncate", null]]);
});

test("a key that is longer than an index takes is no resource_id, and stops nothing", async () => {
  const noise = (length) => randomBytes(length).toString("base64").slice(0, length);
  await env.db.query("create table public.longkey (id text primary key)");
  const keys = [noise(2048), noise(2049), noise(2680)];
  for (const key of keys) await env.db.query("insert into public.longkey values ($1)", [key]);
  await env.caughtUp();
  const rows = await audit("public.longkey");
  assert.deepEqual(rows.map((row) => row.resource_id), [keys[0], null, null]);
  assert.deepEqual(rows.map((row) => row.new_values.id), keys);
});

test("a rule that cannot be understood is said, and stops nothing else", async () => {
  const owner = await env.user();
  await env.db.query("insert into public.notification_rules (name, table_name, condition, recipient, title) values ('broken', 'memories', 'title=zz.1', 'user_id', 't')");
  await env.db.query("insert into public.notification_rules (name, table_name, recipient, title) values ('no user', 'memories', 'title', 't')");
  await env.db.query("insert into public.notification_rules (name, table_name, events, recipient, title) values ('works', 'memories', '{insert}', 'user_id', 'new: {{new.title}} at {{commit_lsn}}')");
  await insertMemory(owner, "hello");
  await env.caughtUp();
  const told = await env.rows("select title, rule_id from public.notifications where user_id = $1", [owner.id]);
  const { commit_lsn } = (await audit("public.memories")).at(-1);
  assert.deepEqual(told.map(({ title }) => title), [`new: hello at ${commit_lsn}`]);
  assert.match(env.logText(), /condition/);
  assert.match(env.logText(), /recipient column holds no uuid/);
  // our own notification is not audited, nor does it make another one
  assert.deepEqual(await audit("public.notifications"), []);
  // one that the application writes is
  await env.db.query("insert into public.notifications (user_id, title) values ($1, 'by hand')", [owner.id]);
  await env.caughtUp();
  assert.equal((await audit("public.notifications")).length, 1);
});

test("after a restart a change is judged by the rules of its own time", async () => {
  const owner = await env.user();
  await env.db.query("insert into public.notification_rules (name, table_name, events, recipient, title) values ('old', 'chat_sessions', '{insert}', 'user_id', 'old rule')");
  await env.caughtUp();
  await env.kill("SIGKILL");
  await env.db.query("insert into public.chat_sessions (user_id, title) values ($1, 'while it was down')", [owner.id]);
  await env.db.query("delete from public.notification_rules where name = 'old'");
  await env.db.query("insert into public.notification_rules (name, table_name, events, recipient, title) values ('new', 'chat_sessions', '{insert}', 'user_id', 'new rule')");
  await env.db.query("insert into public.chat_sessions (user_id, title) values ($1, 'later')", [owner.id]);
  await env.run();
  await env.caughtUp();
  const told = await env.rows("select title from public.notifications where user_id = $1 and title like '% rule' order by created_at, title", [owner.id]);
  assert.deepEqual(told.map(({ title }) => title).sort(), ["new rule", "old rule"]);
});
