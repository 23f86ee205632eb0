// Supabase's publication decides which tables are sent, from the commit on that changes it.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Env, eventually, jwt, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { subscribed, supabase } from "./clients.mjs";

let env, token, service;

before(async () => {
  env = await Env.start({
    seed: false,
    before: (e) =>
      e.db.query(`create table public.listed (id int primary key, v text, secret text);
        create table public.unlisted (id int primary key, v text);
        create table public.later (id int primary key);
        create publication supabase_realtime for table public.listed`),
  });
  await env.db.query("grant select on public.listed, public.unlisted, public.later to authenticated, service_role");
  token = jwt(env.secret, { role: "authenticated" });
  service = jwt(env.secret, { role: "service_role" });
});
after(() => env?.stop());

async function follow(t, table, { token: as = token, event = "*", schema = "public" } = {}) {
  const client = await Phoenix.connect(env, as);
  t.after(() => client.close());
  const topic = `realtime:${schema} ${table}`;
  const reply = await client.reply(client.push(topic, "phx_join", { config: { presence: { enabled: false }, postgres_changes: [{ event, schema, table }] } }));
  assert.equal(reply.payload.status, "ok");
  client.system = (await client.frame((frame) => frame.event === "system", "the system message")).payload;
  client.told = () => client.frames.filter((frame) => frame.event === "postgres_changes").map(({ payload: { data } }) => `${data.type} ${data.record?.id ?? data.old_record.id}`);
  return client;
}
const quiet = async () => {
  await env.caughtUp();
  await sleep(200);
};
const until = (client, told, what = "what is told") => eventually(() => JSON.stringify(client.told()) === JSON.stringify(told), `${what}: ${JSON.stringify(told)}`).catch((error) => assert.deepEqual(client.told(), told, error.message));

for (const as of ["authenticated", "service_role"]) {
  test(`${as}: what is not in the publication is not sent, and the client is told`, async (t) => {
    const listed = await follow(t, "listed", { token: as === "service_role" ? service : token });
    const unlisted = await follow(t, "unlisted", { token: as === "service_role" ? service : token });
    const everything = await follow(t, "*", { token: as === "service_role" ? service : token });
    assert.deepEqual(listed.system, { message: "Subscribed to PostgreSQL", status: "ok", extension: "postgres_changes", channel: "public listed" });
    assert.equal(everything.system.status, "ok");
    assert.equal(unlisted.system.status, "error");
    assert.equal(unlisted.system.extension, "postgres_changes");
    assert.match(unlisted.system.message, /^Unable to subscribe to changes with given parameters\. Please check Realtime is enabled for the given connect parameters: \[event: \*, schema: public, table: unlisted\]/);
    await env.db.query("delete from public.listed; delete from public.unlisted");
    await quiet();
    for (const client of [listed, everything]) client.frames.length = 0;
    await env.db.query("insert into public.unlisted values (1); insert into public.listed values (1); insert into public.unlisted values (2); insert into public.listed values (2)");
    await until(listed, ["INSERT 1", "INSERT 2"]);
    await until(everything, ["INSERT 1", "INSERT 2"]);
    await quiet();
    assert.deepEqual(unlisted.told(), []);
  });
}

test("a table that is added is sent from then on, and one that is dropped no more: nobody rejoins, nothing restarts", async (t) => {
  const client = await follow(t, "later");
  assert.equal(client.system.status, "error");
  for (let round = 0; round < 8; round++) {
    const id = round * 10;
    await env.db.query("insert into public.later values ($1)", [id]);
    if (round % 2) await quiet(); // what came shortly before may be sent, too
    await env.db.query("alter publication supabase_realtime add table public.later");
    await env.db.query("insert into public.later values ($1)", [id + 1]);
    await eventually(() => client.told().includes(`INSERT ${id + 1}`), `round ${round}`);
    if (round % 2) assert.deepEqual(client.told(), [`INSERT ${id + 1}`]);
    await env.db.query("alter publication supabase_realtime drop table public.later");
    await env.db.query("insert into public.later values ($1)", [id + 2]);
    await quiet();
    assert.ok(!client.told().includes(`INSERT ${id + 2}`), `round ${round}`);
    client.frames.length = 0;
  }
});

test("operations and columns are those of the publication", async (t) => {
  const client = await follow(t, "listed", { token: service });
  await env.db.query("truncate public.listed; alter publication supabase_realtime set (publish = 'insert, delete')");
  await env.db.query("insert into public.listed values (1, 'a', 's'); update public.listed set v = 'b'; delete from public.listed");
  await until(client, ["INSERT 1", "DELETE 1"]);
  client.frames.length = 0;
  await env.db.query("alter publication supabase_realtime set (publish = 'update'); alter publication supabase_realtime set table public.listed (id, v)");
  await env.db.query("insert into public.listed values (2, 'a', 's'); update public.listed set v = 'b'");
  await until(client, ["UPDATE 2"]);
  const { data } = client.frames[0].payload;
  assert.deepEqual(data.record, { id: 2, v: "b" });
  assert.deepEqual(data.columns.map(({ name }) => name), ["id", "v"]);
  await env.db.query("alter publication supabase_realtime set (publish = 'insert, update, delete, truncate'); alter publication supabase_realtime set table public.listed");
});

