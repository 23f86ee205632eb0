// Several realtime loops share the port: to clients they are one.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect as tlsConnect } from "node:tls";
import { join } from "node:path";
import { Env, eventually, freePort, jwt, patience, sleep, temporaryFolder } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase, tear } from "./clients.mjs";

const LOOPS = 3;
let env, token, service;

before(async () => {
  env = await Env.start({
    seed: false,
    config: { realtime_threads: String(LOOPS), realtime_max_clients: "200", realtime_max_messages_per_second: "100", realtime_max_presences: "90" },
  });
  token = jwt(env.secret, { role: "authenticated", sub: "00000000-0000-0000-0000-000000000001" });
  service = jwt(env.secret, { role: "service_role" });
  await env.db.query("create table public.numbers (n int primary key); grant select on public.numbers to authenticated");
});
after(() => env?.stop());

function open(t, age, name, { key, ...config } = {}) {
  const client = supabase(env, token, age);
  t.after(() => client.removeAllChannels());
  const channel = client.channel(name, { config: { ...config, presence: { key } } });
  channel.heard = [];
  channel.on("broadcast", { event: "*" }, ({ payload }) => channel.heard.push(payload.n));
  channel.on("presence", { event: "sync" }, () => {});
  return { client, channel };
}
const crowd = (t, count, name, config) => Promise.all(Array.from({ length: count }, (_, i) => open(t, ages[i % 2], name, config?.(i))).map(async (one) => (await subscribed(one.channel), one)));
const everyone = (channels, n, what) => eventually(() => channels.every(({ channel }) => channel.heard.length >= n), what);

// A connection of its own, so that the kernel gives it to any of the loops.
function post(key, messages) {
  return new Promise((done, fail) => {
    const sent = request(env.url("/realtime/v1/api/broadcast"), { method: "POST", agent: false, headers: { apikey: key, "content-type": "application/json" } }, (answer) => {
      answer.resume();
      answer.once("end", () => done(answer.statusCode));
    });
    sent.once("error", fail);
    sent.end(JSON.stringify({ messages: messages.map((message) => ({ event: "e", payload: {}, ...message })) }));
  });
}

// The kernel spreads the connections: of 48 some are in each of three loops (all in two of them: 3 * (2/3)^48,
// one in ten million).
test("the loops listen on one port", async (t) => {
  const inodes = readFileSync("/proc/net/tcp", "utf8").split("\n").map((line) => line.trim().split(/\s+/)).filter(([, local, , state]) => state === "0A" && parseInt(local?.split(":")[1], 16) === env.port);
  assert.equal(inodes.length, LOOPS);
  assert.equal((await env.stats()).realtime_up, LOOPS);
  await crowd(t, 48, "spread");
  const rooms = (await env.stats()).rooms;
  assert.equal(rooms, LOOPS, "each loop has somebody in the topic");
});

test("a broadcast reaches everybody, in order, whoever sends it", async (t) => {
  const all = await crowd(t, 48, "talk", () => ({ broadcast: { self: true, ack: true } }));
  const senders = all.slice(0, 12);
  for (let n = 0; n < 5; n++) await Promise.all(senders.map(async ({ channel }, i) => assert.equal(await channel.send({ type: "broadcast", event: "e", payload: { n: i * 100 + n } }), "ok")));
  await everyone(all, 60, "all messages");
  for (const { channel } of all) {
    assert.equal(channel.heard.length, 60);
    for (let i = 0; i < 12; i++) assert.deepEqual(channel.heard.filter((n) => Math.floor(n / 100) === i), [0, 1, 2, 3, 4].map((n) => i * 100 + n), "the order of a sender");
  }
});

test("REST, messages from SQL, and rows reach everybody once", async (t) => {
  const rows = [];
  const all = await Promise.all(
    Array.from({ length: 36 }, async (_, i) => {
      const one = open(t, ages[i % 2], "news");
      rows[i] = [];
      one.channel.on("postgres_changes", { event: "INSERT", schema: "public", table: "numbers" }, ({ new: row }) => rows[i].push(row.n));
      await subscribed(one.channel);
      return one;
    }),
  );
  for (let n = 0; n < 10; n++) assert.equal(await post(service, [{ topic: "news", payload: { n } }]), 202);
  await everyone(all, 10, "those of REST");
  await env.db.query("select realtime.send(jsonb_build_object('n', 100 + n), 'e', 'news', false) from generate_series(0, 9) as n; insert into public.numbers select generate_series(1, 50)");
  await everyone(all, 20, "those of SQL");
  await eventually(() => rows.every((seen) => seen.length >= 50), "the rows");
  await sleep(200);
  for (const { channel } of all) assert.deepEqual(channel.heard, [...Array(10).keys(), ...Array.from({ length: 10 }, (_, n) => 100 + n)]);
  for (const seen of rows) assert.deepEqual(seen, Array.from({ length: 50 }, (_, n) => n + 1));
});

