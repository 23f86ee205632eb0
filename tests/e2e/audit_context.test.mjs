// Who did it: the context that a transaction writes of itself, joined to its rows, and what it is
// worth. A login of a gateway's name is made for this file, as PostgREST would use it.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import pg from "pg";
import { Env } from "./harness.mjs";

let env, gateway, worker, gatewayName, workerName;
const ann = "aaaaaaaa-0000-4000-8000-000000000001";
const bob = "bbbbbbbb-0000-4000-8000-000000000002";

const login = async (user) => {
  const client = new pg.Client({ connectionString: env.cluster.url(env.name).replace("postgres@", `${user}@`), application_name: user });
  await client.connect();
  return client;
};

before(async () => {
  env = await Env.start({ seed: false, daemon: false });
  gatewayName = `gateway_${env.name}`;
  workerName = `worker_${env.name}`;
  await env.db.query(`
    create table auth.audit_log_entries (instance_id uuid, id uuid primary key, payload json, created_at timestamptz, ip_address varchar(64) not null default '');
    create role ${gatewayName} login noinherit;
    grant anon, authenticated, service_role to ${gatewayName};
    create role ${workerName} login;
    grant usage on schema pgherald to ${workerName};
    grant execute on function pgherald.set_context(uuid, jsonb) to ${workerName};
    create table public.notes (id int primary key, body text);
    create table public.lines (id int primary key, body text);
    alter table public.notes replica identity full;
    grant all on public.notes, public.lines to anon, authenticated, service_role, ${workerName};
    create function public.add_note(int) returns void language sql as $$ insert into public.notes values ($1, 'by a function') $$;
    select pgherald.track_all();`);
  env.settings.audit_gateway_roles = gatewayName;
  await env.run();
  gateway = await login(gatewayName);
  worker = await login(workerName);
});
after(async () => {
  await gateway?.end();
  await worker?.end();
  const roles = [gatewayName, workerName];
  if (gatewayName) await env.db.query(roles.map((r) => `drop owned by ${r}; drop role ${r};`).join("")).catch(() => {});
  await env?.stop();
});

const audit = async (where, params) => {
  await env.caughtUp();
  return env.rows(`select *, host(ip_address) as host from public.audit_logs where ${where} order by commit_lsn, ordinal`, params);
};
const entriesOf = async (...ids) => {
  const all = [];
  for (const id of ids) all.push(...(await noteEntries(id)));
  return all;
};
const noteEntries = (id) => audit("resource_type = 'public.notes' and resource_id = $1", [String(id)]);

const claims = (sub, more = {}) => ({ sub, role: "authenticated", session_id: "s-1", aal: "aal2", ...more });
const headers = { "user-agent": "supabase-js/2", "x-forwarded-for": "198.51.100.7, 10.0.0.1", "x-real-ip": "198.51.100.7" };

// A request as PostgREST makes one: everything local to one transaction.
async function request(work, { role = "authenticated", claim = claims(ann), head = headers, method = "POST", path = "/notes", preRequest = true, readOnly = false } = {}) {
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  await gateway.query(`begin isolation level read committed ${readOnly ? "read only" : "read write"}`);
  try {
    await gateway.query(
      `select set_config('search_path', 'public', true), set_config('role', $1, true), set_config('request.jwt.claims', $2, true),
        set_config('request.method', $3, true), set_config('request.path', $4, true), set_config('request.headers', $5, true),
        set_config('request.cookies', '{}', true)`,
      [role, text(claim), method, path, text(head)],
    );
    if (preRequest) await gateway.query('select "pgherald"."pre_request"()');
    for (const sql of [work].flat()) await gateway.query(sql);
    await gateway.query("commit");
  } catch (error) {
    await gateway.query("rollback");
    throw error;
  }
}

async function inTransaction(client, ...statements) {
  await client.query("begin");
  for (const sql of statements) await client.query(sql);
  await client.query("commit");
}

test("a request through PostgREST: actor, session, addresses, program, method and path, and it can be trusted", async () => {
  await request(["insert into notes values (1, 'a')", "update notes set body = 'b' where id = 1"]);
  const entries = await noteEntries(1);
  assert.equal(entries.length, 2);
  for (const entry of entries) {
    assert.equal(entry.user_id, ann);
    assert.equal(entry.session_id, "s-1");
    assert.equal(entry.user_agent, "supabase-js/2");
    assert.equal(entry.host, "198.51.100.7");
    assert.deepEqual(entry.context, {
      source: "gateway", trusted: true, role: "authenticated", session_user: gatewayName, aal: "aal2",
      address_from: "x-real-ip", connection: "127.0.0.1", x_real_ip: "198.51.100.7", x_forwarded_for: headers["x-forwarded-for"],
      method: "POST", path: "/notes", application_name: gatewayName,
    });
  }
});

