// pgherald webhooks: look at endpoints, try them, mend them.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import https from "node:https";
import http2 from "node:http2";
import { Authority } from "./certificates.mjs";
import { Env, eventually } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env, owner;

before(async () => {
  env = await Env.start();
  owner = await env.user();
});
after(() => env?.stop());

let names = 0;
async function endpoint(t, behave, columns = {}) {
  const receiver = await Receiver.start({ behave });
  const all = { name: `hook ${++names}`, url: receiver.url(), events: "{memories.insert}", ...columns };
  const keys = Object.keys(all);
  const hook = await env.row(
    `insert into public.webhooks (${keys.join(", ")}) values (${keys.map((_, i) => `$${i + 1}`).join(", ")}) returning id, secret, name`,
    Object.values(all),
  );
  t.after(async () => {
    await env.db.query("delete from public.webhooks where id = $1", [hook.id]);
    await env.caughtUp();
    await receiver.stop();
  });
  return { receiver, ...hook };
}

const remember = (title) => env.db.query("insert into public.memories (user_id, title, content) values ($1, $2, 'c')", [owner.id, title]);
const deliveries = (hook) => env.rows("select * from public.webhook_deliveries where webhook_id = $1 order by id", [hook.id]);
const failed = (hook, count) =>
  eventually(async () => (await deliveries(hook)).filter(({ status }) => status === "failed").length === count, `${count} failed deliveries`);

async function webhooks(...args) {
  const out = await env.command("webhooks", ...args);
  assert.equal(out.code, 0, out.stderr);
  return out.stdout;
}
const asJson = async (...args) => JSON.parse(await webhooks(...args, "--json"));

test("list shows each webhook without credentials; --failing only those with trouble", async (t) => {
  const good = await endpoint(t, () => 200);
  const bad = await endpoint(t, () => 500, { max_retries: 0, user_id: owner.id });
  await endpoint(t, () => 200, { url: "https://example.com/in?token=secret#f", name: "with credentials" });
  await remember("listed");
  await failed(bad, 1);
  await eventually(async () => (await deliveries(good))[0]?.status === "delivered", "the good one's delivery");
  const all = await asJson("list");
  const line = (hook) => all.find(({ id }) => id === hook.id);
  assert.deepEqual(
    { ...line(bad), last_success: undefined },
    {
      id: bad.id, name: bad.name, url: bad.receiver.url(), owner: owner.id, active: true, disabled_reason: null,
      health: "failing", failing_since: line(bad).failing_since, consecutive_failures: 1, pending: 0, failed: 1, last_success: undefined, rule_error: null,
    },
  );
  assert.match(line(bad).failing_since, /^20..-/);
  assert.equal(line(good).health, "ok");
  assert.match(line(good).last_success, /^20..-/);
  assert.equal(all.find(({ name }) => name === "with credentials").url, "https://example.com/in?...");
  const table = await webhooks("list");
  assert.match(table, /^id +name +url +owner +active +health +pending +failed +last success/);
  assert.ok(!/secret|whsec_/.test(table));
  const troubled = await webhooks("list", "--failing");
  assert.ok(troubled.includes(bad.id) && !troubled.includes(good.id));
  assert.equal(await webhooks(), table, "list is meant when nothing is said");
});

test("a webhook that the daemon cannot read is not called healthy, and show says why", async (t) => {
  const good = await endpoint(t, () => 200);
  const filter = await endpoint(t, () => 200);
  const header = await endpoint(t, () => 200);
  // as they may be from before the database refused them
  await env.db.query("alter table public.webhooks disable trigger check_webhook");
  await env.db.query("update public.webhooks set filter = 'title=match.[a' where id = $1", [filter.id]);
  await env.db.query(`update public.webhooks set headers = '{"Host": "x"}' where id = $1`, [header.id]);
  await env.db.query("alter table public.webhooks enable trigger check_webhook");
  const failing = await asJson("list", "--failing");
  const line = (hook) => failing.find(({ id }) => id === hook.id);
  assert.equal(line(good), undefined);
  assert.equal(line(filter).health, "rejected");
  assert.match(line(filter).rule_error, /^column filter: term 1 of the condition, "title=match\.\[a"/);
  assert.match(line(header).rule_error, /headers must not set Host/);
  assert.match(await webhooks("show", filter.id), /rule_error +column filter: /);
  await env.db.query("insert into pgherald.webhook_health (webhook_id, breaker, breaker_until) values ($1, 'open', '2099-01-02 03:04:05+00')", [good.id]);
  const { health, breaker_until } = await asJson("show", good.id);
  assert.deepEqual({ health, breaker_until }, { health: "breaker open", breaker_until: "2099-01-02T03:04:05Z" });
  assert.equal((await asJson("show", good.id)).rule_error, null);
  const [off] = await asJson("disable", filter.id);
  assert.equal(off.health, "disabled");
});

