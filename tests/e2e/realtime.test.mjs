// Realtime: what a client is told, and what it is never told.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Env, eventually, jwt, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase } from "./clients.mjs";

let env, ann, bob;

before(async () => {
  env = await Env.start();
  ann = await env.user("ann");
  bob = await env.user("bob");
});
after(() => env?.stop());

const remember = async (user, title) =>
  (await env.row("insert into public.memories (user_id, title, content) values ($1, $2, 'c') returning id", [user.id, title])).id;

async function connect(t, token, options) {
  const phoenix = await Phoenix.connect(env, token, options);
  t.after(() => phoenix.close());
  return phoenix;
}

for (const vsn of ["1.0.0", "2.0.0"]) {
  test(`vsn ${vsn}: join, reply, system, change, heartbeat, leave`, async (t) => {
    const client = await connect(t, ann.token, { vsn, path: vsn === "1.0.0" ? "/socket/websocket" : undefined, header: vsn === "1.0.0" });
    const beat = client.push("phoenix", "heartbeat", {});
    assert.deepEqual((await client.reply(beat)).payload, { status: "ok", response: {} });
    const topic = "realtime:room";
    const bindings = [
      { event: "INSERT", schema: "public", table: "memories", filter: "title=eq.wanted" },
      { event: "*", schema: "public", table: "files" },
    ];
    const { ref, reply } = await client.join(topic, bindings);
    assert.equal(reply.payload.status, "ok");
    const echoed = reply.payload.response.postgres_changes;
    assert.deepEqual(echoed.map(({ event, schema, table, filter }) => ({ event, schema, table, ...(filter ? { filter } : {}) })), bindings);
    for (const { id } of echoed) assert.ok(id);
    await remember(ann, "other");
    const id = await remember(ann, "wanted");
    const change = await client.change();
    assert.equal(change.topic, topic);
    assert.deepEqual(change.payload.ids, [echoed[0].id]);
    const { data } = change.payload;
    assert.equal(data.type, "INSERT");
    assert.equal(data.record.id, id);
    assert.equal(data.errors, null);
    assert.match(data.commit_timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.now() - Date.parse(data.commit_timestamp)) < 60000, data.commit_timestamp);
    assert.ok(data.columns.some(({ name, type }) => name === "id" && type === "uuid"));
    assert.equal(data.old_record, undefined);
    const leave = client.push(topic, "phx_leave", {}, { join_ref: ref });
    assert.equal((await client.reply(leave)).payload.status, "ok");
    await client.frame((frame) => frame.event === "phx_close" && frame.topic === topic, "phx_close");
    await remember(ann, "wanted");
    await env.caughtUp();
    await sleep(200);
    assert.ok(!client.frames.some(({ event }) => event === "postgres_changes"));
  });
}

test("row level security decides, on the row as it was", async (t) => {
  const mine = await connect(t, ann.token);
  const his = await connect(t, bob.token);
  const all = await connect(t, jwt(env.secret, { role: "service_role" }));
  const anon = await connect(t, jwt(env.secret, { role: "anon" }));
  for (const client of [mine, his, all, anon]) await client.join("realtime:x", [{ event: "*", schema: "public", table: "memories" }]);
  const id = await remember(ann, "private");
  await env.db.query("update public.memories set user_id = $1 where id = $2", [bob.id, id]); // hers, then his
  await env.db.query("delete from public.memories where id = $1", [id]); // gone before anyone could ask
  const types = async (client, count) => {
    const seen = [];
    for (let i = 0; i < count; i++) seen.push((await client.change()).payload.data.type);
    return seen;
  };
  assert.deepEqual(await types(all, 3), ["INSERT", "UPDATE", "DELETE"]);
  assert.deepEqual(await types(mine, 2), ["INSERT", "DELETE"]); // the second one: it left her view
  assert.deepEqual(await types(his, 2), ["UPDATE", "DELETE"]);
  await sleep(300);
  for (const client of [mine, his, anon]) assert.deepEqual(client.frames.filter(({ event }) => event === "postgres_changes"), []);
});

test("columns that the role may not read are left out", async (t) => {
  await env.db.query(`
    create table public.salaries (id int primary key, user_id uuid, amount int);
    alter table public.salaries enable row level security;
    create policy own on public.salaries for select to authenticated using (user_id = auth.uid());
    grant select (id, user_id) on public.salaries to authenticated;
  `);
  const client = await connect(t, ann.token);
  await client.join("realtime:s", [{ event: "*", schema: "public", table: "salaries" }]);
  await env.db.query("insert into public.salaries values (1, $1, 5000)", [ann.id]);
  const { record, columns } = (await client.change()).payload.data;
  assert.deepEqual(record, { id: 1, user_id: ann.id });
  assert.deepEqual(columns.map(({ name }) => name), ["id", "user_id"]);
});

