// Tokens: signatures of every kind, key sets in a file and at a URL, and what becomes of clients when
// keys come and go.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import { Cluster, Env, eventually, jwt, patience, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";

const base64url = (value) => Buffer.from(value).toString("base64url");
const seconds = () => Math.floor(Date.now() / 1000);

// A key pair that signs tokens and stands in key sets.
class Key {
  static kinds = {
    RS256: ["rsa", { modulusLength: 2048 }, "sha256"],
    ES256: ["ec", { namedCurve: "P-256" }, "sha256"],
    EdDSA: ["ed25519", {}, null],
  };

  constructor(alg, kid = `${alg}-${randomBytes(4).toString("hex")}`) {
    const [type, options, digest] = Key.kinds[alg];
    Object.assign(this, { alg, kid, digest, ...generateKeyPairSync(type, options) });
  }

  get jwk() {
    return { ...this.publicKey.export({ format: "jwk" }), kid: this.kid, alg: this.alg, use: "sig", key_ops: ["verify"] };
  }

  token(claims, header = {}) {
    const head = base64url(JSON.stringify({ alg: this.alg, kid: this.kid, typ: "JWT", ...header }));
    const body = base64url(JSON.stringify({ exp: seconds() + 3600, ...claims }));
    const signature = sign(this.digest, `${head}.${body}`, { key: this.privateKey, dsaEncoding: "ieee-p1363" });
    return `${head}.${body}.${signature.toString("base64url")}`;
  }
}

const setOf = (...keys) => JSON.stringify({ keys: keys.map((key) => key.jwk ?? key) });

// Where key sets are fetched. `answer` may be changed at any time.
class KeyServer {
  static async start() {
    const server = new KeyServer();
    server.requests = 0;
    server.http = createServer((request, response) => {
      server.requests++;
      server.answer(response, request);
    });
    await server.listen(0);
    return server;
  }

