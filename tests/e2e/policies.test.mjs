// Row level security, judged in memory: whatever changes who may read what counts for the next row,
// and rows that leave a client's view are told.
import { test, before, after, beforeEach } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Env, eventually, jwt, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase } from "./clients.mjs";

const ANN = "aaaaaaaa-0000-4000-8000-000000000001";
const BOB = "bbbbbbbb-0000-4000-8000-000000000002";
// Roles belong to the cluster, and other files run in it, too.
const name = (role) => `${role}_${suffix}`;
const suffix = randomBytes(4).toString("hex");

let env, ann, bob, anon, worker;

const token = (role, claims) => jwt(env.secret, { role, ...claims });

before(async () => {
  env = await Env.start({ seed: false });
  await env.db.query(`
    create role ${name("worker")} nologin; create role ${name("team")} nologin;
    grant ${name("worker")} to current_user;
    create table public.barrier (id int primary key); grant select on public.barrier to public;
    grant usage on schema public to ${name("worker")}`);
  await env.kill("SIGTERM"); // roles that clients may have are listed again after a second; not here
  await env.run();
  ann = await Phoenix.connect(env, token("authenticated", { sub: ANN, org: 1 }));
  bob = await Phoenix.connect(env, token("authenticated", { sub: BOB, org: 2 }));
  anon = await Phoenix.connect(env, token("anon"));
  worker = await Phoenix.connect(env, token(name("worker"), { sub: ANN }));
  for (const client of [ann, bob, anon, worker]) {
    await client.join("realtime:barrier", [{ event: "*", schema: "public", table: "barrier" }]);
    await client.join("realtime:docs", [{ event: "*", schema: "public", table: "docs" }]);
  }
});

after(async () => {
  for (const client of [ann, bob, anon, worker]) client?.close();
  await env?.db.query(`drop table if exists public.docs, public.barrier; drop owned by ${name("worker")}, ${name("team")}; drop role ${name("worker")}; drop role ${name("team")}`).catch(() => {});
  await env?.stop();
});

beforeEach(async () => {
  await env.db.query(`
    drop table if exists public.docs;
    create table public.docs (id int primary key, user_id uuid, org int, status text, body text);
    alter table public.docs enable row level security;
    grant select on public.docs to anon, authenticated, ${name("worker")};
    revoke ${name("team")} from ${name("worker")};
    alter role ${name("worker")} nobypassrls`);
  await told();
});

let mark = 0;
// What each client was told of docs, up to now: every client sees the barrier, and nothing overtakes.
async function told() {
  await env.db.query("insert into public.barrier values ($1)", [++mark]);
  const all = {};
  for (const [who, client] of Object.entries({ ann, bob, anon, worker })) {
    await client.frame((f) => f.event === "postgres_changes" && f.payload.data.table === "barrier" && f.payload.data.record?.id === mark, `barrier ${mark}`);
    const changes = client.frames.filter((f) => f.topic === "realtime:docs" && f.event === "postgres_changes").map((f) => f.payload.data);
    all[who] = changes.map((data) => `${data.type === "DELETE" && data.left ? "LEFT" : data.type} ${data.record?.id ?? data.old_record.id}`).join();
    client.data = changes;
    client.system = client.frames.filter((f) => f.topic === "realtime:docs" && f.event === "system").map((f) => f.payload.message);
    client.frames.length = 0;
  }
  return all;
}

let next = 0;
async function insert(user = ANN, org = 1) {
  await env.db.query("insert into public.docs values ($1, $2, $3, 'open', 'text')", [++next, user, org]);
  const all = await told();
  return Object.keys(all).filter((who) => all[who] === `INSERT ${next}`).sort().join();
}

// Runs a step and says who is told of a row of ann's from then on.
async function sees(sql, who, user, org) {
  await env.db.query(sql);
  assert.equal(await insert(user, org), who, sql);
}

const asked = async () => (await env.stats()).rls_questions_total;