test("a publication of a schema, of all tables, and none at all", async (t) => {
  const client = await follow(t, "unlisted");
  const told = [];
  let id = 100;
  const insert = async () => env.db.query("insert into public.unlisted values ($1)", [++id]);
  for (const [change, sent] of [
    ["drop publication supabase_realtime", true],
    ["create publication supabase_realtime", false],
    ["alter publication supabase_realtime set tables in schema public", true],
    ["drop publication supabase_realtime; create publication supabase_realtime for table public.listed", false],
    ["drop publication supabase_realtime; create publication supabase_realtime for all tables", true],
    ["drop publication supabase_realtime; create publication supabase_realtime for table public.listed", false],
  ]) {
    await env.db.query(change);
    await insert();
    if (sent) told.push(`INSERT ${id}`);
    await quiet();
    assert.deepEqual(client.told(), told, change);
  }
});

test("rows that are judged in memory pass it too: tables, columns, operations, from the next commit on", async (t) => {
  const [ann, bob] = ["aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"];
  await env.db.query(`create table public.own (id int primary key, user_id uuid, v text); alter table public.own enable row level security, replica identity full;
    create policy own on public.own using (user_id = auth.uid()); grant select on public.own to authenticated`);
  const client = await Phoenix.connect(env, jwt(env.secret, { role: "authenticated", sub: ann }));
  t.after(() => client.close());
  const { reply } = await client.join("realtime:own", [{ event: "*", schema: "public", table: "own" }, { event: "*", schema: "public", table: "own", filter: `user_id=eq.${ann}` }]);
  const [every, mine] = reply.payload.response.postgres_changes.map(({ id }) => id);
  const { rls_questions_total: asked } = await env.stats();
  let id = 0;
  // One row of hers and one of his: made, changed, given to him, deleted.
  const told = async (change) => {
    await env.db.query(change);
    for (const user of [ann, bob]) {
      id++;
      await env.db.query("insert into public.own values ($1, $2, 'a')", [id, user]);
      await env.db.query("update public.own set v = 'b' where id = $1", [id]);
      await env.db.query("update public.own set user_id = $2 where id = $1", [id, bob]);
      await env.db.query("delete from public.own where id = $1", [id]);
    }
    await quiet();
    return client.frames.splice(0).filter(({ event }) => event === "postgres_changes").map(({ payload: { ids, data } }) => {
      assert.equal((data.record ?? data.old_record).id, id - 1, "hers, and none of his");
      return [data.left ? "LEFT" : data.type, Object.keys(data.record ?? data.old_record).join(), ids.includes(every), ids.includes(mine)].join(" ");
    });
  };
  const all = ["INSERT id,user_id,v true true", "UPDATE id,user_id,v true true", "LEFT id true true"];
  assert.deepEqual(await told("select"), [], "not in the publication");
  assert.deepEqual(await told("alter publication supabase_realtime add table public.own"), all);
  assert.deepEqual(await told("alter table public.own replica identity default; alter publication supabase_realtime set table public.listed, public.own (id, v)"), ["INSERT id,v true false", "UPDATE id,v true false"], "a column that is not sent decides who reads, and no filter");
  assert.deepEqual(await told("alter publication supabase_realtime set (publish = 'insert')"), ["INSERT id,v true false"]);
  assert.deepEqual(await told("alter publication supabase_realtime set table public.listed, public.own; alter publication supabase_realtime set (publish = 'update, delete'); alter table public.own replica identity full"), all.slice(1));
  assert.deepEqual(await told("alter publication supabase_realtime set (publish = 'insert, update, delete, truncate')"), all);
  assert.deepEqual(await told("alter publication supabase_realtime set table public.listed"), []);
  assert.equal((await env.stats()).rls_questions_total, asked, "nobody was asked");
});

test("private channels and messages from SQL do not depend on it", async (t) => {
  const client = await Phoenix.connect(env, token);
  t.after(() => client.close());
  await env.db.query("create policy p on realtime.messages for select to authenticated using (true)");
  assert.equal((await client.join("realtime:room", [], { config: { private: true } })).reply.payload.status, "ok");
  await env.db.query("select realtime.send('{}', 'e', 'room')");
  await client.broadcast();
});

test("supabase-js: SUBSCRIBED, the word that is wrong, and the changes once the table is added", async (t) => {
  const client = supabase(env, token);
  t.after(() => client.removeAllChannels());
  const said = [], rows = [];
  const channel = client
    .channel("late")
    .on("system", {}, (payload) => said.push(payload.status))
    .on("postgres_changes", { event: "INSERT", schema: "public", table: "later" }, ({ new: row }) => rows.push(row.id));
  await subscribed(channel);
  await eventually(() => said.includes("error"), "the error");
  await env.db.query("alter publication supabase_realtime add table public.later");
  await env.db.query("insert into public.later values (-1)");
  await eventually(() => rows.length === 1, "the row");
  assert.deepEqual(channel.statuses, ["SUBSCRIBED"]);
});

test("many subscriptions at once cost few questions, and each gets its answer", async (t) => {
  await env.db.query("select 1");
  const clients = await Promise.all(Array.from({ length: 60 }, (_, i) => follow(t, ["listed", "unlisted", "nowhere", `t${i}`][i % 4])));
  clients.forEach((client, i) => assert.equal(client.system.status, i % 4 === 0 ? "ok" : "error", client.system.message));
  const elsewhere = await follow(t, "x", { schema: "nowhere" });
  assert.equal(elsewhere.system.status, "error");
  assert.match(env.logText(), /a client asks for changes that are not sent.*schema nowhere is not followed: name it in the setting schemas/);
  assert.match(env.logText(), /alter publication supabase_realtime add table public.unlisted/);
});
