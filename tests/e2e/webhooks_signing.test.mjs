// Signatures of webhooks: v1 and v1a, and a rotation during which old and new receivers both verify.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { Env, eventually } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

let env, owner, receiver, hook;

before(async () => {
  env = await Env.start({ config: { log_level: "debug" } });
  owner = await env.user();
  receiver = await Receiver.start();
});
after(async () => {
  await receiver?.stop();
  await env?.stop();
});

async function make(t) {
  receiver.requests.length = 0;
  hook = await env.row("insert into public.webhooks (user_id, name, url, events) values ($1, $2, $3, '{memories.insert}') returning id, secret", [
    owner.id,
    t.name.slice(0, 60),
    receiver.url(),
  ]);
  t.after(async () => {
    await env.db.query("delete from public.webhooks where id = $1", [hook.id]);
    await env.caughtUp();
  });
}

// What the receiver gets for a change that is made now.
async function call() {
  const before = receiver.requests.length;
  await env.db.query("insert into public.memories (user_id, title, content) values ($1, 't', 'c')", [owner.id]);
  await eventually(() => receiver.requests.length > before, "a call");
  return receiver.requests.at(-1);
}

const signatures = (request) => request.headers["webhook-signature"].split(" ");
const rotate = async (overlap) => (await env.row("select * from public.rotate_webhook_secret($1, $2)", [hook.id, overlap])).secret;
const accepts = (secret, request) => {
  try {
    Receiver.verify(secret, request);
    return true;
  } catch {
    return false;
  }
};

// An ed25519 key pair as Standard Webhooks writes it, made by node.
function asymmetric() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const half = (key, member) => Buffer.from(key.export({ format: "jwk" })[member], "base64url");
  const open = half(publicKey, "x");
  return { secret: `whsk_${Buffer.concat([half(privateKey, "d"), open]).toString("base64")}`, public: `whpk_${open.toString("base64")}` };
}

function acceptsAsymmetric(publicKey, request) {
  const x = Buffer.from(publicKey.slice(5), "base64").toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const signed = Buffer.from(`${request.id}.${request.headers["webhook-timestamp"]}.${request.text}`);
  return signatures(request)
    .filter((signature) => signature.startsWith("v1a,"))
    .some((signature) => verify(null, signed, key, Buffer.from(signature.slice(4), "base64")));
}

test("during a rotation the old secret verifies and the new one; afterwards the new one alone", async (t) => {
  await make(t);
  const first = hook.secret;
  assert.ok(accepts(first, await call()));
  const second = await rotate("1 hour");
  assert.notEqual(second, first);
  const both = await call();
  assert.equal(signatures(both).length, 2);
  assert.ok(accepts(first, both), "a receiver that was not changed yet");
  assert.ok(accepts(second, both), "a receiver that has the new secret");
  await env.db.query("update pgherald.webhook_secrets set valid_until = now() where webhook_id = $1", [hook.id]);
  const later = await call();
  assert.equal(signatures(later).length, 1);
  assert.ok(accepts(second, later));
  assert.equal(accepts(first, later), false, "the overlap is over");
});

test("without an overlap the old secret ends at once, and all before it", async (t) => {
  await make(t);
  const secrets = [hook.secret, await rotate("1 hour"), await rotate("1 hour"), await rotate("1 hour")];
  const four = await call();
  for (const secret of secrets) assert.ok(accepts(secret, four));
  const last = await rotate("0");
  const request = await call();
  assert.ok(accepts(last, request));
  assert.deepEqual(secrets.map((secret) => accepts(secret, request)), [false, false, false, false]);
});

test("ed25519 signatures verify with the public key alone, also beside those of a shared secret", async (t) => {
  await make(t);
  const pair = asymmetric();
  await env.db.query("select pgherald.replace_webhook_secret($1, $2, null)", [hook.id, pair.secret]);
  const request = await call();
  assert.deepEqual(signatures(request).map((signature) => signature.split(",")[0]), ["v1a", "v1"]);
  assert.ok(acceptsAsymmetric(pair.public, request));
  assert.equal(acceptsAsymmetric(asymmetric().public, request), false);
  assert.ok(accepts(hook.secret, request), "a receiver that only knows v1 skips the other one");
  await env.db.query("select pgherald.replace_webhook_secret($1, $2, '0')", [hook.id, asymmetric().secret]);
  assert.equal(acceptsAsymmetric(pair.public, await call()), false);
});

test("no secret is in the audit trail, in a delivery, or in what the daemon says", async (t) => {
  await make(t);
  const watcher = await env.row("insert into public.webhooks (name, url, events) values ('watches webhooks', $1, '{webhooks.*,pgherald.*}') returning id, secret", [receiver.url()]);
  t.after(() => env.db.query("delete from public.webhooks where id = $1", [watcher.id]));
  const pair = asymmetric();
  const secrets = [hook.secret, watcher.secret, await rotate("1 hour"), pair.secret];
  await env.db.query("select pgherald.replace_webhook_secret($1, $2, '1 hour')", [hook.id, pair.secret]);
  // refused by the sender, which says so: the halves do not belong together
  const broken = `whsk_${Buffer.alloc(64, 1).toString("base64")}`;
  await env.db.query("update public.webhooks set secret = $2, max_retries = 0 where id = $1", [hook.id, broken]);
  secrets.push(broken);
  await env.db.query("insert into public.memories (user_id, title, content) values ($1, 't', 'c')", [owner.id]);
  await eventually(async () => (await env.row("select count(*)::int as n from public.webhook_deliveries where webhook_id = $1 and status = 'failed'", [hook.id])).n === 1, "the refusal");
  await env.caughtUp();
  const trail = await env.row("select count(*)::int as n, string_agg(l::text, ' ') as text from public.audit_logs l where resource_type = 'public.webhooks'");
  assert.ok(trail.n >= 5);
  const said = await env.row("select string_agg(to_jsonb(d)::text, ' ') as text from public.webhook_deliveries d");
  const tried = await env.row("select string_agg(to_jsonb(a)::text, ' ') as text from public.webhook_attempts a");
  const rules = await env.row("select string_agg(to_jsonb(r)::text, ' ') as text from pgherald.rules r");
  assert.equal((await env.rows("select from public.audit_logs where resource_type = 'pgherald.webhook_secrets'")).length, 0);
  assert.match(trail.text, /\[redacted\]/);
  assert.match(tried.text, /public half of the ed25519 secret/);
  const status = await env.command("status");
  const everything = [trail.text, said.text, tried.text, rules.text, JSON.stringify(status), env.logText()].join("\n");
  for (const secret of secrets) assert.ok(!everything.includes(secret.slice(6, 40)), `${secret.slice(0, 5)}... is somewhere`);
});