test("without pre_request the trigger says the same", async () => {
  await request("insert into notes values (2, 'a')", { preRequest: false });
  const [entry] = await noteEntries(2);
  assert.equal(entry.user_id, ann);
  assert.equal(entry.context.source, "gateway");
});

test("nobody is signed in, and the service: by the gateway, without an actor", async () => {
  await request("insert into notes values (3, 'a')", { role: "anon", claim: { role: "anon" } });
  await request("insert into notes values (4, 'a')", { role: "service_role", claim: { role: "service_role" } });
  const [[anon], [service]] = [await noteEntries(3), await noteEntries(4)];
  assert.deepEqual([anon.user_id, anon.context.source, anon.context.role], [null, "gateway", "anon"]);
  assert.deepEqual([service.user_id, service.context.source, service.context.role], [null, "gateway", "service_role"]);
});

test("claims that a direct login makes up are told, and name nobody", async () => {
  await inTransaction(worker, `select set_config('request.jwt.claims', '${JSON.stringify(claims(ann))}', true),
    set_config('request.headers', '{"cf-connecting-ip": "1.1.1.1"}', true)`, "insert into notes values (10, 'a')");
  const [entry] = await noteEntries(10);
  assert.equal(entry.user_id, null);
  assert.equal(entry.host, "127.0.0.1", "the connection's address and not the header's");
  assert.deepEqual([entry.context.source, entry.context.trusted, entry.context.claimed, entry.context.session_user], ["direct", false, ann, workerName]);
});

test("a function with its owner's rights does not change who called it", async () => {
  await env.db.query("create function public.as_owner(n int) returns void language sql security definer as $$ insert into public.notes values (n, 'x') $$");
  await inTransaction(worker, `select set_config('request.jwt.claims', '${JSON.stringify(claims(ann))}', true)`, "select public.as_owner(11)");
  const [entry] = await noteEntries(11);
  assert.deepEqual([entry.context.source, entry.context.session_user], ["direct", workerName]);
});

test("a message that anybody can write is a forgery, and names nobody", async () => {
  // everything right but the signature
  const facts = `json_build_object('xid', pg_current_xact_id()::text, 'session_user', '${gatewayName}', 'actor', '${ann}')::text`;
  const message = (text) => `select pg_logical_emit_message(true, 'pgherald:context', ${text})`;
  const before = (await env.stats()).contexts_forged_total;
  // on a table that is not tracked: nothing but the forgery speaks
  await env.db.query("select pgherald.untrack('public.lines')");
  await inTransaction(worker, message(`repeat('ab', 32) || ${facts}`), "insert into lines values (1, 'a')");
  await inTransaction(worker, message(facts), "insert into notes values (20, 'a')");
  await inTransaction(worker, "insert into notes values (21, 'a')", message("'x'"), "insert into notes values (22, 'a')");
  const [line] = await audit("resource_type = 'public.lines' and resource_id = '1'");
  assert.equal(line.user_id, null);
  assert.deepEqual(line.context, { source: "forged", trusted: false, forged: true });
  const [marked, early, late] = await entriesOf(20, 21, 22);
  assert.deepEqual([marked.user_id, marked.context.source, marked.context.forged], [null, "direct", true]);
  assert.deepEqual([early.context.source, early.context.forged], ["direct", undefined], "what was written before it is not touched by it");
  assert.deepEqual([late.context.source, late.context.forged], ["direct", true]);
  const attempts = await audit("action = 'forged_context'");
  assert.equal(attempts.length, 3, "each transaction that tried is an entry");
  assert.equal((await env.stats()).contexts_forged_total - before, 3);
  await env.db.query("select pgherald.track('public.lines')");
});

test("a true message does not count in another transaction", async () => {
  // what a superuser could read from the WAL
  await env.db.query("select pg_create_logical_replication_slot($1, 'test_decoding')", [`spy_${env.name}`]);
  await request("insert into notes values (25, 'a')");
  const { rows } = await env.db.query("select data from pg_logical_slot_get_changes($1, null, null)", [`spy_${env.name}`]);
  await env.db.query("select pg_drop_replication_slot($1)", [`spy_${env.name}`]);
  const content = rows.map(({ data }) => data.match(/prefix: pgherald:context, sz: \d+ content:(.*)$/)?.[1]).find(Boolean);
  assert.match(content, new RegExp(`^[0-9a-f]{64}{.*${ann}`));
  await env.db.query("select pgherald.untrack('public.lines')");
  await worker.query("begin");
  await worker.query("select pg_logical_emit_message(true, 'pgherald:context', $1)", [content]);
  await worker.query("insert into lines values (2, 'a')");
  await worker.query("commit");
  await env.db.query("select pgherald.track('public.lines')");
  const [line] = await audit("resource_type = 'public.lines' and resource_id = '2'");
  assert.deepEqual([line.user_id, line.context.source], [null, "forged"]);
});