test("show has the endpoint and its last attempts, and never the secret", async (t) => {
  const hook = await endpoint(t, () => ({ status: 503, body: "busy" }), {
    max_retries: 0, headers: JSON.stringify({ Authorization: "Bearer top-secret" }), filter: "title=neq.x",
  });
  await remember("shown");
  await failed(hook, 1);
  const shown = await asJson("show", hook.id);
  assert.equal(shown.name, hook.name);
  assert.deepEqual(shown.headers, ["Authorization"]);
  assert.equal(shown.filter, "title=neq.x");
  assert.equal(shown.failed, 1);
  assert.equal(shown.last_attempts.length, 1);
  const [attempt] = shown.last_attempts;
  assert.equal(attempt.status_code, 503);
  assert.equal(attempt.error, "HTTP 503");
  assert.equal(attempt.delivery_status, "failed");
  assert.ok(attempt.duration_ms >= 0);
  assert.match(attempt.webhook_id, /^msg_/);
  const text = await webhooks("show", hook.name);
  assert.match(text, /events +\["memories.insert"\]/);
  assert.match(text, /memories\.insert +1 +503 +\d+ +HTTP 503/);
  for (const secret of [hook.secret, "top-secret"]) assert.ok(!text.includes(secret) && !JSON.stringify(shown).includes(secret));
});

test("test sends a signed sample and prints the whole exchange", async (t) => {
  const hook = await endpoint(t, () => ({ status: 201, headers: { "X-Answer": "yes", "Set-Cookie": "a=b" }, body: "thanks\u0007" }), {
    headers: JSON.stringify({ Authorization: "Bearer top-secret", "X-Tenant": "acme" }),
  });
  await env.db.query("update public.webhooks set url = $2 where id = $1", [hook.id, hook.receiver.url("/hook?token=quiet")]);
  const said = await asJson("test", hook.id);
  const [request] = hook.receiver.requests;
  Receiver.verify(hook.secret, request);
  assert.equal(request.path, "/hook?token=quiet");
  assert.equal(request.headers["webhook-test"], "true");
  assert.equal(request.body.type, "pgherald.webhook_test.insert");
  assert.equal(said.request.line, "POST /hook?... HTTP/1.1");
  assert.equal(said.request.body, request.text);
  const header = (message, name) => message.headers.find((one) => one.name.toLowerCase() === name)?.value;
  assert.equal(header(said.request, "webhook-signature"), request.headers["webhook-signature"]);
  assert.equal(header(said.request, "webhook-id"), request.id);
  assert.equal(header(said.request, "x-tenant"), "acme");
  assert.equal(header(said.request, "authorization"), "[hidden]");
  assert.deepEqual([said.connection.address, said.connection.port], ["127.0.0.1", hook.receiver.port]);
  assert.equal(said.response.status, 201);
  assert.equal(header(said.response, "x-answer"), "yes");
  assert.equal(header(said.response, "set-cookie"), "[hidden]");
  assert.equal(said.response.body, "thanks\u0007");
  assert.ok(said.timings_ms.total >= said.timings_ms.first_byte);
  assert.equal(said.ok, true);
  const text = await webhooks("test", hook.name);
  assert.match(text, /^> POST \/hook\?\.\.\. HTTP\/1\.1$/m);
  assert.match(text, /^> webhook-signature: v1,/m);
  assert.match(text, /^\* connected to 127\.0\.0\.1 port \d+, HTTP\/1\.1$/m);
  assert.match(text, /^< thanks\?$/m, "no control character reaches the terminal");
  assert.match(text, /^ok: HTTP 201$/m);
  const open = await webhooks("test", hook.id, "--show-headers");
  assert.match(open, /^> Authorization: Bearer top-secret$/m);
  assert.match(open, /^> POST \/hook\?token=quiet HTTP\/1\.1$/m);
  assert.equal((await deliveries(hook)).length, 0, "nothing is recorded");
});