test("policies made, changed and dropped count for the next row, without a question", async () => {
  const before = await asked();
  await sees("select", ""); // no policy, no row
  await sees("create policy own on public.docs using (user_id = auth.uid())", "ann,worker");
  await sees("alter policy own on public.docs to authenticated", "ann");
  await sees("alter policy own on public.docs to public using (user_id is distinct from auth.uid())", "anon,bob");
  await sees("alter policy own on public.docs using (org = (auth.jwt() ->> 'org')::int)", "ann");
  await sees("create policy workers on public.docs to " + name("worker") + " using (status in ('open', 'new'))", "ann,worker");
  await sees("create policy never on public.docs as restrictive using (status <> 'open')", "");
  await sees("drop policy never on public.docs", "ann,worker");
  await sees("drop policy own on public.docs", "worker");
  await sees("create policy writers on public.docs for update using (true)", "worker");
  assert.equal(await asked(), before, "all of that was judged in memory");
});

test("grants and roles", async () => {
  const before = await asked();
  await sees("create policy own on public.docs using (user_id = auth.uid())", "ann,worker");
  await sees("revoke select on public.docs from authenticated", "worker");
  await sees("grant select (id, user_id) on public.docs to authenticated", "ann,worker");
  assert.deepEqual(Object.keys(ann.data[0].record), ["id", "user_id"]);
  await sees("revoke select (user_id) on public.docs from authenticated", "ann,worker");
  assert.deepEqual(ann.data[0].record, { id: next });
  await sees(`revoke select on public.docs from ${name("worker")}; grant select on public.docs to ${name("team")}`, "ann");
  await sees(`grant ${name("team")} to ${name("worker")}`, "ann,worker");
  await sees(`alter policy own on public.docs to ${name("team")}`, "worker");
  await sees(`revoke ${name("team")} from ${name("worker")}`, "");
  await sees(`grant select on public.docs to ${name("worker")}; alter role ${name("worker")} bypassrls`, "worker", BOB);
  await sees(`alter role ${name("worker")} nobypassrls`, "", BOB);
  assert.equal(await asked(), before, "all of that was judged in memory");
});

test("row level security switched on and off; owners", async () => {
  await sees("create policy own on public.docs using (user_id = auth.uid())", "ann,worker");
  await sees("alter table public.docs disable row level security", "ann,anon,bob,worker");
  await sees("alter table public.docs enable row level security", "ann,worker");
  await sees(`alter table public.docs owner to ${name("worker")}`, "bob,worker", BOB);
  await sees("alter table public.docs force row level security", "bob", BOB);
  await sees("alter table public.docs no force row level security", "bob,worker", BOB);
  await sees("alter table public.docs owner to current_user", "bob", BOB);
});

test("what a policy rests on: its functions, the table's columns, its name", async () => {
  await sees("create policy own on public.docs using (user_id = auth.uid())", "ann,worker");
  const original = (await env.row("select pg_get_functiondef('auth.uid()'::regprocedure) as text")).text;
  const before = await asked();
  await sees(`create or replace function auth.uid() returns uuid language sql stable as $$ select '${BOB}'::uuid $$`, "");
  assert.ok((await asked()) > before, "a function that is not known is asked about");
  await sees("select", "ann,anon,bob,worker", BOB);
  await sees(original, "ann,worker");
  await sees("revoke execute on function auth.uid() from public", "");
  assert.match(ann.system.join(), /SQLSTATE 42501/);
  await sees("grant execute on function auth.uid() to public", "ann,worker");
  await sees("alter table public.docs rename column user_id to owner_id", "ann,worker");
  await sees("alter table public.docs rename column owner_id to user_id", "ann,worker");
  await sees("alter table public.docs alter column org type bigint", "ann,worker");
  await sees(`alter table public.docs rename to old_docs;
    create table public.docs (like public.old_docs including all); grant select on public.docs to anon`, "anon");
  await sees("drop table public.docs; alter table public.old_docs rename to docs", "ann,worker");
});

