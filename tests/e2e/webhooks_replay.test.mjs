// pgherald webhooks replay: deliveries out of the audit trail are those that the stream made.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Env, eventually, plugin } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env, owner;

before(async () => {
  env = await Env.start();
  owner = await env.user();
});
after(() => env?.stop());

// An endpoint that nobody has to answer for: its deliveries are looked at in the outbox. The port is
// closed, so they stay pending.
let names = 0;
async function endpoint(t, columns = {}) {
  const all = { name: `hook ${++names}`, url: "http://127.0.0.1:9/", ...columns };
  const keys = Object.keys(all);
  const hook = await env.row(
    `insert into public.webhooks (${keys.join(", ")}) values (${keys.map((_, i) => `$${i + 1}`).join(", ")}) returning id, name`,
    Object.values(all),
  );
  t.after(async () => {
    await env.db.query("delete from public.webhooks where id = $1", [hook.id]);
    await env.caughtUp();
  });
  return hook;
}

const deliveries = (hook) =>
  env.rows("select id, message_id, event_type, payload::text as payload, status, origin, row_key from public.webhook_deliveries where webhook_id = $1 order by id", [hook.id]);

async function replay(hook, ...args) {
  const { code, stdout, stderr } = await env.command("webhooks", "replay", "--endpoint", hook.id, "--since", "1h", ...args, "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

// What stands before the end of the webhook's own id.
const place = ({ message_id }) => message_id.replace(/_[^_]*$/, "");
const own = (hook, { message_id }) => message_id.endsWith(`_${hook.id.slice(-8)}`);

// Every pair of rows byte for byte, so that a failure shows the first that differs.
async function assertSame(live, replayed) {
  const [a, b] = [await deliveries(live), await deliveries(replayed)];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    assert.equal(b[i].payload.replace(b[i].message_id, a[i].message_id), a[i].payload); // CloudEvents have it
    assert.equal(b[i].event_type, a[i].event_type);
    assert.equal(place(b[i]), place(a[i]));
    assert.deepEqual([a[i].origin, b[i].origin], ["change", "replay"]);
    assert.equal(b[i].row_key, a[i].row_key);
    assert.ok(own(replayed, b[i]) && own(live, a[i]));
  }
  assert.equal(b.length, a.length);
  return a.length;
}

test("a table of all types comes back byte for byte", async (t) => {
  await env.db.query(`
    create type mood as enum ('sad', 'so "so"', 'happy');
    create type pair as (a int, b text);
    create type nest as (pair pair, list int[], at timestamptz);
    create domain price as numeric(12,3);
    create table "Odd ""table""" (
      "Id" bigint, "the key" text, n2 smallint, num numeric, big numeric(40,10), f4 real, f8 double precision, b boolean, t text,
      c char(5), j json, jb jsonb, bytes bytea, d date, ts timestamp, tz timestamptz, ti time, iv interval, u uuid,
      o oid, m mood, ia int[], ta text[], na numeric[], fa float8[], ba boolean[], jba jsonb[], tza timestamptz[], bya bytea[], i2 int[][],
      p pair, pa pair[], ne nest, pr price, money_ money, net inet, r int4range, bx box, bxa box[], x xml, bits bit(5), "quo""ted \\ 名" text,
      primary key ("the key", "Id"));
    alter table "Odd ""table""" replica identity full;
    create table plain (id int primary key, v text, big text);`);
  await env.init(["--with-seed-app"]);
  const live = await endpoint(t, { events: '{"Odd*","plain.*"}' });
  const nulls = `insert into "Odd ""table""" ("Id", "the key") values`;
  await env.db.query(`${nulls} (1, ''), (2, E'tab\\t"quoted" \\\\ \\u00e9\\u0001 / </script>')`);
  const insert = (id, values) => env.db.query(`insert into "Odd ""table""" ("Id", "the key", ${Object.keys(values).join(", ")}) values (${id}, 'k', ${Object.values(values).join(", ")})`);
  await insert(10, { n2: "-32768", num: "12345678901234567890.1234567890", big: "1.5", f4: "1.5e-7", f8: "1e300", b: "true", t: "E'a\\nb'", c: "'ab'" });
  await insert(11, { num: "'NaN'", f4: "1000000", f8: "123456789012345680", b: "false", t: "''" });
  await insert(12, { num: "1.500", f4: "3.4028235e38", f8: "0.00001234" });
  await insert(13, { num: "1e20", f4: "999999", f8: "999999999999999" });
  await insert(14, { num: "-0.0001", f4: "0.0001", f8: "1e15" });
  await insert(15, { f4: "'-Infinity'", f8: "5e-324" });
  await insert(16, { f8: "1.7976931348623157e308", f4: "1.4e-45" });
  await insert(17, { f8: "0.1", f4: "0.00001", num: "0" });
  await insert(18, { f8: "-123456.789e-12", f4: "16777216", num: "100" });
  await insert(20, { j: `'{"a": 1}'`, jb: `'{"long key": [1, 2.50, "x\\n", null, true, {"b": {}}], "a": 1e5, "": []}'` });
  await insert(21, { jb: "'\"text\"'", j: "'[]'" });
  await insert(22, { jb: "'7.10'", j: "'\"s\"'" });
  await insert(23, { jb: "'[]'" });
  await insert(30, { bytes: "'\\x00ff5c22'", d: "'2026-11-23'", ts: "'2026-11-23 03:48:41.036208'", tz: "'2026-11-23 03:48:41.5+02'", ti: "'23:59:59.5'", iv: "'1 year 2 days 03:00:00'" });
  await insert(31, { bytes: "''", d: "'infinity'", ts: "'infinity'", tz: "'-infinity'" });
  await insert(32, { d: "'0044-03-15 BC'", ts: "'0044-03-15 12:00:00 BC'", tz: "'0044-03-15 12:00:00+00 BC'" });
  await insert(33, { ts: "'10000-01-01 00:00:00'", tz: "'1900-01-01 00:00:00+00'" });
  await insert(40, { u: "'00000000-0000-0000-0000-00000000000a'", o: "4294967295", m: `'so "so"'`, money_: "12.34", net: "'10.0.0.0/8'", r: "'[1,5)'", bx: "'((1,2),(3,4))'", bits: "B'10101'", x: "'<a b=\"c\">d</a>'", pr: "1.5" });
  await insert(50, { ia: "'{}'", ta: `array['', 'NULL', null, 'a b', 'a"b', 'a\\b', '{}', 'a,b', E'\\n', 'é']`, na: "'{1.50,NaN,null}'", fa: "'{1e300,0.1,1e-7,Infinity}'", ba: "'{t,f,null}'" });
  await insert(51, { jba: `array['{"a": [1, "b"]}', 'null', '"x"', '[]']::jsonb[]`, tza: "array['2026-11-23 03:48:41+00', 'infinity', null]::timestamptz[]", bya: "array['\\x00ff', '']::bytea[]", i2: "'{{1,2},{3,null}}'" });
  await insert(52, { p: "row(1, 'x')", pa: `array[row(null, null), row(2, 'a "b", (c) \\ d')]::pair[]`, ne: "row(row(1, ''), '{1,2}', '2026-11-23 03:48:41+00')", bxa: "'{(1,2),(3,4);(5,6),(7,8)}'" });
  await insert(53, { '"quo""ted \\ 名"': "'ü'" });
  await env.db.query(`update "Odd ""table""" set t = 'changed', "Id" = "Id" + 100 where "Id" in (10, 20, 51)`);
  await env.db.query(`delete from "Odd ""table""" where "Id" in (1, 30, 50, 152)`);
  await env.db.query("insert into plain values (1, 'a', repeat('x', 10)), (2, 'b', null); update plain set v = 'c' where id = 1; update plain set id = 3 where id = 2; delete from plain where id = 1");
  await env.caughtUp();
  const fresh = await endpoint(t, { events: '{"Odd*","plain.*"}' });
  await env.caughtUp();
  const figures = await replay(fresh);
  const count = await assertSame(live, fresh);
  assert.equal(count, 35);
  assert.deepEqual([figures.matched, figures.made, figures.present, figures.unreadable, figures.undecided], [count, count, 0, 0, 0]);

  const again = await replay(fresh);
  assert.deepEqual([again.matched, again.made, again.present], [count, 0, count], "a second run makes nothing");
  await assertSame(live, fresh);
});

test("shape and columns, filter, owner and events are asked as they are live", async (t) => {
  const other = await env.user();
  const hooks = {
    supabase: { events: "{memories.*}", payload_format: "supabase" },
    cloudevents: { events: "{memories.*}", payload_format: "cloudevents", columns: "{id,title}" },
    filtered: { events: "{memories.*}", filter: "title=like.keep*,old.content=isdistinct.x" },
    changed: { events: "{public.memories.update}", filter: "title=neq.new,content=is.null" },
    ordered: { events: "{memories.*,\"Odd*\"}", ordering: "key" },
    owned: { events: "{mem*}", user_id: other.id },
    patterns: { events: "{public.memor*.insert,mem*.delete}" },
  };
  const live = {};
  for (const [name, columns] of Object.entries(hooks)) live[name] = await endpoint(t, columns);
  for (const [user, title] of [[owner, "keep one"], [other, "keep two"], [other, "drop"], [owner, "100%_\\"]])
    await env.db.query("insert into public.memories (user_id, title, content) values ($1, $2, 'c')", [user.id, title]);
  await env.db.query("update public.memories set title = 'keep ' || title, content = 'd' where title <> 'drop'");
  await env.db.query("update public.memories set content = 'x' where title = 'keep keep one'");
  await env.db.query("delete from public.memories");
  await env.caughtUp();
  let all = 0;
  for (const [name, columns] of Object.entries(hooks)) {
    const fresh = await endpoint(t, columns);
    await env.caughtUp();
    const figures = await replay(fresh, "--since", (await env.row("select created_at::text as at from public.webhooks where id = $1", [live.supabase.id])).at.replace(" ", "T"));
    const count = await assertSame(live[name], fresh).catch((error) => {
      error.message = `${name}: ${error.message}`;
      throw error;
    });
    assert.equal(figures.made, count, name);
    all += count;
  }
  assert.ok(all > 25, `${all} deliveries`);
  const some = await endpoint(t, { events: "{memories.*}" });
  await replay(some, "--events", "memories.delete, users.*");
  assert.deepEqual([...new Set((await deliveries(some)).map(({ event_type }) => event_type))], ["memories.delete"]);
});

test("what the trail does not have is counted, and a filter that asks for it is not guessed", async (t) => {
  await env.db.query("create table secrets (id int primary key, token text, seen int); alter table secrets replica identity full");
  await env.init(["--with-seed-app"]);
  await env.db.query("insert into pgherald.audit_policies (table_name, ignore) values ('public.secrets', '{seen}')");
  const all = await endpoint(t, { events: "{secrets.*}" });
  const byToken = await endpoint(t, { events: "{secrets.*}", filter: "token=eq.a" });
  const bySeen = await endpoint(t, { events: "{secrets.*}", filter: "seen=eq.1" });
  await env.db.query("insert into secrets values (1, 'a', 1), (2, 'b', 2), (3, null, 3)");
  await env.db.query("truncate secrets");
  await env.db.query("select public.create_audit_log('app.login', 'app', '1')");
  await env.caughtUp();
  const fresh = await endpoint(t, { events: "{secrets.insert,secrets.truncate}" });
  const figures = await replay(fresh);
  assert.ok(figures.application >= 1);
  assert.equal(figures.truncates, 1);
  assert.equal(figures.made, 3);
  const [first] = await deliveries(fresh);
  assert.equal(first.payload, (await deliveries(all))[0].payload);
  assert.deepEqual(JSON.parse(first.payload).data.record, { id: 1, token: "[redacted]" });
  const tokens = await replay(byToken);
  assert.deepEqual([tokens.undecided, tokens.matched], [2, 0], "a NULL is not redacted, and does not match");
  assert.deepEqual((await replay(bySeen)).undecided, 3);
  const { stdout } = await env.command("webhooks", "replay", "--endpoint", byToken.id, "--since", "1h");
  assert.match(stdout, /^ +2 +were left out: filter or owner ask for values that the trail does not have$/m);
});

test("hashed values stay the digests that they are, and what was plain then is redacted", async (t) => {
  await env.db.query("create table people (id int primary key, phone text, n double precision not null default 0); alter table people replica identity full");
  await env.init(["--with-seed-app"]);
  await env.db.query("insert into people values (1, 'plain')");
  await env.caughtUp();
  await env.db.query("insert into pgherald.audit_policies (table_name, hash) values ('public.people', '{phone}')");
  const live = await endpoint(t, { events: "{people.*}" });
  const asking = await endpoint(t, { events: "{people.*}", filter: "phone=eq.123" });
  await env.db.query("insert into people values (2, '123', 'NaN'), (3, null, 1)");
  await env.caughtUp();
  const fresh = await endpoint(t, { events: "{people.*}" });
  const figures = await replay(fresh);
  assert.equal(figures.made, 3);
  const [first, ...rest] = await deliveries(fresh);
  assert.deepEqual(JSON.parse(first.payload).data.record, { id: 1, phone: "[redacted]", n: 0 });
  assert.deepEqual(rest.map(({ payload }) => payload), (await deliveries(live)).map(({ payload }) => payload));
  assert.match(rest[0].payload, /"phone":"sha256:[0-9a-f]{64}","n"/);
  const nan = plugin === "pgoutput" ? "NaN" : "[not in the stream: NaN or Infinity]"; // wal2json sends null
  assert.equal(JSON.parse(rest[0].payload).data.record.n, nan);
  assert.deepEqual([(await replay(asking)).undecided, (await deliveries(asking)).length], [2, 1], "the live one alone");
});

test("pending and delivered are left out, failed are made again, --again asks for the delivered too", async (t) => {
  const hook = await endpoint(t, { events: "{memories.insert}", is_active: true });
  const since = new Date().toISOString();
  for (let i = 0; i < 6; i++) await env.db.query("insert into public.memories (user_id, title, content) values ($1, $2, 'c')", [owner.id, `n${i}`]);
  await env.caughtUp();
  await env.command("webhooks", "disable", hook.id);
  const before = await deliveries(hook);
  assert.equal(before.length, 6);
  await env.db.query("update public.webhook_deliveries set status = 'delivered', delivered_at = now() where id = any($1)", [before.slice(0, 2).map(({ id }) => id)]);
  await env.db.query("update public.webhook_deliveries set status = 'failed' where id = any($1)", [before.slice(2, 4).map(({ id }) => id)]);
  const since_ = ["--since", since];
  const dry = await replay(hook, ...since_, "--dry-run");
  assert.deepEqual([dry.matched, dry.made, dry.present, dry.dry_run], [6, 2, 4, true]);
  assert.equal((await deliveries(hook)).length, 6, "a dry run changes nothing");
  const first = await replay(hook, ...since_);
  assert.deepEqual([first.matched, first.made, first.present], [6, 2, 4]);
  const made = (await deliveries(hook)).slice(6);
  assert.deepEqual(made.map(({ message_id }) => message_id), before.slice(2, 4).map(({ message_id }) => message_id), "in the order of the commits, with the same ids");
  assert.equal((await replay(hook, ...since_)).made, 0);
  const again = await replay(hook, ...since_, "--again");
  assert.deepEqual([again.made, again.present], [2, 4], "those that were delivered, not those that are pending");
  const [third] = await env.rows("select occurred_at::text as at from public.audit_logs where resource_type = 'public.memories' and action = 'insert' order by id desc limit 1");
  const none = await replay(hook, "--since", third.at.replace(" ", "T"), "--until", third.at.replace(" ", "T").replace("+00", "") + "9Z", "--again", "--dry-run").catch((error) => error);
  assert.equal(none.matched, 1, "from and before");
  const wrong = await env.command("webhooks", "replay", "--endpoint", hook.id, "--since", "1h", "--until", "2h");
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /--until .* is not after --since/);
});