test("test exits 1 if the answer is not 2xx, and says where it broke", async (t) => {
  const sick = await endpoint(t, () => ({ status: 500, body: "on fire" }));
  const dead = await endpoint(t, () => 200, { url: "http://127.0.0.1:9/" });
  const failing = await env.command("webhooks", "test", sick.id);
  assert.equal(failing.code, 1);
  assert.match(failing.stdout, /^< on fire$/m);
  assert.match(failing.stdout, /^failed: HTTP 500$/m);
  const refused = await env.command("webhooks", "test", dead.id, "--json");
  assert.equal(refused.code, 1);
  assert.match(JSON.parse(refused.stdout).error, /^connecting: /);
  const strict = { ...env.environment, PGHERALD_WEBHOOK_ALLOW_PRIVATE: "off" };
  const guarded = await env.command.call({ environment: strict }, "webhooks", "test", sick.id);
  assert.equal(guarded.code, 1);
  assert.match(guarded.stdout, /^! connecting: refused, the host's address is not public/m);
  assert.equal(sick.receiver.requests.length, 1, "the same guard as for deliveries");
});

test("networks and hosts that may be called, and those that alone are", async (t) => {
  const hook = await endpoint(t, () => 200);
  const { port } = hook.receiver;
  const not_public = /refused, the host's address is not public/;
  const not_listed = /refused, webhook_only lists neither the host nor its address/;
  for (const [settings, url, reason] of [
    [{ ALLOW: "" }, `http://localhost:${port}/`, not_public],
    [{ ALLOW: "localhost" }, `http://localhost:${port}/`, null],
    [{ ALLOW: "localhost" }, `http://LocalHost:${port}/`, null],
    [{ ALLOW: "*host" }, `http://localhost:${port}/`, null],
    [{ ALLOW: "localhost" }, `http://127.0.0.1:${port}/`, not_public],
    [{ ALLOW: "localhost" }, `http://127.0.0.1:${port}/#@localhost/`, not_public],
    [{ ALLOW: "localhost" }, `http://127.0.0.1:${port}/?a=@localhost:${port}/`, not_public],
    [{ ALLOW: "10.0.0.0/8,127.0.0.0/30" }, `http://localhost:${port}/`, null],
    [{ ALLOW: "127.0.0.2/31" }, `http://127.0.0.1:${port}/`, not_public],
    [{ ALLOW: "127.0.0.0/8", ONLY: "*.example.com" }, `http://127.0.0.1:${port}/`, not_listed],
    [{ ALLOW: "127.0.0.0/8", ONLY: "localhost" }, `http://127.0.0.1:${port}/`, not_listed],
    [{ ALLOW: "127.0.0.0/8", ONLY: "localhost" }, `http://localhost:${port}/`, null],
    [{ ALLOW: "127.0.0.0/8", ONLY: "127.0.0.1" }, `http://2130706433:${port}/`, null],
    [{ ONLY: "127.0.0.1" }, `http://127.0.0.1:${port}/`, not_public],
    [{ ALLOW_PRIVATE: "on", ONLY: "10.0.0.0/8" }, `http://127.0.0.1:${port}/`, not_listed],
  ]) {
    await env.db.query("update public.webhooks set url = $2 where id = $1", [hook.id, url]);
    const named = Object.entries({ ALLOW_PRIVATE: "off", ...settings }).map(([name, value]) => [`PGHERALD_WEBHOOK_${name}`, value]);
    const { code, stdout } = await env.command.call({ environment: { ...env.environment, ...Object.fromEntries(named) } }, "webhooks", "test", hook.id, "--json");
    const says = `${url} with ${JSON.stringify(settings)}`;
    if (reason) assert.match(JSON.parse(stdout).error ?? "", reason, says);
    assert.equal(code, reason ? 1 : 0, `${says}: ${stdout}`);
  }
  assert.equal(hook.receiver.requests.length, 6);
});

test("test over TLS says the version, the certificate and the verdict", async (t) => {
  const authority = new Authority();
  const good = authority.issue("good", "IP:127.0.0.1");
  const old = authority.issue("old", "IP:127.0.0.1", -1);
  const trusting = { environment: { ...env.environment, PGHERALD_WEBHOOK_CA_FILE: authority.file } };
  const listening = async (server) => {
    server.on("request", (request, response) => response.writeHead(204).end()).on("tlsClientError", () => {});
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    t.after(() => server.close());
    return endpoint(t, () => 200, { url: `https://127.0.0.1:${server.address().port}/` });
  };
  const hook = await listening(http2.createSecureServer(good));
  const { code, stdout } = await env.command.call(trusting, "webhooks", "test", hook.id, "--json");
  assert.equal(code, 0, stdout);
  const { connection, timings_ms, request, response } = JSON.parse(stdout);
  assert.equal(connection.http_version, "2");
  assert.equal(connection.tls_version, "TLSv1.3");
  assert.equal(connection.certificate, "verified");
  assert.match(connection.certificate_subject, /good/);
  assert.match(connection.certificate_issuer, /tests/);
  assert.match(connection.certificate_expires, /20\d\d GMT$/);
  assert.ok(timings_ms.tls > 0);
  assert.equal(request.line, "POST / HTTP/2");
  assert.equal(response.status, 204);
  const expired = await listening(https.createServer(old));
  const refused = await env.command.call(trusting, "webhooks", "test", expired.id);
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /^! TLS handshake: .*certificate has expired/m);
  const stranger = await env.command("webhooks", "test", hook.id, "--json");
  assert.equal(stranger.code, 1);
  assert.match(JSON.parse(stranger.stdout).error, /^TLS handshake: /);
});