test("a worker says for whom it works, and why", async () => {
  await inTransaction(worker, `select pgherald.set_context('${bob}', '{"job": 42}')`, "insert into notes values (30, 'a')");
  await inTransaction(worker, `select set_config('app.audit_ctx', '{"job": "43"}', true)`, "insert into notes values (31, 'a')");
  const [[declared], [setting]] = [await noteEntries(30), await noteEntries(31)];
  assert.equal(declared.user_id, bob);
  assert.deepEqual([declared.context.source, declared.context.trusted, declared.context.application], ["declared", false, { job: 42 }]);
  assert.deepEqual([setting.user_id, setting.context.source, setting.context.application], [null, "direct", { job: "43" }]);
});

test("behind the gateway nobody declares himself to be another", async () => {
  await request([`select pgherald.set_context('${bob}', '{"reason": "support"}')`, "insert into notes values (32, 'a')"]);
  const [entry] = await noteEntries(32);
  assert.equal(entry.user_id, ann);
  assert.deepEqual([entry.context.source, entry.context.declared, entry.context.application], ["gateway", bob, { reason: "support" }]);
});

test("what a context says late counts for what follows it", async () => {
  await inTransaction(worker, "insert into notes values (33, 'a')", `select pgherald.set_context('${bob}')`, "insert into notes values (34, 'a')");
  const [[early], [late]] = [await noteEntries(33), await noteEntries(34)];
  assert.deepEqual([early.user_id, early.context.source], [null, "direct"]);
  assert.deepEqual([late.user_id, late.context.source], [bob, "declared"]);
});

// The server gives a message the LSN of its end, which is that of a row right behind it.
test("a row of another subtransaction, right behind what says who makes it, comes after it", async () => {
  await inTransaction(worker, "savepoint a", "insert into lines values (501, 'a')", "release a", `select pgherald.set_context('${ann}')`,
    "savepoint b", "insert into lines values (502, 'a')");
  await inTransaction(worker, "insert into lines values (503, 'a')", "savepoint a", `select pgherald.set_context('${ann}')`, "release a",
    "insert into lines values (504, 'a')", "savepoint b", "insert into lines values (505, 'a')");
  const entries = await audit("resource_type = 'public.lines' and resource_id::int between 501 and 505");
  assert.deepEqual(entries.map(({ resource_id: id, user_id: user }) => [id, user]), [["501", null], ["502", ann], ["503", null], ["504", ann], ["505", ann]]);
});

test("two actors in one transaction: from then on it is neither", async () => {
  await inTransaction(worker, `select pgherald.set_context('${ann}')`, "insert into notes values (35, 'a')",
    `select pgherald.set_context('${bob}')`, "insert into notes values (36, 'a')");
  const [[first], [then]] = [await noteEntries(35), await noteEntries(36)];
  assert.deepEqual([first.user_id, first.context.source], [ann, "declared"]);
  assert.deepEqual([then.user_id, then.context.source, then.context.first_actor, then.context.declared], [null, "conflict", ann, bob]);
});

test("a context that was rolled back with its savepoint is not there, and comes again", async () => {
  await inTransaction(worker, "savepoint a", `select pgherald.set_context('${ann}', '{"n": 1}')`, "insert into notes values (40, 'a')", "rollback to a",
    "insert into notes values (41, 'a')");
  await inTransaction(worker, "savepoint a", "insert into notes values (42, 'a')", "rollback to a", "insert into notes values (43, 'a')");
  const [[after], [again]] = [await noteEntries(41), await noteEntries(43)];
  assert.deepEqual([after.user_id, after.context.source, after.context.application], [null, "direct", undefined]);
  assert.equal(again.context.source, "direct", "the trigger writes it again when its message was dropped");
  assert.equal((await noteEntries(40)).length + (await noteEntries(42)).length, 0);
});

test("a pooled connection tells nothing of one transaction in the next", async () => {
  await request("insert into notes values (50, 'a')");
  await gateway.query("insert into notes values (51, 'a')").catch((error) => assert.equal(error.code, "42501"));
  await inTransaction(gateway, "set local role authenticated", "insert into notes values (52, 'a')");
  await request("insert into notes values (53, 'a')", { claim: claims(bob, { session_id: "s-2" }), head: {} });
  const [[mine], [nobody], [his]] = [await noteEntries(50), await noteEntries(52), await noteEntries(53)];
  assert.equal(mine.user_id, ann);
  assert.deepEqual([nobody.user_id, nobody.session_id, nobody.user_agent, nobody.context.path], [null, null, null, undefined]);
  assert.deepEqual([his.user_id, his.session_id, his.user_agent], [bob, "s-2", null]);
});