test("one transaction that changes the policy and the row", async () => {
  await env.db.query("create policy own on public.docs using (user_id = auth.uid())");
  assert.equal(await insert(), "ann,worker");
  await env.db.query(`begin;
    alter policy own on public.docs using (user_id <> auth.uid());
    insert into public.docs values (1000, '${ANN}', 1, 'open', 'x');
    commit`);
  assert.deepEqual(await told(), { ann: "", bob: "INSERT 1000", anon: "", worker: "" });
});

test("a row is told once others can see it, and by the policies of its own transaction", async (t) => {
  await env.db.query("create policy own on public.docs using (user_id = auth.uid())");
  await told();
  // The commit is in the stream, but waits for a standby that never comes: nobody can see it yet.
  const standby = async (names) => {
    await env.admin(`alter system set synchronous_standby_names = '${names}'`);
    await env.admin("select pg_reload_conf()");
  };
  t.after(() => standby(""));
  const writer = await env.connect();
  t.after(() => writer.end());
  await standby("nobody");
  const committed = writer.query(`begin;
    alter policy own on public.docs using (user_id <> auth.uid());
    insert into public.docs values (2000, '${ANN}', 1, 'open', 'x');
    commit`);
  const { rls_checks_total } = await env.stats();
  await eventually(async () => (await env.stats()).rls_checks_total > rls_checks_total + 2, "the row to be there");
  for (const client of [ann, bob]) assert.ok(!client.frames.some((f) => f.topic === "realtime:docs"));
  await standby("");
  await committed;
  assert.deepEqual(await told(), { ann: "", bob: "INSERT 2000", anon: "", worker: "" });
});

test("a policy that is not understood is asked about, beside those that are", async () => {
  await env.db.query(`create policy own on public.docs to authenticated using (user_id = auth.uid() and exists (select from public.barrier));
    create policy workers on public.docs to ${name("worker")}, anon using (org = 1)`);
  const before = await asked();
  assert.equal(await insert(), "ann,anon,worker");
  assert.ok((await asked()) > before);
});

test("claims that make a policy fail are told, and hide nothing from others", async (t) => {
  const stranger = await Phoenix.connect(env, token("authenticated", { sub: "auth0|7" }));
  t.after(() => stranger.close());
  await stranger.join("realtime:docs", [{ event: "*", schema: "public", table: "docs" }]);
  await env.db.query("create policy own on public.docs using (user_id = auth.uid())");
  const before = await asked();
  assert.equal(await insert(), "ann,worker");
  const { payload } = await stranger.frame((f) => f.event === "system" && f.payload.status === "error", "the failure");
  assert.match(payload.message, /public\.docs.*SQLSTATE 22P02/);
  assert.ok(!stranger.frames.some((f) => f.event === "postgres_changes"));
  assert.equal(await asked(), before);
});