test("test --print sends nothing", async (t) => {
  const hook = await endpoint(t, () => 200);
  const text = await webhooks("test", hook.id, "--print");
  assert.match(text, new RegExp(`^> POST http://127.0.0.1:${hook.receiver.port}/hook$`, "m"));
  assert.match(text, /^> webhook-signature: v1,/m);
  assert.match(text, /^> \{"type":"pgherald\.webhook_test\.insert"/m);
  assert.equal(hook.receiver.requests.length, 0);
});

test("disable, with a reason, and enable", async (t) => {
  const hook = await endpoint(t, () => 200);
  const [line] = await asJson("disable", hook.id, "--reason", "maintenance");
  assert.deepEqual([line.active, line.disabled_reason, line.health], [false, "maintenance", "disabled"]);
  await remember("waits");
  await env.caughtUp();
  assert.deepEqual((await deliveries(hook)).map(({ status }) => status), ["pending"]);
  assert.equal(hook.receiver.requests.length, 0);
  const [again] = await asJson("enable", hook.name);
  assert.deepEqual([again.active, again.disabled_reason], [true, null]);
  await remember("heard");
  await eventually(() => hook.receiver.requests.length === 2, "both calls");
});

test("retry makes what was given up pending again, with the same id and its history", async (t) => {
  let status = 500;
  const hook = await endpoint(t, () => status, { max_retries: 0 });
  for (const title of ["one", "two", "three"]) await remember(title);
  await failed(hook, 3);
  const [first] = await deliveries(hook);
  assert.deepEqual(await asJson("retry", hook.id, "--delivery", first.id), { webhook: hook.id, retried: 1 });
  await env.kill("SIGTERM"); // a daemon that starts looks at once, not in half a minute
  await env.run();
  await failed(hook, 3);
  const history = await env.rows("select attempt, status_code from public.webhook_attempts where delivery_id = $1 order by attempt", [first.id]);
  assert.deepEqual(history, [{ attempt: 1, status_code: 500 }, { attempt: 2, status_code: 500 }]);
  status = 200;
  assert.deepEqual(await asJson("retry", hook.id, "--failed", "--since", "2099-01-01"), { webhook: hook.id, retried: 0 });
  assert.match(await webhooks("retry", hook.name, "--failed", "--since", "1h"), /^3 deliveries are pending again$/m);
  await env.kill("SIGTERM");
  await env.run();
  await eventually(async () => (await deliveries(hook)).every((row) => row.status === "delivered"), "all delivered");
  const ids = hook.receiver.requests.map(({ id }) => id);
  assert.equal(ids.length, 7);
  assert.equal(new Set(ids).size, 3);
  for (const [args, code, text] of [
    [["--delivery", first.id], 1, /is delivered; only what was given up/],
    [["--delivery", "999999999"], 64, /has no delivery 999999999/],
    [["--delivery", "1", "--failed"], 64, /--delivery is for one/],
    [["--delivery", "x"], 64, /no number of a row/],
  ]) {
    const out = await env.command("webhooks", "retry", hook.id, ...args);
    assert.equal(out.code, code, out.stderr);
    assert.match(out.stderr, text);
  }
});

test("rotate prints a new secret once; until the overlap ends both sign", async (t) => {
  const hook = await endpoint(t, () => 200);
  const rotated = await asJson("rotate", hook.id, "--overlap", "1h");
  assert.match(rotated.secret, /^whsec_/);
  assert.equal(rotated.public_key, null);
  assert.ok(Math.abs(new Date(rotated.former_valid_until) - Date.now() - 3600_000) < 60_000);
  await remember("both");
  await webhooks("test", hook.id);
  await eventually(() => hook.receiver.requests.length === 2, "a delivery and a test");
  for (const request of hook.receiver.requests) for (const secret of [hook.secret, rotated.secret]) Receiver.verify(secret, request);
  assert.ok(!(await webhooks("show", hook.id)).includes("whsec_"));
  const { signs_with } = await asJson("show", hook.id);
  assert.deepEqual(signs_with, [{ scheme: "v1", until: null }, { scheme: "v1", until: rotated.former_valid_until }]);
  const text = await webhooks("rotate", hook.name, "--overlap", "0", "--scheme", "v1a");
  assert.match(text, /^secret +whsk_/m);
  const [, key] = text.match(/^public key +(whpk_\S+)$/m);
  const said = await asJson("test", hook.id);
  const signatures = said.request.headers.find(({ name }) => name.toLowerCase() === "webhook-signature").value;
  assert.match(signatures, /^v1a,[^ ]+$/, "the new one alone");
  const request = hook.receiver.requests.at(-1);
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(key.slice(5), "base64")]);
  const signed = Buffer.from(`${request.id}.${request.headers["webhook-timestamp"]}.${request.text}`);
  assert.ok(verify(null, signed, createPublicKey({ key: spki, format: "der", type: "spki" }), Buffer.from(signatures.slice(4), "base64")));
  assert.match((await asJson("rotate", hook.id)).secret, /^whsk_/, "the scheme stays what it is");
});