test("more than one page, with rows of a megabyte, in bounded memory", async (t) => {
  await env.db.query("create table bulk (id int primary key, v text)");
  await env.init(["--with-seed-app"]);
  await env.db.query("insert into bulk select n, repeat(md5(n::text), case when n % 500 = 0 then 30000 else 1 end) from generate_series(1, 3500) n");
  await env.caughtUp(60000);
  const hook = await endpoint(t, { events: "{bulk.insert}", is_active: false });
  const figures = await replay(hook);
  assert.deepEqual([figures.matched, figures.made], [3500, 3500]);
  const rows = await env.rows("select (payload -> 'data' -> 'record' ->> 'id')::int as id from public.webhook_deliveries where webhook_id = $1 order by id", [hook.id]);
  assert.deepEqual(rows.map(({ id }) => id), Array.from({ length: 3500 }, (_, i) => i + 1));
  const order = await env.rows("select bool_and(ordered) as ordered from (select (payload -> 'data' ->> 'ordinal')::int > coalesce(lag((payload -> 'data' ->> 'ordinal')::int) over (order by id), 0) as ordered from public.webhook_deliveries where webhook_id = $1) s", [hook.id]);
  assert.equal(order[0].ordered, true, "ids ascend with the stream");
});

test("a receiver sees that it is a replay, the id that the live call had, and a good signature", async (t) => {
  let status = 200;
  const receiver = await Receiver.start({ behave: () => status });
  t.after(() => receiver.stop());
  const hook = await endpoint(t, { events: "{memories.insert}", url: receiver.url(), max_retries: 0 });
  const { secret } = await env.row("select secret from public.webhooks where id = $1", [hook.id]);
  const since = new Date().toISOString();
  await env.db.query("insert into public.memories (user_id, title, content) values ($1, 'again', 'c')", [owner.id]);
  await eventually(async () => (await deliveries(hook))[0]?.status === "delivered", "the live call");
  assert.equal((await replay(hook, "--since", since, "--again")).made, 1);
  await env.kill("SIGTERM"); // a daemon that starts looks at once, not in half a minute
  await env.run();
  await eventually(() => receiver.requests.length === 2, "the replayed call");
  const [live, replayed] = receiver.requests;
  assert.equal(replayed.id, live.id);
  assert.equal(replayed.text, live.text);
  assert.equal(live.headers["webhook-replay"], undefined);
  assert.equal(replayed.headers["webhook-replay"], "true");
  Receiver.verify(secret, replayed);
});

test("one replay to a webhook at a time", async (t) => {
  const hook = await endpoint(t, { events: "{memories.insert}" });
  await env.db.query("select pg_advisory_lock(hashtextextended('pgherald webhooks replay ' || $1::uuid, 0))", [hook.id]);
  const { code, stderr } = await env.command("webhooks", "replay", "--endpoint", hook.name, "--since", "1h");
  await env.db.query("select pg_advisory_unlock_all()");
  assert.equal(code, 1);
  assert.match(stderr, /another replay to this webhook is under way/);
});
