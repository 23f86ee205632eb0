// API keys: wherever a token is taken, with scopes, an end, a rate and counted use.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { createClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import { Env, eventually, jwt, patience, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";

let env, ann, bob, hook;
const called = []; // by webhooks

before(async () => {
  hook = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => (called.push(JSON.parse(body)), response.end()));
  });
  await new Promise((done) => hook.listen(0, "127.0.0.1", done));
  env = await Env.start({ config: { api_key_usage_flush: "1s" } });
  ann = await env.user("ann");
  bob = await env.user("bob");
  await env.db.query("insert into public.webhooks (name, url, events) values ('keys', $1, '{api_keys.*,api_key_usage.*}')", [`http://127.0.0.1:${hook.address().port}/`]);
  await env.caughtUp();
});
after(async () => {
  await env?.stop();
  hook.close();
});

async function makeKey(scopes, { user = null, rate = 100000, expires = null, on = env } = {}) {
  return on.row("select id, key from public.create_api_key('e2e', $1, $2, $3, null, $4)", [scopes, expires, rate, user?.id ?? null]);
}

const ask = (path, key, options = {}) =>
  fetch((options.on ?? env).url(path), { ...options, headers: { ...(key ? { Authorization: `Bearer ${key}` } : {}), ...options.headers } });
const status = async (path, key, options) => {
  const response = await ask(path, key, options);
  await response.arrayBuffer();
  return response.status;
};
const works = (key, on) => eventually(async () => (await status("/keys/v1/self", key, { on })) === 200, "the key to work");

// The handshake's answer: 101, or what it was refused with.
function handshake(key, on = env) {
  return new Promise((done, fail) => {
    const socket = new WebSocket(`ws://127.0.0.1:${on.port}/realtime/v1/websocket?vsn=2.0.0&apikey=${encodeURIComponent(key)}`);
    socket.once("open", () => (socket.terminate(), done({ status: 101 })));
    socket.once("unexpected-response", (_, response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => done({ status: response.statusCode, text, retryAfter: response.headers["retry-after"] }));
    });
    socket.once("error", (error) => (/Unexpected server response/.test(error.message) ? null : fail(error)));
  });
}

async function connect(t, token, on = env) {
  const phoenix = await Phoenix.connect(on, token);
  phoenix.why = new Promise((done) => phoenix.socket.once("close", (code, reason) => done({ code, reason: reason.toString() })));
  t.after(() => phoenix.close());
  return phoenix;
}

const remember = (user, title, on = env) => on.db.query("insert into public.memories (user_id, title, content) values ($1, $2, 'c')", [user.id, title]);
const everything = [{ event: "*", schema: "public", table: "memories" }];

// Within so many milliseconds, or it is the test that fails.
function within(usual, promise, what) {
  const ms = usual * patience;
  return Promise.race([promise, sleep(ms).then(() => assert.fail(`not within ${ms} ms: ${what}`))]);
}

function subscribe(client, seen) {
  const channel = client.channel("room").on("postgres_changes", { event: "INSERT", schema: "public", table: "memories" }, ({ new: row }) => seen.push(row.title));
  return new Promise((done, fail) => channel.subscribe((state, error) => (state === "SUBSCRIBED" ? done(channel) : fail(error ?? state))));
}

test("supabase-js with a key: a user's sees the user's rows, a service's all", async () => {
  const keys = [await makeKey(["realtime"], { user: ann }), await makeKey(["realtime", "service_role"]), await makeKey(["*"]), await makeKey(["realtime"])];
  const seen = [[], [], [], []];
  const clients = [];
  for (const [i, { key }] of keys.entries()) {
    await works(key);
    clients.push(createClient(env.url(), key, { realtime: { transport: WebSocket } }));
    await subscribe(clients[i], seen[i]);
  }
  await sleep(300); // SUBSCRIBED comes before the system message
  await remember(ann, "hers");
  await remember(bob, "his");
  await eventually(() => seen[1].length === 2 && seen[2].length === 2 && seen[0].length === 1, "all that may be seen");
  await sleep(200);
  assert.deepEqual(seen, [["hers"], ["hers", "his"], ["hers", "his"], []]);
  for (const client of clients) await client.removeAllChannels();
});