test("a policy that fails stops only its own table's messages, for those whom it fails, and says so", async (t) => {
  await env.db.query(`drop table if exists public.notes; create table public.notes (like public.docs including all); alter table public.notes enable row level security;
    grant select on public.notes to authenticated; create policy own on public.notes using (user_id = auth.uid());
    create function public.broken_${suffix}(uuid) returns boolean language plpgsql stable as $$ begin raise exception 'no luck with %', $1; end $$;
    create policy own on public.docs to authenticated using (user_id = auth.uid());
    create policy broken on public.docs to ${name("worker")} using (public.broken_${suffix}(user_id))`);
  t.after(() => env.db.query(`drop table public.notes; drop function public.broken_${suffix}(uuid) cascade`));
  for (const client of [ann, bob]) {
    await client.join("realtime:notes", [{ event: "*", schema: "public", table: "notes" }]);
    t.after(() => client.reply(client.push("realtime:notes", "phx_leave", {})));
  }
  const { rls_errors_total: errors } = await env.stats();
  await sleep(1100); // the log has a line a second of this
  for (const step of [1, 2]) {
    const fresh = await Phoenix.connect(env, token(name("worker"), { sub: ANN })); // a channel is told every 10 s at most
    t.after(() => fresh.close());
    await fresh.join("realtime:docs", [{ event: "*", schema: "public", table: "docs" }]);
    // in one transaction, so in one batch: the failure comes first
    await env.db.query(`begin; insert into public.docs values (${3000 + step}, '${ANN}', 1, 'open', 'x'); insert into public.notes values (${step}, '${BOB}', 1, 'open', 'x'); insert into public.docs values (${4000 + step}, '${BOB}', 1, 'open', 'x'); commit`);
    const all = await told();
    assert.deepEqual({ ann: all.ann, bob: all.bob, worker: all.worker }, { ann: `INSERT ${3000 + step}`, bob: `INSERT ${4000 + step}`, worker: "" });
    const { payload } = await fresh.frame((f) => f.event === "system" && f.payload.status === "error", "the failure");
    assert.match(payload.message, /A change of public\.docs was not sent: checking whether .* may read the row failed \(SQLSTATE (P0001|22012)\)/);
    assert.ok(!fresh.frames.some((f) => f.event === "postgres_changes"));
    if (step === 1) assert.match(env.logText(), /a policy failed, the row was not sent.*no luck with/);
    await env.db.query(`insert into public.notes values (${step + 10}, '${BOB}', 1, 'open', 'x')`);
    await bob.frame((f) => f.topic === "realtime:notes" && f.event === "postgres_changes" && f.payload.data.record.id === step + 10, "a row of the other table");
    if (step === 1) await env.db.query(`drop policy broken on public.docs; create policy broken on public.docs to ${name("worker")} using (1 / (org - 1) > 0)`); // one that is judged here
  }
  assert.ok((await env.stats()).rls_errors_total >= errors + 4);
});

test("a policy that fails on the row as it was does not hide the row as it is", async () => {
  await env.db.query(`alter table public.docs replica identity full; create policy own on public.docs to authenticated using (user_id = auth.uid() and 10 / org > 0)`);
  await env.db.query("insert into public.docs values (5000, $1, 0, 'open', 'x')", [ANN]);
  assert.deepEqual((await told()).ann, "");
  await env.db.query("update public.docs set org = 1 where id = 5000");
  assert.deepEqual((await told()).ann, "UPDATE 5000");
  assert.deepEqual(ann.data[0].old_record, { id: 5000 }, "of which the key is told");
  await env.db.query("update public.docs set org = 0 where id = 5000");
  assert.deepEqual((await told()).ann, "");
});

test("a row that leaves a client's view is told by its key", async () => {
  await env.db.query("create policy own on public.docs using (user_id = auth.uid()); alter table public.docs replica identity full");
  await insert();
  const step = async (sql, wanted) => {
    await env.db.query(sql, [next]);
    const all = await told();
    assert.deepEqual({ ann: all.ann, bob: all.bob }, wanted, sql);
  };
  await step("update public.docs set body = 'more' where id = $1", { ann: `UPDATE ${next}`, bob: "" });
  assert.equal(ann.data[0].old_record.body, "text");
  await step(`update public.docs set user_id = '${BOB}', body = 'secret' where id = $1`, { ann: `LEFT ${next}`, bob: `UPDATE ${next}` });
  assert.deepEqual(ann.data[0].old_record, { id: next });
  assert.equal(ann.data[0].record, undefined);
  assert.equal(ann.data[0].left, true);
  assert.deepEqual(bob.data[0].old_record, { id: next }, "of the old row, which he could not read, the key");
  await step(`update public.docs set user_id = null where id = $1`, { ann: "", bob: `LEFT ${next}` });
  await step(`update public.docs set user_id = '${ANN}', id = id + 5000 where id = $1`, { ann: `UPDATE ${next + 5000}`, bob: "" });
  await env.db.query("delete from public.docs where id = $1", [next + 5000]);
  assert.deepEqual((({ ann, bob }) => ({ ann, bob }))(await told()), { ann: `DELETE ${next + 5000}`, bob: "" });
});