const state = (channel) => JSON.stringify(Object.entries(channel.presenceState()).map(([key, metas]) => [key, metas.map((meta) => JSON.stringify(meta)).sort()]).sort());
const agreed = (all, keys) => all.every(({ channel }) => Object.keys(channel.presenceState()).length === keys) && new Set(all.map(({ channel }) => state(channel))).size === 1;

test("presence is the same in every loop: joins, updates, leaves, lost sockets, late comers", async (t) => {
  const all = await crowd(t, 40, "present", (i) => ({ key: `k${i}` }));
  await Promise.all(all.map(({ channel }, i) => channel.track({ i, step: 1 })));
  await eventually(() => agreed(all, 40), "40 presences, down to their versions");
  assert.equal((await env.stats()).presences, 40);
  await Promise.all(all.slice(0, 10).map(({ channel }, i) => channel.track({ i, step: 2 })));
  await eventually(() => agreed(all, 40) && all[39].channel.presenceState().k3[0].step === 2, "an update");
  const late = await crowd(t, 12, "present", () => ({ key: "late" }));
  await eventually(() => agreed([...all, ...late], 40), "who comes later");
  await Promise.all(all.slice(0, 10).map(({ channel }) => channel.untrack()));
  for (const { client } of all.slice(10, 15)) client.realtime.disconnect();
  const stay = [...all.slice(0, 10), ...all.slice(15), ...late];
  await eventually(() => agreed(stay, 25), "who has left has left everywhere");
  for (const { client } of all.slice(15, 20)) tear(client); // they come back, but do not track
  await eventually(() => agreed([...all.slice(20), ...late], 20), "lost sockets");
  await Promise.all(all.slice(20).map(({ channel }) => channel.unsubscribe()));
  await eventually(() => agreed(late, 0), "nobody");
  assert.equal((await env.stats()).presences, 0);
});

test("a room that is empty in a loop is not forgotten there", async (t) => {
  const all = await crowd(t, 24, "empty", (i) => ({ key: `k${i}` }));
  await all[0].channel.track({ here: true });
  await eventually(() => agreed(all, 1), "one");
  await Promise.all(all.slice(1).map(({ channel }) => channel.unsubscribe()));
  const again = await crowd(t, 24, "empty", () => ({ key: "x" }));
  await eventually(() => agreed([all[0], ...again], 1), "the one who stayed");
});

test("the presences of a topic are limited over all loops", async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const client = await Phoenix.connect(env, token);
      t.after(() => client.close());
      await client.join("realtime:full", [], { config: { presence: { key: `k${i}`, enabled: false } } });
      return client;
    }),
  );
  let taken = 0;
  for (const client of answers) {
    const { payload } = await client.reply(client.push("realtime:full", "presence", { type: "presence", event: "track", payload: {} }));
    if (payload.status === "ok") taken++;
    else assert.match(payload.response.reason, /^PresenceLimitReached/);
  }
  assert.equal(taken, 90);
});

test("the rate of one who sends by REST is one rate", async () => {
  const user = jwt(env.secret, { role: "authenticated", sub: "00000000-0000-0000-0000-00000000000f" });
  const batch = Array(20).fill({ topic: "rate" });
  const answers = await Promise.all(Array.from({ length: 40 }, () => post(user, batch)));
  const taken = answers.filter((status) => status === 202).length;
  assert.ok(taken >= 5 && taken <= 9, `${taken} of 40 batches`); // 5 at once, and what a moment refills
});