test("a key in x-api-key, in a join and in a refresh", async (t) => {
  const { key } = await makeKey(["realtime"], { user: ann });
  await works(key);
  const header = await Phoenix.connect(env, key, { header: true });
  t.after(() => header.close());
  assert.equal((await header.join("realtime:a", everything)).reply.payload.status, "ok");
  const client = await connect(t, jwt(env.secret, { role: "anon" }));
  assert.equal((await client.join("realtime:b", everything, { access_token: key })).reply.payload.status, "ok");
  const { ref } = await client.join("realtime:c", everything);
  client.push("realtime:c", "access_token", { access_token: key }, { join_ref: ref });
  await client.reply(client.push("phoenix", "heartbeat", {}));
  await remember(ann, "for keys");
  assert.equal((await header.change()).payload.data.record.title, "for keys");
  assert.deepEqual([(await client.change()).topic, (await client.change()).topic].sort(), ["realtime:b", "realtime:c"]);
});

test("what a key has no scope for is refused, and the scope is named", async (t) => {
  const { key } = await makeKey(["broadcast", "memories:read"], { user: ann });
  await works(key);
  const refused = await handshake(key);
  assert.equal(refused.status, 403);
  assert.match(refused.text, /^ApiKeyScopeMissing: .*"realtime"/);
  const client = await connect(t, ann.token);
  const { reply } = await client.join("realtime:s", [], { access_token: key });
  assert.equal(reply.payload.status, "error");
  assert.match(reply.payload.response.reason, /^ApiKeyScopeMissing: .*"realtime"/);
  const { ref } = await client.join("realtime:r", []);
  client.push("realtime:r", "access_token", { access_token: key }, { join_ref: ref });
  const { payload } = await client.frame(({ event, topic }) => event === "system" && topic === "realtime:r", "the system message");
  assert.match(payload.message, /^ApiKeyScopeMissing/);
  await client.frame(({ event, topic }) => event === "phx_close" && topic === "realtime:r", "phx_close");
  const token = await ask("/keys/v1/token", key, { method: "POST" });
  assert.equal(token.status, 403);
  assert.deepEqual(await token.json(), { error: "ApiKeyScopeMissing", message: 'The API key does not have the scope "token"' });
});