test("a row that leaves a filter; bindings for single events", async (t) => {
  await env.db.query("create policy own on public.docs using (user_id = auth.uid()); alter table public.docs replica identity full");
  const client = await Phoenix.connect(env, token("authenticated", { sub: ANN }));
  t.after(() => client.close());
  const events = ["*", "DELETE", "UPDATE", "INSERT"];
  const { reply } = await client.join("realtime:open", events.map((event) => ({ event, schema: "public", table: "docs", filter: "status=eq.open" })));
  const ids = reply.payload.response.postgres_changes.map(({ id }) => id);
  await client.join("realtime:barrier", [{ event: "*", schema: "public", table: "barrier" }]);
  await insert();
  const step = async (sql) => {
    await env.db.query(sql, [next]);
    await told();
    await client.frame((f) => f.event === "postgres_changes" && f.payload.data.record?.id === mark && f.topic === "realtime:barrier", "barrier");
    const seen = client.frames.splice(0).filter((f) => f.topic === "realtime:open" && f.event === "postgres_changes");
    return seen.flatMap((f) => f.payload.ids.map((id) => `${events[ids.indexOf(id)]}:${f.payload.data.left ? "LEFT" : f.payload.data.type}`)).sort();
  };
  client.frames.length = 0;
  assert.deepEqual(await step("update public.docs set body = 'b' where id = $1"), ["*:UPDATE", "UPDATE:UPDATE"]);
  assert.deepEqual(await step("update public.docs set status = 'closed' where id = $1"), ["*:LEFT", "DELETE:LEFT"]);
  assert.deepEqual(await step("update public.docs set body = 'c' where id = $1"), []);
  assert.deepEqual(await step("update public.docs set status = 'open' where id = $1"), ["*:UPDATE", "UPDATE:UPDATE"]);
});

for (const age of ages) {
  test(`supabase-js of ${age}: a row that leaves the view, or the filter, is a DELETE of its key`, async (t) => {
    await env.db.query("create policy own on public.docs using (user_id = auth.uid()); alter table public.docs replica identity full");
    const client = supabase(env, token("authenticated", { sub: ANN }), age);
    t.after(() => client.removeAllChannels());
    const all = [], filtered = [], deletes = [];
    const note = (list) => ({ eventType, old, new: row }) => list.push([eventType, old.id ?? row.id, Object.keys(old).join(), Object.keys(row).length]);
    await subscribed(
      client
        .channel("mine")
        .on("postgres_changes", { event: "*", schema: "public", table: "docs" }, note(all))
        .on("postgres_changes", { event: "*", schema: "public", table: "docs", filter: "status=eq.open" }, note(filtered))
        .on("postgres_changes", { event: "DELETE", schema: "public", table: "docs" }, note(deletes)),
    );
    await env.db.query("insert into public.docs values ($1, $2, 1, 'open', 'text')", [++next, ANN]);
    await env.db.query("update public.docs set status = 'closed' where id = $1", [next]);
    await env.db.query("update public.docs set user_id = $2, body = 'secret' where id = $1", [next, BOB]);
    await env.db.query("insert into public.docs values ($1, $2, 1, 'open', 'end')", [++next, ANN]);
    await eventually(() => filtered.some(([, id]) => id === next) && all.some(([, id]) => id === next), "the last row");
    const inserted = (id) => ["INSERT", id, "", 5];
    const left = ["DELETE", next - 1, "id", 0];
    assert.deepEqual(all, [inserted(next - 1), ["UPDATE", next - 1, "id,user_id,org,status,body", 5], left, inserted(next)]);
    assert.deepEqual(filtered, [inserted(next - 1), left, inserted(next)]);
    assert.deepEqual(deletes, [left]);
  });
}