test("an INSERT committed after the system message is never missed", async (t) => {
  const client = await connect(t, ann.token);
  for (let i = 0; i < 20; i++) {
    const topic = `realtime:live${i}`;
    await client.join(topic, [{ event: "INSERT", schema: "public", table: "memories" }]);
    const id = await remember(ann, `live ${i}`);
    await client.frame((frame) => frame.topic === topic && frame.event === "postgres_changes" && frame.payload.data.record.id === id, `change ${i}`);
  }
});

test("values arrive as to_jsonb makes them", async (t) => {
  await env.db.query(`
    create table public.kinds (id int8 primary key, n numeric, f float8, b bytea, j jsonb, a text[], ts timestamptz, ok bool);
    alter table public.kinds replica identity full; grant select on public.kinds to authenticated`);
  const client = await connect(t, ann.token);
  await client.join("realtime:k", [{ event: "*", schema: "public", table: "kinds" }]);
  await env.db.query(`insert into public.kinds values (1, 12.50, 0.1, '\\xbeef', '{"a": [1, null]}', '{x,NULL}', '2025-11-03 09:32:55+00', true)`);
  const { record, columns } = (await client.change()).payload.data;
  assert.deepEqual(record, { id: 1, n: 12.5, f: 0.1, b: "beef", j: { a: [1, null] }, a: ["x", null], ts: "2025-11-03T09:32:55+00:00", ok: true });
  assert.deepEqual(Object.fromEntries(columns.map(({ name, type }) => [name, type])), { id: "int8", n: "numeric", f: "float8", b: "bytea", j: "jsonb", a: "_text", ts: "timestamptz", ok: "bool" });
});

test("what is wrong is answered, and the socket stays open", async (t) => {
  const client = await connect(t, ann.token);
  client.socket.send("this is no frame");
  client.socket.send(JSON.stringify(["1", "1", "realtime:x"]));
  const stray = client.push("realtime:never-joined", "broadcast", {});
  const { payload } = await client.reply(stray);
  assert.equal(payload.status, "error");
  assert.equal(payload.response.reason, "unmatched topic");
  const bad = client.push("realtime:bad", "phx_join", { config: { postgres_changes: [] }, access_token: jwt("not the secret at all, but long enough", { role: "authenticated" }) });
  const refused = await client.reply(bad);
  assert.equal(refused.payload.status, "error");
  assert.match(refused.payload.response.reason, /JwtSignatureError|InvalidJWTToken|Unauthorized/);
  const filter = await client.join("realtime:filter", [{ event: "*", schema: "public", table: "memories", filter: "title=nonsense" }]).catch((error) => error);
  assert.ok(filter);
  const beat = client.push("phoenix", "heartbeat", {});
  assert.equal((await client.reply(beat)).payload.status, "ok");
});

test("a token that expires ends the channel; a fresh one keeps it", async (t) => {
  const short = jwt(env.secret, { role: "authenticated", sub: ann.id, exp: Math.floor(Date.now() / 1000) + 2 });
  const expiring = await connect(t, short);
  const renewed = await connect(t, short);
  await expiring.join("realtime:e", [{ event: "*", schema: "public", table: "memories" }]);
  const { ref } = await renewed.join("realtime:e", [{ event: "*", schema: "public", table: "memories" }]);
  renewed.push("realtime:e", "access_token", { access_token: ann.token }, { join_ref: ref });
  await sleep(3500);
  await remember(ann, "after the token's end");
  await renewed.change();
  assert.ok(!expiring.frames.some(({ event }) => event === "postgres_changes"));
});

for (const age of ages) {
  test(`supabase-js of ${age}: refreshes its token by itself; with the last one the channel ends`, async (t) => {
    let kept, given = 0;
    const fresh = () => kept ?? (given++, jwt(env.secret, { role: "authenticated", sub: ann.id, n: given, exp: Math.floor(Date.now() / 1000) + 5 }));
    const client = supabase(env, fresh, age, { heartbeatIntervalMs: 1000 });
    t.after(() => client.removeAllChannels());
    await client.realtime.setAuth();
    const titles = [];
    const channel = client.channel("refreshed").on("postgres_changes", { event: "INSERT", schema: "public", table: "memories" }, ({ new: row }) => titles.push(row.title));
    await subscribed(channel);
    await sleep(8000);
    await remember(ann, `fresh ${age}`);
    await eventually(() => titles.includes(`fresh ${age}`), "a row behind the first token's end");
    assert.deepEqual(channel.statuses, ["SUBSCRIBED"]);
    assert.ok(given > 5, `${given} tokens`);
    kept = fresh();
    await eventually(() => channel.statuses.includes("CLOSED"), "CLOSED");
    await remember(ann, `stale ${age}`);
    await env.caughtUp();
    await sleep(200);
    assert.deepEqual(titles, [`fresh ${age}`]);
  });
}