test("broadcasts by REST: with the scope, under the key's user, wherever the key stands", async (t) => {
  await env.db.query("create policy send on realtime.messages for insert to authenticated with check (realtime.topic() = 'of ' || auth.uid())");
  t.after(() => env.db.query("drop policy send on realtime.messages"));
  const annKey = await makeKey(["broadcast"], { user: ann }), bobKey = await makeKey(["broadcast"], { user: bob });
  const nobody = await makeKey(["broadcast"]), service = await makeKey(["broadcast", "service_role"]), other = await makeKey(["realtime", "token"], { user: ann });
  await works(other.key); // the newest: then all are known
  const listener = await connect(t, jwt(env.secret, { role: "service_role" }));
  const topic = `of ${ann.id}`;
  for (const config of [{ private: true }, { private: false }]) assert.equal((await listener.join(`realtime:${config.private ? topic : "open"}`, [], { config })).reply.payload.status, "ok");
  let n = 0;
  const post = async (headers, { private: secret = false, under = "/api/broadcast", query = "", batch = true } = {}) => {
    const name = secret ? topic : "open", payload = { n: ++n };
    const path = batch ? under : `${under}/${encodeURIComponent(name)}/events/e`;
    const body = batch ? { messages: [{ topic: name, event: "e", payload, private: secret }] } : payload;
    const args = [secret && !batch ? "private=true" : "", query].filter(Boolean).join("&");
    const response = await fetch(env.url(path + (args && `?${args}`)), { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
    const text = await response.text();
    if (response.status === 202) assert.equal((await listener.broadcast()).payload.payload.n, n);
    else assert.match(text, /^{"(error|message)":/);
    return response.status;
  };
  const bearer = ({ key }) => ({ authorization: `Bearer ${key}` });
  for (const under of ["/api/broadcast", "/realtime/v1/api/broadcast"]) {
    for (const batch of [true, false]) {
      for (const secret of [true, false]) {
        const how = { under, batch, private: secret };
        assert.equal(await post(bearer(annKey), how), 202);
        assert.equal(await post({ apikey: annKey.key }, how), 202);
        assert.equal(await post({ "x-api-key": annKey.key }, how), 202);
        assert.equal(await post({}, { ...how, query: `apikey=${annKey.key}` }), 202);
        assert.equal(await post(bearer(service), how), 202);
        assert.equal(await post(bearer(bobKey), how), secret ? 403 : 202);
        assert.equal(await post(bearer(nobody), how), secret ? 403 : 202);
        assert.equal(await post(bearer(other), how), 403);
        assert.equal(await post({}, how), 401);
        assert.equal(await post({}, { ...how, query: "apikey=nonsense" }), 401);
        assert.equal(await post({ authorization: "Bearer nonsense" }, { ...how, query: `apikey=${annKey.key}` }), 401, "what is said first counts");
      }
    }
  }
  await env.db.query("select public.revoke_api_key($1)", [annKey.id]);
  await eventually(async () => (await post(bearer(annKey))) === 401, "the revoked key to be refused");
  const tight = await makeKey(["broadcast"], { rate: 3 });
  await eventually(async () => (await post(bearer(tight))) === 202, "the key to be known");
  assert.deepEqual([await post(bearer(tight)), await post(bearer(tight)), await post(bearer(tight))], [202, 202, 429]);
});

test("junk is refused, whatever it is", async () => {
  const { key } = await makeKey(["*"]);
  await works(key);
  const flip = key.slice(0, -1) + (key.endsWith("0") ? "1" : "0");
  for (const junk of ["phk_", "phk_0", flip, key.slice(0, -1), `${key}0`, key.toUpperCase(), key.replace("phk_", "sbk_"), `phk_${"z".repeat(15000)}`, `phk_${"%ff".repeat(20)}`, "phk_a b", "phk_\u00ff\u00fe", "phk_a,b"]) {
    const [http, socket] = [await status("/keys/v1/self", junk), await handshake(junk)];
    assert.equal(http, 401, junk.slice(0, 80));
    assert.equal(socket.status, 401, junk.slice(0, 80));
  }
  for (const headers of [{}, { Authorization: "Basic Zm9vOmJhcg==" }, { Authorization: "Bearer" }, { Authorization: "Bearer " }, { apikey: "" }]) {
    const response = await ask("/keys/v1/self", null, { headers });
    assert.equal(response.status, 401);
    assert.equal(response.headers.get("www-authenticate"), "Bearer");
    assert.equal((await response.json()).error, "Unauthorized");
  }
  assert.equal(await status("/keys/v1/self", "x".repeat(60000)).catch(() => 400), 400, "more than any header may have");
  assert.equal(await status("/keys/v1/self", ann.token), 403, "a token is no key");
  assert.equal(await status("/keys/v1/self", null, { headers: { apikey: key } }), 200);
  assert.equal(await status("/keys/v1/self", null, { headers: { "x-api-key": key } }), 200);
  assert.equal(await status("/keys/v1/self", key, { headers: { apikey: "phk_0" } }), 200, "Authorization comes first");
});

test("a key says who it is", async () => {
  const expires = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3600000);
  const { id, key } = await makeKey(["realtime", "x"], { user: ann, rate: 120, expires });
  await works(key);
  const response = await ask("/keys/v1/self", key);
  const self = await response.json();
  assert.ok(self.rate_limit.remaining < 120 && self.rate_limit.remaining > 100);
  delete self.rate_limit.remaining;
  delete self.rate_limit.reset_seconds;
  assert.deepEqual(self, { id, name: "e2e", user_id: ann.id, role: "authenticated", scopes: ["realtime", "x"], expires_at: expires.toISOString(), rate_limit: { per_minute: 120 } });
  assert.equal(response.headers.get("ratelimit-limit"), "120");
  assert.match(response.headers.get("ratelimit-remaining"), /^\d+$/);
  assert.match(response.headers.get("ratelimit-reset"), /^\d+$/);
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
});

test("a page of another origin may ask", async () => {
  const preflight = await fetch(env.url("/keys/v1/token"), { method: "OPTIONS", headers: { Origin: "https://app.example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-mine" } });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
  assert.match(preflight.headers.get("access-control-allow-methods"), /POST/);
  assert.equal(preflight.headers.get("access-control-allow-headers"), "authorization,x-mine");
  const wrong = await fetch(env.url("/keys/v1/token"));
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get("allow"), "POST, OPTIONS");
  const { key } = await makeKey(["token"]);
  await works(key);
  assert.equal(await status("/keys/v1/token", key, { method: "POST", body: "{}" }), 200);
  assert.equal(await status("/keys/v1/token", key, { method: "POST", body: "x".repeat(1025) }), 413);
  assert.equal(await status("/keys/v1/token", "phk_0", { method: "POST", body: "x".repeat(1024) }), 401, "refused without reading");
});

test("the rate: 429, when to come again, and what counts", async (t) => {
  const { key } = await makeKey(["realtime"], { user: ann, rate: 6 });
  const other = await makeKey(["realtime"], { user: ann });
  await works(other.key);
  const client = await connect(t, key); // one
  for (let i = 0; i < 10; i++) await client.join(`realtime:r${i}`, []); // none
  for (let i = 0; i < 5; i++) assert.equal(await status("/keys/v1/self", key), 200); // five
  const limited = await ask("/keys/v1/self", key);
  assert.equal(limited.status, 429);
  const after = Number(limited.headers.get("retry-after"));
  assert.ok(after >= 1 && after <= 10, `${after}`);
  assert.equal(limited.headers.get("ratelimit-limit"), "6");
  assert.equal(limited.headers.get("ratelimit-remaining"), "0");
  assert.equal((await limited.json()).error, "ApiKeyRateLimitReached");
  const refused = await handshake(key);
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.retryAfter) >= 1);
  assert.match(refused.text, /^ApiKeyRateLimitReached: /);
  assert.equal(await status("/keys/v1/self", other.key), 200, "another key has a rate of its own");
  assert.equal((await client.reply(client.push("phoenix", "heartbeat", {}))).payload.status, "ok", "what is open stays open");
  await sleep(after * 1000 + 200);
  assert.equal(await status("/keys/v1/self", key), 200);
});