test("an API key sends by REST in every loop, at one rate, until it is revoked", async () => {
  const { id, key } = await env.row("select id, key from public.create_api_key('e2e', '{broadcast}', null, 30, null, null)");
  const send = () => post(key, [{ topic: "key" }]);
  await eventually(async () => (await send()) === 202, "the key to work");
  const answers = await Promise.all(Array.from({ length: 60 }, send));
  const taken = answers.filter((status) => status === 202).length;
  assert.ok(taken >= 15 && taken <= 31, `${taken} of 60 requests`);
  assert.ok(answers.every((status) => [202, 401, 429, 503].includes(status)));
  await env.db.query("delete from public.api_keys where id = $1", [id]);
  await eventually(async () => (await Promise.all(Array.from({ length: 12 }, send))).every((status) => status === 401), "all loops to know");
});

// Who is told of what he may not read, or is not told, sits in a loop that judges otherwise.
test("row level security, private channels and replay hold in every loop", async (t) => {
  const users = Array.from({ length: 24 }, (_, i) => `00000000-0000-0000-0000-0000000001${String(i).padStart(2, "0")}`);
  await env.db.query(`
    create table public.notes (id int primary key, owner uuid not null);
    alter table public.notes enable row level security;
    create policy own on public.notes for select to authenticated using (owner::text = current_setting('request.jwt.claims', true)::jsonb ->> 'sub');
    grant select on public.notes to authenticated;
    create policy own on realtime.messages for select to authenticated using (realtime.topic() = 'private:' || (current_setting('request.jwt.claims', true)::jsonb ->> 'sub'))`);
  await env.db.query("select realtime.send('{\"n\": 1}', 'e', 'private:' || u, true) from unnest($1::text[]) as u", [users]);
  const bindings = [{ event: "*", schema: "public", table: "notes" }];
  const clients = [];
  for (const [i, sub] of users.entries()) {
    const client = await Phoenix.connect(env, jwt(env.secret, { role: "authenticated", sub }));
    t.after(() => client.close());
    const { reply } = await client.join(`realtime:private:${sub}`, bindings, { config: { private: true, broadcast: { replay: { since: 1, limit: 5 } } } });
    assert.equal(reply.payload.status, "ok");
    await env.db.query("insert into public.notes values ($1, $2)", [i, sub]); // subscribed is live at once, whichever loop it is
    const other = await client.join(`realtime:private:${users[(i + 1) % users.length]}`, [], { config: { private: true } });
    assert.match(other.reply.payload.response.reason, /^Unauthorized/);
    clients.push(client);
  }
  await env.db.query("select realtime.send('{\"n\": 2}', 'e', 'private:' || u, true) from unnest($1::text[]) as u", [users]);
  for (const [i, client] of clients.entries()) {
    assert.equal((await client.change()).payload.data.record.id, i);
    for (const n of [1, 2]) assert.equal((await client.broadcast()).payload.payload.n, n);
  }
  await env.db.query(`drop policy own on public.notes; insert into public.notes values (100, '${users[0]}')`);
  await env.db.query("select realtime.send('{\"n\": 3}', 'e', 'private:' || u, true) from unnest($1::text[]) as u", [users]);
  for (const client of clients) assert.equal((await client.broadcast()).payload.payload.n, 3); // the row before it was judged
  await env.db.query("create policy everything on public.notes for select to authenticated using (true)");
  await env.db.query("insert into public.notes values (101, $1)", [users[0]]);
  for (const client of clients) assert.equal((await client.change()).payload.data.record.id, 101, "the policy of now, in every loop");
  for (const client of clients) assert.ok(!client.frames.some(({ event }) => event === "postgres_changes" || event === "broadcast"));
});

test("an API key that is revoked ends what it opened in every loop", async (t) => {
  const { id, key } = await env.row("select id, key from public.create_api_key('e2e', '{realtime}', null, 100000, null, null)");
  // in all loops: a loop of three that does not know it yet is met by one of 24 (one in 17,000 that it is not)
  const open24 = () => Promise.all(Array.from({ length: 24 }, () => Phoenix.connect(env, key)));
  const clients = await eventually(open24, "the key to work in all loops");
  t.after(() => clients.forEach((client) => client.close()));
  await env.db.query("select public.revoke_api_key($1)", [id]);
  const late = sleep(5000).then(() => "open");
  assert.deepEqual([...new Set(await Promise.all(clients.map(({ closed }) => Promise.race([closed, late]))))], [1008]);
});