  async listen(port) {
    await new Promise((done) => this.http.listen(port, "127.0.0.1", done));
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}/auth/v1/.well-known/jwks.json`;
  }

  serve(...keys) {
    this.answer = (response) => response.end(setOf(...keys));
  }

  stop() {
    this.http.closeAllConnections();
    return new Promise((done) => this.http.close(done));
  }
}

const folder = mkdtempSync(join(tmpdir(), "pgherald-tokens-"));
const file = join(folder, "jwks.json");
const keys = Object.fromEntries(Object.keys(Key.kinds).map((alg) => [alg, new Key(alg)]));

function writeFile(text) {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

// One daemon reads the file, another fetches from `rare` (once an hour), a third, which is started
// when it is needed, from `often`.
let cluster, env, ann, rare, rareKey, rarely;

before(async () => {
  cluster = await Cluster.start();
  writeFile(setOf(...Object.values(keys)));
  rare = await KeyServer.start();
  rareKey = new Key("ES256");
  rare.serve(rareKey);
  rarely = await Env.start({ cluster, config: { jwt_secret: "", jwt_jwks_url: rare.url, jwt_jwks_refresh: "1h" } });
  env = await Env.start({ cluster, config: { jwt_jwks_file: file } });
  ann = await env.user("ann");
});
after(async () => {
  await env?.stop();
  await rarely?.stop();
  await rare?.stop();
  cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const claimsOf = (user) => ({ role: "authenticated", sub: user.id });
const remember = (title, where = env, user = ann) =>
  where.db.query("insert into public.memories (user_id, title, content) values ($1, $2, 'c')", [user.id, title]);
const bindings = [{ event: "INSERT", schema: "public", table: "memories" }];

async function connect(t, token, where = env) {
  const phoenix = await Phoenix.connect(where, token);
  t.after(() => phoenix.close());
  return phoenix;
}

// The join's reply: "ok", or why not.
async function reasonOf(client, topic, token) {
  const { reply } = await client.join(topic, [], { access_token: token });
  return reply.payload.status === "ok" ? "ok" : reply.payload.response.reason;
}

async function handshake(token, where = env) {
  try {
    const phoenix = await Phoenix.connect(where, token);
    await phoenix.close();
    return 101;
  } catch (error) {
    return Number(/\d{3}/.exec(error.message)?.[0]);
  }
}

const quiet = (client) => client.frames.filter(({ event }) => event !== "presence_state");
const isIn = (token, where) => async () => (await handshake(token, where)) === 101;
const isOut = (token, where) => async () => (await handshake(token, where)) === 401;

for (const [alg, key] of Object.entries(keys)) {
  test(`supabase-js with tokens of ${alg}: its own rows, under row level security`, async () => {
    const token = key.token(claimsOf(ann));
    const supabase = createClient(env.url(), key.token({ role: "anon" }), { accessToken: async () => token, realtime: { transport: WebSocket } });
    await supabase.realtime.setAuth(); // the token first, or the join goes out with the key alone
    const titles = [];
    const channel = supabase.channel("mine").on("postgres_changes", { event: "INSERT", schema: "public", table: "memories" }, (payload) => titles.push(payload.new.title));
    await new Promise((done, fail) => channel.subscribe((status, error) => (status === "SUBSCRIBED" ? done() : fail(error ?? status))));
    const bob = await env.user(`bob_${alg.toLowerCase()}`);
    await eventually(async () => {
      await remember("not for ann", env, bob);
      await remember(alg);
      return titles.length > 0;
    }, "a row");
    assert.deepEqual([...new Set(titles)], [alg]);
    await supabase.removeAllChannels();
  });
}

test("who is refused, and in which words", async (t) => {
  const client = await connect(t, ann.token);
  const claims = claimsOf(ann);
  const pem = keys.RS256.publicKey.export({ type: "spki", format: "pem" });
  const hs256 = (header, secret) => {
    const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify({ exp: seconds() + 60, ...claims }))}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  };
  const unsigned = (alg) => `${base64url(JSON.stringify({ alg }))}.${base64url(JSON.stringify({ exp: seconds() + 60, ...claims }))}.`;
  const good = keys.ES256.token(claims);
  const [head, body, signature] = good.split(".");
  const admin = base64url(JSON.stringify({ exp: seconds() + 60, role: "service_role" }));
  const signatureError = "JwtSignatureError: Failed to validate JWT signature";
  const malformed = "MalformedJWT: The token provided is not a valid JWT";
  const refused = {
    "alg none": [unsigned("none"), signatureError],
    "alg nOnE": [unsigned("nOnE"), signatureError],
    "alg none, another's signature": [`${unsigned("none")}${signature}`, signatureError],
    "HS256 by the public key": [hs256({ alg: "HS256", kid: keys.RS256.kid }, pem), signatureError],
    "HS256 by another secret": [hs256({ alg: "HS256" }, "x".repeat(64)), signatureError],
    "a stranger": [new Key("ES256", keys.ES256.kid).token(claims), signatureError],
    "a stranger with his key in the header": [new Key("ES256").token(claims, { jwk: new Key("ES256").jwk }), signatureError],
    "another's kid": [keys.ES256.token(claims, { kid: keys.EdDSA.kid }), signatureError],
    "other claims": [`${head}.${admin}.${signature}`, signatureError],
    crit: [keys.ES256.token(claims, { crit: ["exp"] }), malformed],
    zip: [keys.ES256.token(claims, { zip: "DEF" }), malformed],
    "cut short": [good.slice(0, -2), signatureError],
    "two parts": [`${head}.${body}`, malformed],
    "more behind it": [`${good}=`, malformed],
    huge: ["a".repeat(1 << 20), malformed],
    "huge, but signed": [keys.ES256.token({ ...claims, x: "x".repeat(1 << 20) }), malformed],
    expired: [keys.ES256.token({ ...claims, exp: seconds() - 100 }), /^InvalidJWTToken: Token has expired 10\d seconds ago$/],
    "not yet valid": [keys.ES256.token({ ...claims, nbf: seconds() + 100 }), "InvalidJWTToken: Token is not valid yet (nbf)"],
    "no exp": [keys.ES256.token({ ...claims, exp: undefined }), "InvalidJWTToken: Fields `role` and `exp` are required in JWT"],
    "exp as text": [keys.ES256.token({ ...claims, exp: String(seconds() + 100) }), "InvalidJWTToken: Fields `role` and `exp` are required in JWT"],
  };
  for (const [name, [token, want]] of Object.entries(refused)) {
    const reason = await reasonOf(client, "realtime:refused", token);
    if (want instanceof RegExp) assert.match(reason, want, name);
    else assert.equal(reason, want, name);
    if (token.length < 4096) assert.equal(await handshake(token), 401, name);
  }
  assert.equal(await reasonOf(client, "realtime:taken", good), "ok");
  assert.equal(await reasonOf(client, "realtime:taken", keys.RS256.token(claims, { kid: undefined })), "ok");
});

test("a key that leaves the file: its channels rejoin with a newer token, the others stay", async (t) => {
  let token = keys.EdDSA.token(claimsOf(ann));
  const supabase = createClient(env.url(), ann.token, { accessToken: async () => token, realtime: { transport: WebSocket, heartbeatIntervalMs: 1000 } });
  await supabase.realtime.setAuth();
  const titles = [];
  const states = [];
  const channel = supabase.channel("rotating").on("postgres_changes", { event: "INSERT", schema: "public", table: "memories" }, (payload) => titles.push(payload.new.title));
  channel.subscribe((status) => states.push(status));
  await eventually(() => states.includes("SUBSCRIBED"), "SUBSCRIBED");
  const other = await connect(t, keys.ES256.token(claimsOf(ann)));
  await other.join("realtime:other", bindings);
  const direct = await connect(t, keys.EdDSA.token({ role: "anon" }));

  const next = new Key("EdDSA");
  writeFile(setOf(keys.RS256, keys.ES256, keys.EdDSA, next));
  await eventually(isIn(next.token(claimsOf(ann))), "the new key");
  assert.deepEqual(states, ["SUBSCRIBED"]); // nobody has noticed
  const old = token;
  writeFile(setOf(keys.RS256, keys.ES256, next));
  await eventually(() => states.includes("CHANNEL_ERROR"), "CHANNEL_ERROR");
  token = next.token(claimsOf(ann)); // which supabase-js asks for at its next heartbeat
  await eventually(() => states.filter((status) => status === "SUBSCRIBED").length === 2, "the second SUBSCRIBED");
  assert.equal(await direct.closed, 1008); // what it connected with is signed by nobody now
  assert.equal(await handshake(old), 401);
  assert.deepEqual(quiet(other), []);
  await sleep(300);
  await remember("after the rotation");
  await eventually(() => titles.includes("after the rotation"), "a row after the rotation");
  assert.equal((await other.change()).payload.data.record.title, "after the rotation");
  assert.equal((await env.stats()).jwks_dropped_total, 2);
  await supabase.removeAllChannels();
  keys.EdDSA = next;
});

test("a broken file leaves the keys as they are", async (t) => {
  const token = keys.ES256.token(claimsOf(ann));
  const client = await connect(t, token);
  await client.join("realtime:a", bindings);
  const good = readFileSync(file);
  let failed = (await env.stats()).jwks_failed_total;
  for (const text of ["", good.subarray(0, 100), "<html>", '{"keys":[]}', " ".repeat(300000), null]) {
    if (text === null) rmSync(file);
    else writeFile(text);
    await eventually(async () => (await env.stats()).jwks_failed_total > failed, "the failure to be counted");
    failed++;
    assert.equal((await env.stats()).jwks_failed_total, failed);
    assert.equal(await handshake(token), 101);
  }
  writeFile(good);
  await sleep(1500);
  assert.equal((await env.stats()).jwks_failed_total, failed);
  await remember("still here");
  assert.equal((await client.change()).payload.data.record.title, "still here");
  assert.match(env.logText(), /could not take a key set; the keys stay as they are.*a set without keys/);
});

test("the URL: keys rotate; a server that is down, lies or is too much leaves them as they are", async (t) => {
  const server = await KeyServer.start();
  t.after(() => server.stop());
  const [first, second] = [new Key("RS256"), new Key("EdDSA")];
  server.answer = (response) => response.writeHead(503).end();
  env.settings = { ...env.settings, jwt_jwks_url: server.url, jwt_jwks_refresh: "1s" };
  await env.kill("SIGTERM");
  await env.run(); // although no key can be had yet
  const token = first.token(claimsOf(ann));
  assert.equal(await handshake(token), 401);
  server.serve(first);
  await eventually(isIn(token), "the first key");
  const client = await connect(t, token);
  await client.join("realtime:a", bindings);
  assert.equal((await env.stats()).jwks_keys, 4); // with those of the file, which are good as well
  assert.equal(await handshake(keys.ES256.token(claimsOf(ann))), 101);

  const lies = {
    "an error": (response) => response.writeHead(500).end(setOf(second)),
    "a redirect": (response) => response.writeHead(302, { location: "/elsewhere" }).end(),
    garbage: (response) => response.end("<html>not today</html>"),
    "no keys": (response) => response.end('{"keys":[]}'),
    "a secret for everybody": (response) => response.end(setOf({ kty: "oct", kid: "s", k: base64url("x".repeat(64)) })),
    "a hang-up": (response) => response.destroy(),
    "a hang-up in the middle": (response) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write('{"keys":[');
      setTimeout(() => response.destroy(), 50);
    },
    "no end": (response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(" ".repeat(65536)));
      };
      response.on("drain", more);
      more();
    },
  };
  for (const [name, lie] of Object.entries(lies)) {
    const failed = (await env.stats()).jwks_failed_total;
    server.answer = lie;
    await eventually(async () => (await env.stats()).jwks_failed_total > failed, `the failure (${name}) to be counted`);
    assert.equal(await handshake(token), 101, name);
    assert.equal(await handshake(second.token(claimsOf(ann))), 401, name);
  }
  // one whose token is refreshed before the new key is here comes again, and is not shut out
  const early = await connect(t, token);
  const { ref } = await early.join("realtime:early", []);
  early.push("realtime:early", "access_token", { access_token: second.token(claimsOf(ann)) }, { join_ref: ref });
  const { payload } = await early.frame((frame) => frame.event === "system", "why");
  assert.equal(payload.message, "JwtSignatureError: Failed to validate JWT signature");
  await early.frame((frame) => frame.event === "phx_error", "phx_error");

  const { port } = server;
  await server.stop();
  const failed = (await env.stats()).jwks_failed_total;
  await eventually(async () => (await env.stats()).jwks_failed_total > failed, "the failure to connect to be counted");
  await remember("all the same");
  assert.equal((await client.change()).payload.data.record.title, "all the same");
  assert.deepEqual(quiet(client), []);

  server.serve(first, second);
  await server.listen(port);
  await eventually(isIn(second.token(claimsOf(ann))), "the second key");
  assert.deepEqual(quiet(client), []);
  server.serve(second);
  assert.equal(await client.closed, 1008);
  await eventually(isOut(token), "the first key to be gone");
  assert.match((await env.stats()).jwks_read_time_us.toString(), /^\d{16}$/);
});

test("a server that hangs is given up after ten seconds, and nobody waits for it", async (t) => {
  const server = await KeyServer.start();
  t.after(() => server.stop());
  const key = new Key("ES256");
  server.serve(key);
  env.settings = { ...env.settings, jwt_jwks_url: server.url, jwt_jwks_refresh: "1s" };
  await env.kill("SIGTERM");
  await env.run();
  await eventually(isIn(key.token(claimsOf(ann))), "the key");
  const client = await connect(t, key.token(claimsOf(ann)));
  await client.join("realtime:a", bindings);
  const { jwks_failed_total: failed } = await env.stats();
  const asked = new Promise((done) => (server.answer = done));
  await asked;
  const since = Date.now();
  for (let i = 0; i < 5; i++) {
    await remember(`meanwhile ${i}`);
    await client.change(2000);
    assert.equal(await handshake(key.token(claimsOf(ann))), 101);
  }
  await eventually(async () => (await env.stats()).jwks_failed_total > failed, "the failure to be counted", 20000);
  assert.ok(Date.now() - since > 8000);
  assert.match(env.logText(), /timed out/);
  assert.equal(await handshake(key.token(claimsOf(ann))), 101);
  // and one that is under way does not hold up the end
  const again = new Promise((done) => (server.answer = done));
  await again;
  const stopped = Date.now();
  await env.kill("SIGTERM");
  assert.ok(Date.now() - stopped < 6000 * patience, `${Date.now() - stopped} ms`);
});

test("audience, issuer and leeway", async (t) => {
  env.settings = { ...env.settings, jwt_jwks_url: "", jwt_audience: "authenticated, mobile", jwt_issuer: "https://a.example/auth/v1", jwt_leeway: "30s" };
  await env.run();
  const iss = "https://a.example/auth/v1";
  const claims = { ...claimsOf(ann), iss, aud: "authenticated" };
  const client = await connect(t, keys.ES256.token(claims));
  const reason = (more) => reasonOf(client, "realtime:a", keys.ES256.token({ ...claims, ...more }));
  assert.equal(await reason({ aud: ["web", "mobile"] }), "ok");
  assert.equal(await reason({ aud: "web" }), "InvalidJWTToken: Token is meant for another audience (aud)");
  assert.equal(await reason({ aud: undefined }), "InvalidJWTToken: Token is meant for another audience (aud)");
  assert.equal(await reason({ iss: "https://b.example/auth/v1" }), "InvalidJWTToken: Token is from another issuer (iss)");
  assert.equal(await reason({ exp: seconds() - 10, nbf: seconds() + 10 }), "ok");
  assert.match(await reason({ exp: seconds() - 40 }), /has expired/);
  assert.equal(await handshake(jwt(env.secret, claimsOf(ann))), 401); // the rules are for the secret's tokens too
  for (const key of ["jwt_audience", "jwt_issuer", "jwt_leeway"]) delete env.settings[key];
});

test("doctor lists the keys, warns of those that are passed over, and asks the URL", async (t) => {
  const server = await KeyServer.start();
  t.after(() => server.stop());
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });
  server.serve(keys.RS256, { ...small, kid: "small" });
  env.settings = { ...env.settings, jwt_jwks_url: server.url };
  const fine = await env.command("doctor");
  assert.equal(fine.code, 0, fine.stdout);
  for (const key of Object.values(keys)) assert.match(fine.stdout, new RegExp(`^ok +jwt_jwks_file +key "${key.kid}" ${key.alg}$`, "m"));
  assert.match(fine.stdout, new RegExp(`^ok +jwt_jwks_url +key "${keys.RS256.kid}" RS256$`, "m"));
  assert.match(fine.stdout, /^warn +jwt_jwks_url +passed over key "small": an RSA key of 1024 bits; 2048 to 8192 are taken$/m);
  server.answer = (response) => response.writeHead(404).end();
  const sick = await env.command("doctor");
  assert.equal(sick.code, 1);
  assert.match(sick.stdout, /^FAIL +jwt_jwks_url +http:.*: the answer has status 404 instead of 200$/m);
  env.settings = { ...env.settings, jwt_jwks_url: "", jwt_secret: "", jwt_jwks_file: "" };
  assert.match((await env.command("doctor")).stdout, /^warn +jwt_secret +not set, nor is a key set: no WebSocket client is let in$/m);
});

test("a URL without TLS, and a file that is not there, are errors before anything starts", async () => {
  for (const url of ["http://keys.example/jwks.json", "http://127.0.0.1@keys.example/", "http://localhost.example/", "ftp://127.0.0.1/", "https://"]) {
    env.settings = { ...env.settings, jwt_jwks_url: url };
    const { code, stderr } = await env.command("run");
    assert.equal(code, 78, url);
    assert.match(stderr, /PGHERALD_JWT_JWKS_URL: https:\/\/host\/path is wanted/);
  }
  env.settings = { ...env.settings, jwt_jwks_url: "", jwt_jwks_file: join(folder, "missing.json") };
  const { code, stderr } = await env.command("run");
  assert.equal(code, 71);
  assert.match(stderr, /jwt_jwks_file: .*missing\.json: No such file/);
});

test("TLS is verified: with the system's authorities, or those of jwt_jwks_ca_file", async (t) => {
  const [cert, certKey] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=keys", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", certKey, "-out", cert], { stdio: "ignore" });
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(certKey) }, (request, response) => response.end(setOf(keys.ES256)));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  env.settings = { ...env.settings, jwt_jwks_file: "", jwt_jwks_url: `https://127.0.0.1:${server.address().port}/` };
  assert.match((await env.command("doctor")).stdout, /^FAIL +jwt_jwks_url +.*certificate/m);
  env.settings.jwt_jwks_ca_file = cert;
  assert.match((await env.command("doctor")).stdout, /^ok +jwt_jwks_url +key "ES256-/m);
  env.settings.jwt_jwks_url = `https://localhost:${server.address().port}/`; // which the certificate does not name
  assert.match((await env.command("doctor")).stdout, /^FAIL +jwt_jwks_url +.*localhost/m);
});

// Last, since a fetch that clients cause comes 30 s after the one before it at the earliest.
test("a token of an unknown key has the keys fetched at once, but not more often than every 30 s", async (t) => {
  const user = await rarely.user("una");
  assert.equal(await handshake(rareKey.token(claimsOf(user)), rarely), 101);
  assert.equal(rare.requests, 1);
  const next = new Key("EdDSA");
  rare.serve(rareKey, next);
  const token = next.token(claimsOf(user));
  const supabase = createClient(rarely.url(), rareKey.token({ role: "anon" }), { accessToken: async () => token, realtime: { transport: WebSocket } });
  const states = [];
  await supabase.realtime.setAuth();
  supabase.channel("new").subscribe((status) => states.push(status));
  t.after(() => supabase.removeAllChannels());
  await eventually(() => states.includes("SUBSCRIBED"), "SUBSCRIBED, by its own retries", 45000);
  assert.notEqual(states[0], "SUBSCRIBED");
  assert.equal(rare.requests, 2);
  for (let i = 0; i < 5; i++) assert.equal(await handshake(new Key("ES256").token(claimsOf(user)), rarely), 401);
  await sleep(1500);
  assert.equal(rare.requests, 2);
});