const end = {
  revoked: (id) => env.db.query("select public.revoke_api_key($1)", [id]),
  deleted: (id) => env.db.query("delete from public.api_keys where id = $1", [id]),
  "stripped of its scope": (id) => env.db.query("update public.api_keys set scopes = '{token}' where id = $1", [id]),
};
for (const [how, make] of Object.entries(end)) {
  test(`a key that is ${how} ends what it opened, within a second or so`, async (t) => {
    const { id, key } = await makeKey(["realtime"], { user: ann });
    const stays = await makeKey(["realtime"], { user: ann });
    await works(key);
    await works(stays.key);
    const opened = await connect(t, key);
    const joined = await connect(t, ann.token);
    const bystander = await connect(t, stays.key);
    for (const client of [opened, bystander]) await client.join("realtime:x", everything);
    await joined.join("realtime:x", everything, { access_token: key });
    await joined.join("realtime:y", everything);
    await make(id);
    const { code, reason } = await within(2000, opened.why, "the connection's end");
    assert.equal(code, 1008);
    assert.match(reason, /^InvalidApiKey: /);
    await joined.frame(({ event, topic }) => event === "phx_close" && topic === "realtime:x", "phx_close", 2000);
    assert.equal((await handshake(key)).status, how.startsWith("stripped") ? 403 : 401);
    await remember(ann, "after");
    assert.equal((await joined.change()).topic, "realtime:y", "a channel of a token stays");
    assert.equal((await bystander.change()).topic, "realtime:x", "and so does another key's");
    assert.ok(!joined.frames.some(({ event }) => event === "postgres_changes"));
  });
}

test("a key that expires ends what it opened", async (t) => {
  const { key } = await makeKey(["realtime"], { user: ann, expires: new Date(Date.now() + 4000) });
  await works(key);
  const opened = await connect(t, key);
  const joined = await connect(t, ann.token);
  await opened.join("realtime:x", everything);
  await joined.join("realtime:x", everything, { access_token: key });
  assert.equal((await within(6000, opened.why, "the connection's end")).code, 1008);
  const { payload } = await joined.frame(({ event, payload }) => event === "system" && payload.status === "error", "the system message");
  assert.match(payload.message, /^InvalidApiKey: The API key has expired/);
  assert.equal((await handshake(key)).status, 401);
});

