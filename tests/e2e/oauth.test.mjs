// OAuth tokens: sealed in the table, opened for those who have the key, and seen by nobody else.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { begin, fails, form, get, insert, Key, oauth, open, page, put, seal, secret, shows, token, useKeys, works } from "./oauth.mjs";
import { binary, Cluster, Env, eventually, jwt, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { Receiver } from "./receiver.mjs";

let cluster, env;

// Of its own: its files and its log are searched, and all statements are in that log.
before(async () => {
  cluster = await Cluster.start({ own: true });
  env = await Env.start({ cluster, daemon: false });
  await env.db.query("alter system set log_statement = 'all'");
  await env.db.query("select pg_reload_conf()");
});
after(async () => {
  await env?.stop();
  cluster?.stop();
});

const row = (user) => env.row("select * from public.google_oauth_tokens where user_id = $1", [user.id]);
const clear = () => env.db.query("delete from public.google_oauth_tokens");

// ---------------------------------------------------------------- one token

test("what is put comes back, also after the key was changed", async (t) => {
  t.after(clear);
  const [old, fresh] = [new Key("k1"), new Key("k2")];
  const user = await env.user();
  const grant = {
    google_account_id: "108204268033311374519", google_email: "ann@example.com", access_token: token(),
    refresh_token: token("1//0g"), scopes: ["openid", "https://www.googleapis.com/auth/calendar"],
    token_type: "Bearer", expires_at: "2026-11-23T15:04:05.5+00:00",
  };
  useKeys(env, old);
  assert.match(await put(env, user, grant), /^stored account 108204268033311374519 of user .* access token and refresh token under key k1, expires 2026-11-23T15:04:05\.500000Z$/m);
  assert.deepEqual(await get(env, user), grant);
  useKeys(env, fresh, old);
  assert.deepEqual(await get(env, user, "--account", grant.google_account_id), grant);
  const [listed] = JSON.parse(await works(env, ["list", "--user", user.id, "--json"]));
  assert.equal(listed.encryption_key_id, "k1");
  assert.equal(listed.has_refresh_token, true);
  assert.match(await works(env, ["list"]), /ann@example\.com +k1 +yes/);
});

test("a token that was refreshed: what is left out stays, and one key opens the whole row", async (t) => {
  t.after(clear);
  const [old, fresh] = [new Key("k1"), new Key("k2")];
  const user = await env.user();
  const refresh_token = token("1//0g");
  useKeys(env, old);
  await put(env, user, { google_account_id: "1", google_email: "a@example.com", access_token: token(), refresh_token, scopes: "a b", expires_at: "2026-11-23T15:04:05Z" });
  await env.db.query("update public.google_oauth_tokens set revoked_at = now() where user_id = $1", [user.id]);
  const { stderr } = await oauth(env, ["get", "--user", user.id]);
  assert.match(stderr, /was revoked at/);
  useKeys(env, fresh, old);
  const access_token = token();
  assert.match(await put(env, user, { google_account_id: "1", access_token }), /^updated .*refresh token under key k2, expiry not known/m);
  useKeys(env, fresh);
  assert.deepEqual(await get(env, user), {
    google_account_id: "1", google_email: "a@example.com", access_token, refresh_token, scopes: ["a", "b"], token_type: "Bearer", expires_at: null,
  });
  const stored = await row(user);
  assert.equal(stored.revoked_at, null);
  assert.ok(stored.last_refreshed_at);
  const said = JSON.parse(await works(env, ["put", "--json", "--user", user.id.toUpperCase()], JSON.stringify({ google_account_id: "1", access_token, refresh_token: null })));
  assert.deepEqual(said, { user_id: user.id, google_account_id: "1", encryption_key_id: "k2", created: false, has_refresh_token: false, expires_at: null });
  assert.equal((await get(env, user)).refresh_token, null);
});

test("a refresh token that has to stay but cannot be opened stops the put, and nothing is changed", async (t) => {
  t.after(clear);
  const [lost, fresh] = [new Key("lost"), new Key("k2")];
  const user = await env.user();
  useKeys(env, lost);
  await put(env, user, { google_account_id: "1", access_token: token(), refresh_token: token("1//0g") });
  const before = await row(user);
  useKeys(env, fresh);
  const grant = { google_account_id: "1", access_token: token() };
  await fails(env, ["put", "--user", user.id], /refresh token that is stored has to stay.*key lost is not among/, JSON.stringify(grant));
  assert.deepEqual(await row(user), before);
  await put(env, user, { ...grant, refresh_token: token("1//0g") });
});

test("several accounts of one user have to be named; a stranger's are not found", async (t) => {
  t.after(clear);
  const user = await env.user(), other = await env.user();
  useKeys(env, new Key("k1"));
  await put(env, user, { google_account_id: "1", access_token: token() });
  const second = token();
  await put(env, user, { google_account_id: "2", access_token: second });
  await fails(env, ["get", "--user", user.id], /several accounts: name one with --account/);
  assert.equal((await get(env, user, "--account", "2")).access_token, second);
  await fails(env, ["get", "--user", user.id, "--account", "3"], /no such account/);
  await fails(env, ["get", "--user", other.id, "--account", "1"], /no such account/);
});

test("two puts of a new account at once: one row, and it opens", async (t) => {
  t.after(clear);
  const user = await env.user();
  useKeys(env, new Key("k1"));
  const tokens = Array.from({ length: 6 }, () => token());
  await Promise.all(tokens.map((access_token) => put(env, user, { google_account_id: "1", access_token })));
  assert.ok(tokens.includes((await get(env, user)).access_token));
});

test("a refresh token that another program writes at the same time is kept, not the one before it", async (t) => {
  t.after(clear);
  const key = new Key("k1");
  const user = await env.user();
  useKeys(env, key);
  await put(env, user, { google_account_id: "1", access_token: token(), refresh_token: token("1//0g") });
  const refresh_token = token("1//0g");
  const other = await env.connect();
  await other.query("begin");
  await other.query("update public.google_oauth_tokens set refresh_token_encrypted = $2 where user_id = $1", [
    user.id, seal(key, user.id, "1", "refresh_token_encrypted", refresh_token),
  ]);
  const waiting = put(env, user, { google_account_id: "1", access_token: token() });
  await eventually(async () => (await env.row("select count(*)::int as n from pg_locks where not granted")).n > 0, "the put to wait for the row");
  await other.query("commit");
  await other.end();
  await waiting;
  assert.equal((await get(env, user)).refresh_token, refresh_token);
});

test("wrong input is refused, with an error that quotes nothing of it", async () => {
  const user = await env.user();
  useKeys(env, new Key("k1"));
  const bad = (input, wanted) => fails(env, ["put", "--user", user.id], wanted, input);
  await bad(token(), /stdin: no JSON object/);
  await bad(`{"access_token": "${token()}"`, /stdin: no JSON object: line 1/);
  await bad(JSON.stringify({ access_token: token() }), /google_account_id is missing/);
  await bad(JSON.stringify({ google_account_id: "1", access_token: token(), expires_in: 3599 }), /expires_in is no known field/);
  await bad(JSON.stringify({ google_account_id: "1", access_token: "x".repeat(300000) }), /stdin: more than/);
  const nobody = "00000000-0000-4000-8000-000000000000";
  await fails(env, ["put", "--user", nobody], new RegExp(`there is no user ${nobody}`), JSON.stringify({ google_account_id: "1", access_token: token() }));
  assert.equal((await oauth(env, ["put"])).code, 64);
  assert.equal((await oauth(env, ["get", "--user", "ann"])).code, 64);
  const terminal = spawn("script", ["-qec", `${binary} oauth put --user ${user.id}`, "/dev/null"], { env: env.environment, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  terminal.stdout.on("data", (chunk) => (said += chunk));
  assert.equal(await new Promise((done) => terminal.once("close", done)), 64, said);
  assert.match(said, /reads a JSON object on stdin.*oauth put --user UUID <FILE/s);
});

// ---------------------------------------------------------------- where it is, and where it is not

function* files(path) {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const name = join(path, entry.name);
    if (entry.isDirectory()) yield* files(name);
    else if (entry.isFile()) yield name;
  }
}

test("no plain token and no key in a dump, in the database's files, in its WAL or in its log", async (t) => {
  t.after(clear);
  const [old, fresh] = [new Key("k1"), new Key("k2")];
  const user = await env.user();
  useKeys(env, old);
  const marker = `not-secret-${randomBytes(8).toString("hex")}`;
  await put(env, user, { google_account_id: marker, access_token: token(), refresh_token: token("1//0g") });
  useKeys(env, fresh, old);
  await works(env, ["rotate"]);
  await get(env, user);
  await env.db.query("checkpoint");
  const bin = ["/usr/lib/postgresql/15/bin", ...(process.env.PATH ?? "").split(":")].find((path) => existsSync(join(path, "pg_dump")));
  const dump = execFileSync(join(bin, "pg_dump"), [env.cluster.url(env.name)], { encoding: "latin1", maxBuffer: 1 << 28 });
  assert.ok(dump.includes(marker), "the dump has the row");
  assert.deepEqual(shows(dump), []);
  const place = existsSync(join(cluster.folder, "place")) ? readFileSync(join(cluster.folder, "place"), "utf8").trim() : cluster.folder;
  const seen = { data: false, wal: false, log: false };
  for (const name of files(place)) {
    if (!statSync(name, { throwIfNoEntry: false })?.size) continue; // the server removes some of its files
    const text = readFileSync(name, "latin1");
    assert.deepEqual(shows(text), [], name);
    const kind = name.includes("/pg_wal/") ? "wal" : name.endsWith("/log") ? "log" : "data";
    seen[kind] ||= text.includes(marker);
  }
  assert.deepEqual(seen, { data: true, wal: true, log: true }, "the search does find what is there");
});

test("neither keys nor tokens are in the process list", async (t) => {
  t.after(clear);
  const [old, fresh] = [new Key("k1"), new Key("k2")];
  const user = await env.user();
  useKeys(env, old);
  await put(env, user, { google_account_id: "1", access_token: token() });
  useKeys(env, fresh, old);
  const locker = await env.connect();
  await locker.query("begin; lock table public.google_oauth_tokens in access exclusive mode");
  const grant = JSON.stringify({ google_account_id: "1", access_token: token() });
  const children = [begin(env, ["put", "--user", user.id], grant), begin(env, ["get", "--user", user.id]), begin(env, ["rotate"]), begin(env, ["check"])];
  try {
    await eventually(
      async () => (await env.row(`select count(*)::int as n from pg_locks where not granted and relation = 'public.google_oauth_tokens'::regclass`)).n === children.length,
      "all commands to wait for the table",
    );
    for (const { pid } of children) {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      assert.match(line, /oauth/);
      assert.deepEqual(shows(line), []);
      assert.deepEqual(shows(readFileSync(`/proc/${pid}/environ`, "latin1")), [], "a key in a file is not in the environment");
    }
  } finally {
    await locker.query("rollback");
    await locker.end();
  }
  for (const child of children) assert.equal((await child.ended).code, 0, child.err);
});

test("get leaves an entry in the audit trail, or prints nothing", async (t) => {
  t.after(clear);
  const user = await env.user();
  useKeys(env, new Key("k1"));
  await put(env, user, { google_account_id: "1", access_token: token() });
  const { id } = await row(user);
  const entries = () => env.rows("select user_id, resource_type, resource_id, user_agent, context from public.audit_logs where action = 'oauth_token.read' and user_id = $1", [user.id]);
  assert.deepEqual(await entries(), []);
  await get(env, user);
  assert.deepEqual(await entries(), [
    {
      user_id: user.id, resource_type: "public.google_oauth_tokens", resource_id: id, user_agent: "pgherald oauth get",
      context: {
        source: "application", role: "postgres", session_user: "postgres", database_user: "postgres", google_account_id: "1",
        connection: "127.0.0.1", application_name: "pgherald oauth",
      },
    },
  ]);
  await env.db.query(`create function public.no_entry() returns trigger language plpgsql as $$ begin raise exception 'the trail is full'; end $$`);
  await env.db.query("create trigger no_entry before insert on public.audit_logs for each row execute function public.no_entry()");
  t.after(() => env.db.query("drop function public.no_entry() cascade"));
  const refused = await fails(env, ["get", "--user", user.id], /the trail is full/);
  assert.equal(refused.stdout, "");
});

test("audit entries, webhooks and browsers get no sealed byte", async (t) => {
  const watched = await Env.start({ cluster });
  t.after(() => watched.stop());
  const [old, fresh] = [new Key("k1"), new Key("k2")];
  const ann = await watched.user("ann"), bob = await watched.user("bob");
  const receiver = await Receiver.start();
  t.after(() => receiver.stop());
  await watched.db.query(
    `insert into public.webhooks (name, url, events, user_id) values ('all', $1, '{google_oauth_tokens.*}', null), ('hers', $2, '{google_oauth_tokens.*}', $3)`,
    [receiver.url("/all"), receiver.url("/hers"), ann.id],
  );
  await watched.caughtUp();
  const clients = {};
  for (const [name, jwtText] of [["ann", ann.token], ["bob", bob.token], ["anon", jwt(watched.secret, { role: "anon" })]]) {
    clients[name] = await Phoenix.connect(watched, jwtText);
    t.after(() => clients[name].close());
    await clients[name].join("realtime:x", [{ event: "*", schema: "public", table: "google_oauth_tokens" }]);
  }
  const hex = async () => {
    const stored = await watched.row("select encode(access_token_encrypted, 'hex') as a, encode(refresh_token_encrypted, 'hex') as r from public.google_oauth_tokens");
    return [stored.a, stored.r];
  };
  useKeys(watched, old);
  await works(watched, ["put", "--user", ann.id], JSON.stringify({ google_account_id: "1", access_token: token(), refresh_token: token("1//0g") }));
  const sealed = await hex();
  useKeys(watched, fresh, old);
  await works(watched, ["rotate"]);
  sealed.push(...(await hex()));
  await watched.db.query("delete from public.google_oauth_tokens");
  await watched.caughtUp();
  const leaks = (text) => [...shows(text), ...sealed.filter((one) => text.includes(one.slice(2, 40)))];

  const trail = await watched.rows("select action, changed_fields, old_values, new_values from public.audit_logs where resource_type = 'public.google_oauth_tokens' order by id");
  assert.deepEqual(trail.map(({ action }) => action), ["insert", "update", "delete"]);
  assert.equal(trail[0].new_values.access_token_encrypted, "[redacted]");
  assert.deepEqual(trail[1].changed_fields.filter((name) => name !== "updated_at").sort(), ["access_token_encrypted", "encryption_key_id", "refresh_token_encrypted"]);
  assert.deepEqual([trail[1].old_values.refresh_token_encrypted, trail[1].new_values.refresh_token_encrypted], ["[redacted]", "[redacted]"]);
  assert.deepEqual(leaks(JSON.stringify(trail)), []);

  await eventually(() => receiver.requests.length === 6, "three changes for each webhook");
  for (const { text } of receiver.requests) {
    assert.match(text, /"access_token_encrypted":"\[redacted\]"/);
    assert.deepEqual(leaks(text), []);
  }

  for (const type of ["INSERT", "UPDATE", "DELETE"]) {
    const { payload } = await clients.ann.change();
    assert.equal(payload.data.type, type);
    assert.deepEqual(leaks(JSON.stringify(payload)), []);
    assert.ok(!JSON.stringify(payload.data.record ?? {}).includes("_encrypted"));
  }
  await sleep(200);
  for (const name of ["bob", "anon"]) {
    const changes = clients[name].frames.filter(({ event }) => event === "postgres_changes");
    assert.deepEqual(leaks(JSON.stringify(changes)), [], name);
    assert.ok(!changes.some(({ payload }) => payload.data.type !== "DELETE"), `${name} is told of no row of hers`);
  }
  assert.deepEqual(leaks(watched.logText()), []);
  assert.deepEqual(leaks((await watched.command("config")).stdout), []);
});

// ---------------------------------------------------------------- other programs

test("node opens what pgherald sealed, and pgherald what node sealed", async (t) => {
  t.after(clear);
  const key = new Key("shared");
  useKeys(env, key);
  const ours = await env.user(), theirs = await env.user();
  const tokens = { access_token: token(), refresh_token: secret("1//0g-\u00e9\u{1f511}-" + randomBytes(8).toString("hex")) };
  await put(env, ours, { google_account_id: "acc/\u00e9 1", ...tokens });
  const stored = await row(ours);
  for (const name of ["access_token", "refresh_token"]) {
    assert.equal(open(key, ours.id, "acc/\u00e9 1", `${name}_encrypted`, stored[`${name}_encrypted`]), tokens[name]);
  }
  await insert(env, key, theirs, "acc/\u00e9 1", tokens.access_token, tokens.refresh_token);
  const got = await get(env, theirs);
  assert.deepEqual([got.access_token, got.refresh_token], [tokens.access_token, tokens.refresh_token]);
});

test("the documented example opens with the documented lines", () => {
  const said = (name) => page.match(new RegExp(`^${name} +(\\S+)\\n(?: {11}(\\S+)\\n)?`, "m")).slice(1).join("");
  const bytes = (name) => Buffer.from(said(name), "hex");
  assert.equal(form.open(bytes("key"), said("user_id"), said("account"), said("column"), bytes("sealed")), said("token"));
});

test("tokens that were moved between users, accounts or columns do not open", async (t) => {
  t.after(clear);
  useKeys(env, new Key("k1"));
  const ann = await env.user(), bob = await env.user();
  for (const user of [ann, bob]) await put(env, user, { google_account_id: "1", access_token: token(), refresh_token: token("1//0g") });
  const original = new Map([[ann, await row(ann)], [bob, await row(bob)]]);
  const set = (user, columns) =>
    env.db.query(
      "update public.google_oauth_tokens set access_token_encrypted = $2, refresh_token_encrypted = $3, google_account_id = $4 where user_id = $1",
      [user.id, columns.access_token_encrypted, columns.refresh_token_encrypted, columns.google_account_id ?? "1"],
    );
  const refused = async (what) => {
    for (const user of [ann, bob]) await fails(env, ["get", "--user", user.id], /_token_encrypted, key k1: it does not open/);
    const { stderr } = await fails(env, ["check"], /it does not open/);
    for (const user of [ann, bob]) assert.ok(stderr.includes(original.get(user).id) && stderr.includes(user.id), what);
  };
  await set(ann, original.get(bob));
  await set(bob, original.get(ann));
  await refused("users");
  for (const user of [ann, bob]) {
    const { access_token_encrypted: a, refresh_token_encrypted: r } = original.get(user);
    await set(user, { access_token_encrypted: r, refresh_token_encrypted: a });
  }
  await refused("columns");
  for (const user of [ann, bob]) await set(user, { ...original.get(user), google_account_id: "2" });
  await refused("accounts");
  for (const user of [ann, bob]) {
    const changed = Buffer.from(original.get(user).access_token_encrypted);
    changed[20] ^= 1;
    await set(user, { ...original.get(user), access_token_encrypted: changed });
  }
  await refused("bytes");
  for (const user of [ann, bob]) await set(user, original.get(user));
  await works(env, ["check"]);
});