test("a key set that changes, changes in every loop", async (t) => {
  const file = join(temporaryFolder("jwks"), "jwks.json");
  const base64url = (value) => Buffer.from(value).toString("base64url");
  const put = (kid) => {
    writeFileSync(`${file}.new`, JSON.stringify({ keys: [{ kty: "oct", kid, alg: "HS256", k: base64url(kid.repeat(16)) }] }));
    renameSync(`${file}.new`, file);
  };
  const tokenOf = (kid) => {
    const text = [{ alg: "HS256", kid, typ: "JWT" }, { role: "anon", exp: Math.floor(Date.now() / 1000) + 3600 }].map((part) => base64url(JSON.stringify(part))).join(".");
    return `${text}.${createHmac("sha256", kid.repeat(16)).update(text).digest("base64url")}`;
  };
  const connectAll = (kid) => Promise.all(Array.from({ length: 24 }, () => Phoenix.connect(own, tokenOf(kid))));
  put("old");
  const own = await Env.start({ cluster: env.cluster, seed: false, config: { realtime_threads: String(LOOPS), jwt_secret: "", jwt_jwks_file: file } });
  t.after(() => own.stop());
  const clients = await connectAll("old");
  put("new");
  const late = sleep(8000).then(() => "open");
  assert.deepEqual([...new Set(await Promise.all(clients.map(({ closed }) => Promise.race([closed, late]))))], [1008]);
  for (const client of await connectAll("new")) client.close();
  await assert.rejects(Phoenix.connect(own, tokenOf("old")), /401/);
});

test("connections are limited over all loops", async (t) => {
  const clients = await Promise.all(Array.from({ length: 205 }, () => Phoenix.connect(env, token)));
  t.after(() => clients.forEach((client) => client.close()));
  assert.equal((await env.stats()).clients, 205);
  const answers = await Promise.all(clients.map(async (client, i) => (await client.reply(client.push(`realtime:c${i}`, "phx_join", { config: {} }))).payload));
  const refused = answers.filter(({ status }) => status !== "ok");
  assert.equal(refused.length, 5);
  for (const { response } of refused) assert.match(response.reason, /^ConnectionRateLimitReached/);
});

test("wss, with a certificate that is renewed in every loop", async (t) => {
  const folder = temporaryFolder("tls");
  const files = { cert: join(folder, "cert"), key: join(folder, "key") };
  const make = (name) =>
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${name}`, "-keyout", files.key, "-out", files.cert], { stdio: "ignore" });
  make("first");
  const own = await Env.start({ cluster: env.cluster, seed: false, config: { realtime_threads: String(LOOPS), tls_cert_file: files.cert, tls_key_file: files.key } });
  t.after(() => own.stop());
  const shown = () =>
    new Promise((done, fail) => {
      const socket = tlsConnect({ host: "127.0.0.1", port: own.port, rejectUnauthorized: false }, () => (done(socket.getPeerCertificate().subject.CN), socket.destroy()));
      socket.once("error", fail);
    });
  const all = async () => [...new Set(await Promise.all(Array.from({ length: 24 }, shown)))].join();
  assert.equal(await all(), "first");
  make("second");
  await eventually(async () => (await all()) === "second", "the new one in all loops");
});

test("a second daemon is told that the port is taken", { timeout: 30000 * patience }, async () => {
  await eventually(async () => (await env.stats()).clients === 0, "all to be gone");
  const { settings } = env;
  env.settings = { ...settings, admin_listen: `127.0.0.1:${await freePort()}`, slot_name: `${settings.slot_name}_2` };
  const { code, stdout, stderr } = await env.command("run");
  env.settings = settings;
  assert.equal(code, 71);
  assert.match(stdout + stderr, /cannot listen on 127\.0\.0\.1:\d+: is another program \(or another pgherald\) using that port/);
});

test("it stops in time, and tells everybody", async (t) => {
  const clients = await Promise.all(Array.from({ length: 30 }, () => Phoenix.connect(env, token)));
  for (const [i, client] of clients.entries()) {
    await client.join("realtime:end", [], { config: { presence: { key: `k${i}` } } });
    client.push("realtime:end", "presence", { type: "presence", event: "track", payload: {} });
  }
  const began = Date.now();
  const { code } = await env.kill("SIGTERM");
  assert.equal(code, 0);
  assert.ok(Date.now() - began < 8000 * patience);
  assert.deepEqual([...new Set(await Promise.all(clients.map(({ closed }) => closed)))], [1001]);
  assert.doesNotMatch(env.logText(), /still had handles/);
});