test("a rotated key goes on to the end of its grace, the new one works at once", async (t) => {
  const old = await makeKey(["realtime"], { user: ann });
  await works(old.key);
  const client = await connect(t, old.key);
  const idle = await connect(t, old.key);
  await client.join("realtime:x", everything);
  const fresh = await env.row("select key from public.rotate_api_key($1, '4 s')", [old.id]);
  await works(fresh.key);
  await sleep(1500); // a tick or two
  assert.equal(await status("/keys/v1/self", old.key), 200);
  await remember(ann, "in grace");
  assert.equal((await client.change()).payload.data.record.title, "in grace");
  for (const { why } of [client, idle]) assert.equal((await within(5000, why, "the end of grace")).code, 1008);
  assert.equal(await status("/keys/v1/self", old.key), 401);
  assert.equal(await status("/keys/v1/self", fresh.key), 200);
});

test("a user who changes, changes what the key sees without a new join", async (t) => {
  const { id, key } = await makeKey(["realtime"], { user: ann });
  await works(key);
  const client = await connect(t, key);
  await client.join("realtime:x", everything);
  await env.db.query("update public.api_keys set user_id = $2 where id = $1", [id, bob.id]);
  await eventually(async () => (await (await ask("/keys/v1/self", key)).json()).user_id === bob.id, "the key's new user");
  await sleep(1200); // a tick
  await remember(ann, "no longer");
  await remember(bob, "now");
  assert.equal((await client.change()).payload.data.record.title, "now");
});

test("TRUNCATE ends all of them", async (t) => {
  const own = await Env.start({ cluster: env.cluster, seed: false });
  t.after(() => own.stop());
  const keys = [await makeKey(["realtime"], { on: own }), await makeKey(["realtime"], { on: own })];
  for (const { key } of keys) await works(key, own);
  const client = await connect(t, keys[0].key, own);
  await own.db.query("truncate public.api_keys cascade");
  assert.equal((await within(2000, client.why, "the connection's end")).code, 1008);
  for (const { key } of keys) assert.equal(await status("/keys/v1/self", key, { on: own }), 401);
});

// By every request, and in a handful of writes.
async function counts(id, on = env) {
  return on.row("select usage_count::int, coalesce((select sum(requests) from public.api_key_usage where api_key_id = $1), 0)::int as requests, coalesce((select sum(errors) from public.api_key_usage where api_key_id = $1), 0)::int as errors from public.api_keys where id = $1", [id]);
}
const updates = async (on = env) => {
  await on.db.query("select pg_stat_clear_snapshot()");
  return Number((await on.row("select n_tup_upd as n from pg_stat_user_tables where relname = 'api_keys'")).n);
};

test("use is counted exactly, in a handful of writes, and nothing else comes of it", async (t) => {
  const { id, key } = await makeKey(["realtime"], { user: ann });
  await works(key);
  await eventually(async () => (await counts(id)).requests >= 1, "a first flush");
  const start = await counts(id);
  const watcher = await connect(t, jwt(env.secret, { role: "service_role" }));
  await watcher.join("realtime:w", [{ event: "*", schema: "public", table: "api_keys" }, { event: "*", schema: "public", table: "api_key_usage" }]);
  await env.caughtUp();
  await sleep(300);
  watcher.frames.length = called.length = 0;
  const before = await updates();
  const audited = async () => (await env.row("select count(*)::int as n from public.audit_logs where resource_type in ('public.api_keys', 'public.api_key_usage')")).n;
  const entries = await audited();
  for (let i = 0; i < 200; i++) assert.equal(await status(i % 10 === 0 ? "/keys/v1/token" : "/keys/v1/self", key, { method: i % 10 === 0 ? "POST" : "GET" }), i % 10 === 0 ? 403 : 200);
  await eventually(async () => (await counts(id)).requests >= start.requests + 200, "all of them written", 5000);
  assert.deepEqual(await counts(id), { usage_count: start.usage_count + 200, requests: start.requests + 200, errors: start.errors + 20 });
  await eventually(async () => (await updates()) > before, "the statistics");
  await sleep(1500);
  const writes = (await updates()) - before;
  assert.ok(writes <= 10, `${writes} updates for 200 requests`);
  await env.caughtUp();
  await sleep(500);
  assert.equal(await audited(), entries, "no audit entries");
  assert.deepEqual(called, [], "no webhook is called");
  assert.ok(!watcher.frames.some(({ event }) => event === "postgres_changes"), "no browser is told");
  await env.db.query("update public.api_keys set name = 'renamed' where id = $1", [id]);
  assert.equal((await watcher.change()).payload.data.record.name, "renamed", "but of what is a change they are");
  await eventually(() => called.some(({ type, data }) => type === "api_keys.update" && data.record.name === "renamed"), "the webhook");
  await eventually(async () => (await audited()) === entries + 1, "the audit entry");
});