for (const age of ages) {
  test(`supabase-js of ${age}: subscribe with a filter, two bindings, unsubscribe`, async () => {
    const client = supabase(env, ann.token, age);
    const inserts = [];
    const everything = [];
    const channel = client
      .channel("mixed")
      .on("postgres_changes", { event: "INSERT", schema: "public", table: "memories", filter: "title=eq.hit" }, (payload) => inserts.push(payload.new.title))
      .on("postgres_changes", { event: "*", schema: "public", table: "memories" }, (payload) => everything.push(payload.eventType));
    await subscribed(channel);
    await sleep(300); // SUBSCRIBED is the join's reply; the system message follows it
    await remember(ann, "hit");
    await remember(ann, "miss");
    await eventually(() => everything.length >= 2, "both");
    assert.deepEqual(inserts, ["hit"]);
    assert.deepEqual(everything, ["INSERT", "INSERT"]);
    assert.equal(await client.removeChannel(channel), "ok");
  });
}

test("a notification reaches its owner's browser, and nobody else's", async (t) => {
  const mine = await connect(t, ann.token);
  const his = await connect(t, bob.token);
  for (const client of [mine, his]) await client.join("realtime:inbox", [{ event: "INSERT", schema: "public", table: "notifications" }]);
  await env.db.query("insert into public.notification_rules (name, table_name, events, recipient, title) values ('inbox', 'transcripts', '{insert}', 'user_id', 'transcript ready')");
  await env.db.query("insert into public.transcripts (user_id, title) values ($1, 'standup')", [ann.id]);
  assert.equal((await mine.change()).payload.data.record.title, "transcript ready");
  await sleep(200);
  assert.ok(!his.frames.some(({ event }) => event === "postgres_changes"));
});

test("a client that does not read is cut off, and the others notice nothing", async (t) => {
  await env.db.query("create table public.noise (id int primary key, filler text); grant select on public.noise to authenticated");
  const deaf = await connect(t, ann.token);
  const alert = await connect(t, ann.token);
  for (const client of [deaf, alert]) await client.join("realtime:n", [{ event: "*", schema: "public", table: "noise" }]);
  deaf.socket._socket.pause();
  let count = 0;
  alert.socket.on("message", () => count++);
  await env.db.query("insert into public.noise select g, repeat('x', 10000) from generate_series(1, 3000) g");
  await eventually(() => count >= 3000, "all messages for the one who reads", 30000);
  await eventually(async () => (await env.stats()).clients_slow_total >= 1, "the slow client cut off", 15000);
});

test("rows that had to be left out are not passed over in silence: clients are told to rejoin", async (t) => {
  const tight = await Env.start({ cluster: env.cluster, seed: false, config: { realtime_queue: "64k" } });
  t.after(() => tight.stop());
  await tight.db.query("create table public.burst (id int primary key, filler text); grant select on public.burst to authenticated");
  const client = await Phoenix.connect(tight, jwt(tight.secret, { role: "authenticated" }));
  t.after(() => client.close());
  await client.join("realtime:b", [{ event: "*", schema: "public", table: "burst" }]);
  await tight.db.query("insert into public.burst select g, repeat('x', 500) from generate_series(1, 40000) g");
  await client.frame((frame) => frame.event === "phx_error" && frame.topic === "realtime:b", "phx_error", 30000);
  await tight.caughtUp();
  assert.equal((await tight.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.burst'")).n, 40000, "the audit trail is not held up");
  const { realtime_gaps_total } = await tight.stats();
  assert.ok(realtime_gaps_total >= 1 && realtime_gaps_total < 50, `${realtime_gaps_total} gaps`);
  // as a client does: whenever it is told to, it joins again, and in the end it is live
  let id = 0;
  await eventually(async () => {
    client.frames.length = 0;
    await client.join("realtime:b", [{ event: "*", schema: "public", table: "burst" }]);
    await tight.db.query("insert into public.burst values ($1, 'after')", [--id]);
    return client.frame((frame) => frame.event === "postgres_changes" && frame.payload.data.record.id === id, "live again", 2000);
  }, "a live channel", 40000);
});

test("rows that are read again after trouble with the store are not sent again", async (t) => {
  await env.db.query("create table public.again (id int primary key); grant select on public.again to authenticated");
  const client = await connect(t, ann.token);
  await client.join("realtime:again", [{ event: "*", schema: "public", table: "again" }]);
  const locker = await env.connect();
  await locker.query("begin; lock table public.audit_logs in access exclusive mode");
  await env.db.query("insert into public.again select generate_series(1, 500)");
  const seen = () => client.frames.filter(({ event }) => event === "postgres_changes").map(({ payload }) => payload.data.record.id);
  await eventually(() => seen().length === 500, "all rows live, though none is stored");
  await env.db.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'pgherald store'");
  await locker.query("rollback");
  await locker.end();
  await env.caughtUp();
  await env.db.query("insert into public.again values (501)");
  await eventually(() => seen().includes(501), "the next row");
  assert.deepEqual(seen(), Array.from({ length: 501 }, (_, i) => i + 1));
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.again'")).n, 501);
});
