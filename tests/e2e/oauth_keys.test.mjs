// The keys of OAuth tokens: one follows another while the application goes on, and what is missing is said.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { begin, fails, insert, Key, oauth, open, put, seal, secret, shows, token, useKeys, works } from "./oauth.mjs";
import { Cluster, Env, eventually, sleep } from "./harness.mjs";

let cluster, env;

before(async () => {
  cluster = await Cluster.start();
  env = await Env.start({ cluster, daemon: false });
});
after(async () => {
  await env?.stop();
  cluster?.stop();
});

const clear = () => env.db.query("delete from public.google_oauth_tokens");
const many = (count) => new Map(Array.from({ length: count }, (_, i) => [`account-${i}`, `ya29.${randomBytes(20).toString("hex")}`]));

// Many accounts of one user at once: each has the token that `tokens` says.
async function insertMany(key, user, tokens) {
  const accounts = [...tokens.keys()];
  await env.db.query(
    `insert into public.google_oauth_tokens (user_id, google_account_id, access_token_encrypted, encryption_key_id)
     select $1, a, s, $4 from unnest($2::text[], $3::bytea[]) as t (a, s)`,
    [user.id, accounts, accounts.map((account) => seal(key, user.id, account, "access_token_encrypted", tokens.get(account))), key.id],
  );
}

// ---------------------------------------------------------------- from key to key

test("rotation while others write: nothing is lost, and one key is enough afterwards", async (t) => {
  t.after(clear);
  const keys = [new Key("k1"), new Key("k2")];
  const user = await env.user();
  const tokens = many(1500);
  await insertMany(keys[0], user, tokens);
  let busy = true;
  // Writers that know both keys and use either, as programs do while new settings reach them.
  const writer = async (first) => {
    const db = await env.connect();
    for (let i = first; busy; i = (i + 7) % tokens.size) {
      const account = `account-${i}`, fresh = `ya29.${randomBytes(20).toString("hex")}`, key = keys[i % 2];
      await db.query("update public.google_oauth_tokens set access_token_encrypted = $3, encryption_key_id = $4 where user_id = $1 and google_account_id = $2", [
        user.id, account, seal(key, user.id, account, "access_token_encrypted", fresh), key.id,
      ]);
      tokens.set(account, fresh);
    }
    await db.end();
  };
  const writers = [writer(0), writer(3)];
  try {
    for (const order of [[keys[1], keys[0]], [keys[0], keys[1]], [keys[1], keys[0]]]) {
      useKeys(env, ...order);
      const { code, stderr } = await oauth(env, ["rotate"]);
      assert.ok(code === 0 || (code === 1 && /keep coming/.test(stderr)), stderr);
    }
  } finally {
    busy = false;
    await Promise.all(writers);
  }
  useKeys(env, keys[1], keys[0]);
  await works(env, ["rotate"]);
  const stored = await env.rows("select google_account_id as account, encryption_key_id as key, access_token_encrypted as sealed from public.google_oauth_tokens");
  assert.equal(stored.length, tokens.size);
  for (const { account, key, sealed } of stored) {
    assert.equal(key, "k2");
    assert.equal(open(keys[1], user.id, account, "access_token_encrypted", sealed), tokens.get(account), account);
  }
  useKeys(env, keys[1]);
  await works(env, ["check"]);
});

test("a row that somebody holds is not waited for; it is said, and done the next time", async (t) => {
  t.after(clear);
  const [old, fresh] = [new Key("k1"), new Key("k2")];
  const user = await env.user();
  await insertMany(old, user, many(250));
  useKeys(env, fresh, old);
  const holder = await env.connect();
  await holder.query("begin");
  await holder.query("select 1 from public.google_oauth_tokens where google_account_id in ('account-3', 'account-77') for update");
  const { stdout } = await fails(env, ["rotate", "--json"], /keep coming or are locked/);
  assert.deepEqual(JSON.parse(stdout), { encryption_key_id: "k2", dry_run: false, resealed: 248, left: 2 });
  const patient = begin(env, ["rotate"]); // who lets go meanwhile is not even noticed
  await sleep(700);
  await holder.query("rollback");
  await holder.end();
  const { code, stdout: said, stderr } = await patient.ended;
  assert.equal(code, 0, stderr);
  assert.match(said, /^key k2: 2 rows resealed, 0 are still under others$/m);
});