test("what cannot be understood or found is said, and exits 64", async (t) => {
  const twins = [await endpoint(t, () => 200, { name: "twin" }), await endpoint(t, () => 200, { name: "twin" })];
  for (const [args, text] of [
    [["show", "nobody"], /no webhook with the id or name "nobody"; pgherald webhooks lists them/],
    [["show", "twin"], /2 webhooks are called "twin"; say the id/],
    [["show"], /needs more words/],
    [["frobnicate"], /has no action frobnicate/],
    [["retry", "twin", "--since", "yesterday"], /--since: "yesterday" is no time/],
    [["replay", "--since", "1h"], /needs --endpoint/],
    [["rotate", "twin", "--scheme", "rsa"], /neither v1 nor v1a/],
    [["show", "twin", "--reason", "x"], /--reason is not for webhooks show/],
  ]) {
    const out = await env.command("webhooks", ...args);
    assert.equal(out.code, 64, `${args}: ${out.stderr}`);
    assert.match(out.stderr, text);
  }
  const out = await env.command("webhooks", "show", "twin");
  for (const { id } of twins) assert.ok(out.stderr.includes(id));
});

test("a database user without rights is told so", async (t) => {
  const hook = await endpoint(t, () => 200);
  const role = `nobody_${env.name}`;
  await env.db.query(`create role ${role} login`);
  t.after(() => env.db.query(`drop owned by ${role}; drop role ${role}`));
  const as = { environment: { ...env.environment, PGHERALD_DATABASE_URL: env.settings.database_url.replace("postgres@", `${role}@`) } };
  const refused = await env.command.call(as, "webhooks", "list");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /permission denied/);
  await env.db.query(`grant usage on schema public to ${role}; grant select on public.webhooks to ${role}`);
  const hidden = await env.command.call(as, "webhooks", "show", hook.id);
  assert.equal(hidden.code, 64);
  assert.match(hidden.stderr, /row level security hides it/);
});

test("every action has its help", async () => {
  const all = (await env.command("webhooks", "--help")).stdout;
  for (const action of ["list", "show", "test", "enable", "disable", "rotate", "retry", "replay"]) {
    assert.ok(all.includes(`pgherald webhooks ${action}`) || all.includes(`pgherald webhooks [${action}]`), action);
    const { code, stdout } = await env.command("webhooks", action, "--help");
    assert.equal(code, 0);
    assert.match(stdout, /^usage: pgherald webhooks /);
    assert.ok(!stdout.includes("(null)"));
  }
});