test("SIGTERM writes down what is counted", async (t) => {
  const own = await Env.start({ cluster: env.cluster, seed: false, config: { api_key_usage_flush: "1h" } });
  t.after(() => own.stop());
  const { id, key } = await makeKey(["realtime"], { on: own });
  await works(key, own);
  const client = await connect(t, key, own);
  for (let i = 0; i < 20; i++) await status("/keys/v1/self", key, { on: own });
  assert.equal((await counts(id, own)).requests, 0, "nothing yet");
  const { api_key_requests_total: requests } = await own.stats();
  assert.ok(requests >= 22);
  assert.equal((await own.kill("SIGTERM")).code, 0);
  assert.equal((await within(1000, client.why, "goodbye")).code, 1001);
  assert.equal((await counts(id, own)).requests, requests);
});

test("keys work while their connection is down, and what was missed is made up for", async () => {
  const { id, key } = await makeKey(["realtime"], { user: ann });
  const doomed = await makeKey(["realtime"], { user: ann });
  await works(key);
  await works(doomed.key);
  await eventually(async () => (await counts(id)).requests >= 1, "a first flush");
  await sleep(1200);
  const start = await counts(id);
  const blocker = await env.connect();
  await blocker.query("begin; lock table public.api_keys in access exclusive mode");
  for (let i = 0; i < 30; i++) assert.equal(await status("/keys/v1/self", key), 200, "with the table locked");
  await sleep(1500); // a write that fails
  const backend = "from pg_stat_activity where datname = current_database() and application_name = 'pgherald keys'";
  await eventually(() => env.row(`select pg_terminate_backend(pid, 1000) ${backend} and wait_event_type = 'Lock'`), "one that is cut off");
  for (let i = 0; i < 30; i++) assert.equal(await status("/keys/v1/self", key), 200, "without a connection");
  await blocker.query("rollback");
  await blocker.end();
  await eventually(async () => (await counts(id)).requests === start.requests + 60, "all of them written");
  await env.db.query(`begin; select pg_terminate_backend(pid, 1000) ${backend}; delete from public.api_keys where id = '${doomed.id}'; commit`);
  await eventually(async () => (await status("/keys/v1/self", doomed.key)) === 401, "what nobody heard of to be noticed");
  await sleep(1500);
  assert.equal((await counts(id)).requests, start.requests + 60, "and none counted twice");
});

test("a token in the key's place", async (t) => {
  const { id, key } = await makeKey(["token", "realtime"], { user: ann });
  await works(key);
  const { access_token, token_type, expires_in, expires_at } = await (await ask("/keys/v1/token", key, { method: "POST" })).json();
  assert.deepEqual([token_type, expires_in], ["bearer", 600]);
  const [head, body, signature] = access_token.split(".");
  assert.equal(createHmac("sha256", env.secret).update(`${head}.${body}`).digest("base64url"), signature);
  assert.deepEqual(JSON.parse(Buffer.from(head, "base64url")), { alg: "HS256", typ: "JWT" });
  const claims = JSON.parse(Buffer.from(body, "base64url"));
  assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 5);
  assert.deepEqual(claims, { role: "authenticated", sub: ann.id, aud: "authenticated", iat: claims.iat, exp: claims.iat + 600, iss: "pgherald", api_key_id: id, scopes: ["token", "realtime"] });
  assert.equal(expires_at, claims.exp);
  const client = await connect(t, access_token);
  await client.join("realtime:x", everything);
  await remember(ann, "by token");
  assert.equal((await client.change()).payload.data.record.title, "by token");
  assert.equal(await status("/keys/v1/token", access_token, { method: "POST" }), 403, "a token is not exchanged again");
  const short = await makeKey(["token"], { expires: new Date(Date.now() + 60000) });
  await works(short.key);
  const brief = await (await ask("/keys/v1/token", short.key, { method: "POST" })).json();
  assert.ok(brief.expires_in <= 60 && brief.expires_in > 50, "not beyond the key's own end");
});