test("a dry run opens everything and changes nothing", async (t) => {
  t.after(clear);
  const [old, fresh] = [new Key("k1"), new Key("k2")];
  const user = await env.user();
  await insertMany(old, user, many(250));
  useKeys(env, fresh, old);
  const state = () => env.rows("select id, xmin from public.google_oauth_tokens order by id");
  const before = await state();
  assert.match(await works(env, ["rotate", "--dry-run"]), /^key k2: 250 rows would be resealed, 0 would stay under others$/m);
  assert.deepEqual(await state(), before);
});

test("a rotation that was killed goes on where it was", async (t) => {
  t.after(clear);
  const [old, fresh] = [new Key("k1"), new Key("k2")];
  const user = await env.user();
  await insertMany(old, user, many(1000));
  await env.db.query(`create function public.slowly() returns trigger language plpgsql as $$ begin perform pg_sleep(0.003); return new; end $$`);
  await env.db.query("create trigger slowly before update on public.google_oauth_tokens for each row execute function public.slowly()");
  t.after(() => env.db.query("drop function if exists public.slowly() cascade"));
  useKeys(env, fresh, old);
  const done = async () => (await env.row("select count(*)::int as n from public.google_oauth_tokens where encryption_key_id = 'k2'")).n;
  const rotation = begin(env, ["rotate"]);
  await eventually(() => done(), "the first page");
  rotation.kill("SIGKILL");
  await rotation.ended;
  await eventually(async () => (await env.row("select count(*)::int as n from pg_stat_activity where application_name = 'pgherald oauth' and datname = current_database()")).n === 0, "its connection's end");
  const before = await done();
  assert.ok(before > 0 && before < 1000, `${before} were done`);
  const { code, stdout, stderr } = await oauth(env, ["rotate"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^key k2: ${1000 - before} rows resealed`));
  assert.match(stderr, /rows resealed/, "progress");
  useKeys(env, fresh);
  await works(env, ["check"]);
});

test("rows whose key is gone: the others are done, these are named with the key they need", async (t) => {
  t.after(clear);
  const [gone, old, fresh] = [new Key("k0"), new Key("k1"), new Key("k2")];
  const user = await env.user();
  await insertMany(old, user, many(150));
  await insert(env, gone, user, "left-1", token());
  await insert(env, gone, user, "left-2", token());
  useKeys(env, fresh, old);
  const ids = (await env.rows("select id from public.google_oauth_tokens where encryption_key_id = 'k0'")).map(({ id }) => id);
  const rotated = await fails(env, ["rotate"], /key k0 is not among encryption_keys/);
  assert.match(rotated.stdout, /^key k2: 150 rows resealed, 2 are still under others$/m);
  for (const id of ids) assert.equal(rotated.stderr.split(`row ${id} `).length, 2, "each is named once");
  const checked = await fails(env, ["check", "--json"], /key k0 is not among encryption_keys/);
  assert.deepEqual(JSON.parse(checked.stdout).map(({ key, configured, rows, failed }) => [key, configured, rows, failed]), [
    ["k2", true, 150, 0], ["k1", true, 0, 0], ["k0", false, 2, 2],
  ]);
  const before = (await env.row("select count(*)::int as n from public.audit_logs where action = 'oauth_token.read'")).n;
  await fails(env, ["get", "--user", user.id, "--account", "left-1"], /key k0 is not among encryption_keys/);
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where action = 'oauth_token.read'")).n, before);
  useKeys(env, fresh, gone);
  assert.match(await works(env, ["rotate"]), /2 rows resealed, 0 are still/);
  assert.match(await works(env, ["check"]), /^k0 +0 +0 +not needed by any row$/m);
});

test("lists of any length come in pages", async (t) => {
  t.after(clear);
  const user = await env.user();
  await insertMany(new Key("k1"), user, many(2300));
  const all = JSON.parse(await works(env, ["list", "--json"]));
  assert.equal(new Set(all.map((one) => one.google_account_id)).size, 2300);
  const lines = (await works(env, ["list", "--user", user.id])).trimEnd().split("\n");
  assert.equal(lines.length, 2303, "with headings on each of three pages");
  assert.match(await works(env, ["list", "--user", (await env.user()).id]), /^no accounts$/m);
});

// ---------------------------------------------------------------- what is missing

test("keygen makes a key that the setting takes, and needs no settings", async () => {
  const made = await begin({ environment: { ...process.env, PGHERALD_LISTEN: "nowhere" } }, ["keygen"]).ended;
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^k\d{8}-[0-9a-f]{4}:[A-Za-z0-9+/]{43}=\n$/);
  useKeys(env, { text: secret(made.stdout.trim()) });
  const user = await env.user();
  await put(env, user, { google_account_id: "1", access_token: token() });
  await works(env, ["check"]);
  await clear();
});

test("without keys, or with wrong ones, the commands say so and doctor too", async () => {
  const key = new Key("k1");
  delete env.settings.encryption_keys_file;
  assert.equal((await oauth(env, ["list"])).code, 0, "a list needs no key");
  const none = await oauth(env, ["check"]);
  assert.equal(none.code, 78);
  assert.match(none.stderr, /encryption_keys is not set.*pgherald oauth keygen/s);
  for (const [text, wanted] of [
    [`${key.text},${key.text}`, /encryption_keys: key 2 \(k1\): another key has this id/],
    [key.text.slice(3), /encryption_keys: key 1: it has to be id:base64/],
    [key.text.slice(0, -6), /encryption_keys: key 1 \(k1\): \d+ bytes, 32 are needed/],
  ]) {
    secret(text.slice(3, 30));
    env.settings.encryption_keys = text;
    const wrong = await oauth(env, ["check"]);
    assert.equal(wrong.code, 78);
    assert.match(wrong.stderr, wanted);
    const doctor = await env.command("doctor");
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /encryption_keys/);
    assert.deepEqual(shows(doctor.stdout + doctor.stderr), []);
  }
  env.settings.encryption_keys = key.text;
  assert.match((await env.command("doctor")).stdout, /encryption_keys.*1 set, k1 seals/);
  const config = await env.command("config");
  assert.match(config.stdout, /^encryption_keys = \(set\)$/m);
  delete env.settings.encryption_keys;
});

test("a role that row level security holds back is told so, instead of being shown nothing", async (t) => {
  await env.admin("drop role if exists held_back; create role held_back login");
  t.after(async () => {
    await env.db.query("drop owned by held_back");
    await env.admin("drop role held_back");
  });
  await env.db.query("grant select on public.google_oauth_tokens to held_back; grant usage on schema public to held_back");
  const other = { environment: { ...env.environment, PGHERALD_DATABASE_URL: env.cluster.url(env.name).replace("postgres@", "held_back@") } };
  await fails(other, ["list"], /row-level security/);
});

test("without the seed application there is no table, and that is the answer", async (t) => {
  const bare = await Env.start({ cluster, seed: false, daemon: false });
  t.after(() => bare.stop());
  useKeys(bare, new Key("k1"));
  for (const args of [["list"], ["check"], ["rotate"], ["get", "--user", "00000000-0000-4000-8000-000000000000"]]) {
    await fails(bare, args, /there is no table google_oauth_tokens in this database.*pgherald init --with-seed-app/);
  }
  await bare.db.query("create table public.google_oauth_tokens (id int)");
  await fails(bare, ["list"], /is not the seed application's/);
});