test("a mark that somebody leaves in the session silences nobody", async () => {
  await gateway.query("select set_config('pgherald.context_of', pg_current_xact_id()::text, false)");
  await request("insert into notes values (54, 'a')", { preRequest: false });
  await gateway.query("reset pgherald.context_of");
  const [entry] = await noteEntries(54);
  assert.equal(entry.user_id, ann);
});

test("what cannot be read in claims or headers is marked, and the statement goes on", async () => {
  await request("insert into notes values (60, 'a')", { claim: "no json", head: '{"user-agent": "x' });
  await request("insert into notes values (61, 'a')", { head: "[1]" });
  await inTransaction(worker, "select set_config('app.audit_ctx', '{broken', true)", "insert into notes values (62, 'a')");
  await inTransaction(worker, `select set_config('app.audit_ctx', '{"a": "${"x".repeat(5000)}"}', true)`, "insert into notes values (63, 'a')");
  await inTransaction(worker, `select set_config('app.audit_ctx', '{"a": ${"[".repeat(400)}${"]".repeat(400)}}', true)`, "insert into notes values (64, 'a')");
  const entries = await entriesOf(60, 61, 62, 63, 64);
  assert.deepEqual(entries.map(({ context }) => context.flaws), ["claims headers", "headers", "application", "application", "application"]);
  assert.equal(entries[0].user_id, null);
  assert.equal(entries[1].user_id, ann);
});

test("COPY, TRUNCATE and functions say it too; an untracked table says that nobody is known", async () => {
  await request("select add_note(70)");
  await inTransaction(worker, `select pgherald.set_context('${bob}')`, "truncate lines");
  await inTransaction(worker, "insert into lines select n, 'x' from generate_series(1, 3) n");
  const [[called], [truncated]] = [await noteEntries(70), await audit("action = 'truncate' and resource_type = 'public.lines'")];
  assert.equal(called.user_id, ann);
  assert.equal(truncated.user_id, bob);
  await env.db.query("select pgherald.untrack('public.notes')");
  await inTransaction(worker, "insert into notes values (71, 'a')");
  await env.db.query("select pgherald.track('public.notes')");
  const [unknown] = await noteEntries(71);
  assert.deepEqual([unknown.user_id, unknown.session_id, unknown.context], [null, null, { source: "none" }]);
});

test("every row of a huge transaction has it, and one message was enough", async () => {
  await inTransaction(worker, `select pgherald.set_context('${bob}', '{"import": true}')`,
    "insert into lines select n, repeat('x', 50) from generate_series(1001, 31000) n",
    "update lines set body = 'y' where id > 1000");
  await env.caughtUp(60000);
  const counts = await env.rows(`select action, count(*)::int as n from public.audit_logs
    where resource_type = 'public.lines' and user_id = $1 and context @> '{"source": "declared", "application": {"import": true}}'
    group by 1 order by 1`, [bob]);
  assert.deepEqual(counts, [{ action: "insert", n: 30000 }, { action: "update", n: 30000 }]);
});

test("reads are entries where they are asked for, of transactions that only read", async () => {
  await env.db.query("insert into pgherald.audit_reads (path_like) values ('/notes%')");
  await request("select * from notes", { method: "GET", readOnly: true });
  await request("select * from lines", { method: "GET", path: "/lines", readOnly: true });
  const reads = await audit("action = 'read'");
  assert.equal(reads.length, 1);
  assert.deepEqual([reads[0].resource_type, reads[0].user_id, reads[0].context.method, reads[0].new_values], ["/notes", ann, "GET", null]);
  await env.db.query("delete from pgherald.audit_reads");
  await request("select * from notes", { method: "GET", readOnly: true });
  assert.equal((await audit("action = 'read'")).length, 1);
});

test("what the auth service notes is an entry, and what it cleans away is none", async () => {
  const payload = { action: "login", actor_id: ann, actor_username: "ann@example.com", log_type: "account", traits: { provider: "email" } };
  await env.db.query("insert into auth.audit_log_entries (id, payload, created_at, ip_address) values ($1, $2, now(), '203.0.113.9')", [bob, payload]);
  await env.db.query("delete from auth.audit_log_entries");
  const entries = await audit("resource_type like 'auth%'");
  assert.equal(entries.length, 1);
  assert.deepEqual([entries[0].action, entries[0].resource_type, entries[0].user_id, entries[0].host], ["login", "auth", ann, "203.0.113.9"]);
  assert.deepEqual(entries[0].context, { source: "auth", id: bob, event: payload });
});