test("more keys than there is room for: the oldest work, and others as room is made", async (t) => {
  const own = await Env.start({ cluster: env.cluster, seed: false, daemon: false, config: { api_keys_max: "3" } });
  t.after(() => own.stop());
  const keys = [];
  for (let i = 0; i < 5; i++) keys.push(await makeKey(["realtime"], { on: own }));
  await own.run();
  const codes = async () => (await Promise.all(keys.map(({ key }) => status("/keys/v1/self", key, { on: own })))).join(" ");
  await eventually(async () => (await codes()) === "200 200 200 401 401", "the oldest three");
  const { api_keys, api_keys_over } = await own.stats();
  assert.deepEqual([api_keys, api_keys_over], [3, 2]);
  assert.match(own.logText(), /left out; raise api_keys_max.*keys=2/);
  await own.db.query("select public.revoke_api_key($1)", [keys[0].id]);
  await eventually(async () => (await codes()) === "401 200 200 200 401", "the next in line");
  keys.push(await makeKey(["realtime"], { on: own }));
  await eventually(async () => (await own.stats()).api_keys_over === 2, "one more left out");
});

test("without 010_api_keys.sql keys are refused for now, and the log says what to do", async (t) => {
  const own = await Env.start({ cluster: env.cluster, seed: false, daemon: false });
  t.after(() => own.stop());
  await own.db.query("drop view pgherald.live_api_keys");
  const { key } = await makeKey(["realtime"], { on: own });
  await own.run();
  const refused = await ask("/keys/v1/self", key, { on: own });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "5");
  assert.equal((await refused.json()).error, "InitializingProjectConnection");
  assert.equal((await handshake(key, own)).status, 503);
  await eventually(() => /pgherald init/.test(own.logText()), "the hint");
  const client = await connect(t, jwt(own.secret, { role: "anon" }), own);
  assert.equal((await client.join("realtime:x", [])).reply.payload.status, "ok", "tokens work");
  assert.match((await client.join("realtime:y", [], { access_token: key })).reply.payload.response.reason, /^InitializingProjectConnection: /);
});

test("admin_auth: metrics for those who may, health for all", async (t) => {
  const own = await Env.start({ cluster: env.cluster, seed: false, config: { admin_auth: "on" } });
  t.after(() => own.stop());
  const admin = await makeKey(["admin"], { on: own });
  const other = await makeKey(["realtime", "service_role"], { on: own });
  await works(admin.key, own);
  await works(other.key, own);
  const code = async (path, token) => {
    const response = await fetch(`http://127.0.0.1:${own.adminPort}${path}`, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
    await response.arrayBuffer();
    return response.status;
  };
  for (const path of ["/metrics", "/status.json"]) {
    assert.equal(await code(path), 401);
    assert.equal(await code(`${path}?apikey=${admin.key}`), 401, "no key in a log of requests");
    assert.equal(await code(path, jwt(own.secret, { role: "authenticated" })), 403);
    assert.equal(await code(path, jwt("another secret, also long enough", { role: "service_role" })), 401);
    assert.equal(await code(path, other.key), 403, "a role is no scope");
    assert.equal(await code(path, admin.key), 200);
    assert.equal(await code(path, jwt(own.secret, { role: "service_role" })), 200);
  }
  for (const path of ["/healthz", "/readyz"]) assert.equal(await code(path), 200);
  assert.equal(await code("/keys/v1/self", admin.key), 404, "keys are asked at the other door");
  const told = await own.command("status", "--json");
  assert.equal(told.code, 0, told.stdout + told.stderr);
  assert.equal(JSON.parse(told.stdout).daemon.up, true);
  own.settings.jwt_secret = "another secret, which is long enough";
  const refused = await own.command("status");
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /status 401; does it have the same jwt_secret\?/);
});

test("admin_auth off: nobody is asked", async () => {
  assert.equal((await fetch(`http://127.0.0.1:${env.adminPort}/metrics`)).status, 200);
  const { daemon } = JSON.parse((await env.command("status", "--json")).stdout);
  assert.equal(daemon.up, true);
  for (const name of ["api_keys", "api_key_requests_total", "api_key_unknown_total", "api_key_out_of_scope_total", "api_key_limited_total", "api_key_usage_rows_total"]) assert.ok(daemon.stats[name] > 0, name);
  assert.equal(daemon.stats.api_key_usage_lost_total, 0);
});

test("keys are never in the log", async () => {
  assert.doesNotMatch(env.logText(), /phk_[0-9a-f]{8}/);
});
