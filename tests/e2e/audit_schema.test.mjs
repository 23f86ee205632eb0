// Changes of the schema are entries: what, by which command, by whom; what must not be in them; and
// what happens where event triggers may not be made.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import pg from "pg";
import { Env, patience } from "./harness.mjs";

let env, role;
const ann = "aaaaaaaa-0000-4000-8000-000000000001";

before(async () => {
  env = await Env.start({ seed: false });
  role = `builder_${env.name}`;
  await env.db.query(`create role ${role} login; grant create, usage on schema public to ${role}; create schema work authorization ${role}`);
});
after(async () => {
  if (role) await env.db.query(`drop owned by ${role} cascade; drop role ${role}`).catch(() => {});
  await env?.stop();
});

// With pgoutput a table that is made is also published, and that is an entry, too.
const isNotOfPublishing = ({ resource_id: id }) => !/ in publication pgherald(_inserts)?$/.test(id);

// The entries that a piece of work makes, as [type, name, command] or with more words.
async function changes(work, more = () => []) {
  await env.caughtUp();
  const { last } = await env.row("select coalesce(max(id), 0) as last from public.audit_logs");
  if (typeof work === "function") await work();
  else await env.db.query(work);
  await env.caughtUp();
  const rows = await env.rows("select * from public.audit_logs where action = 'schema_change' and id > $1 order by commit_lsn, ordinal", [last]);
  return rows.filter(isNotOfPublishing).map((row) => [row.resource_type, row.resource_id, row.new_values.command, ...more(row)]);
}

test("what is made, changed and dropped: kind, name, command", async () => {
  assert.deepEqual(await changes(`create table public."Odd ""Név"" x.y" (id serial primary key, "a b" text unique)`), [
    ["table", `public."Odd ""Név"" x.y"`, "CREATE TABLE"]]);
  assert.deepEqual(await changes(`alter table public."Odd ""Név"" x.y" drop column "a b", add column c int default 7`), [
    ["table", `public."Odd ""Név"" x.y"`, "ALTER TABLE"]]);
  assert.deepEqual(await changes(`create index odd_c on public."Odd ""Név"" x.y" (c); comment on index public.odd_c is 'x'; drop index public.odd_c`), [
    ["index", "public.odd_c", "CREATE INDEX"], ["index", "public.odd_c", "COMMENT"], ["index", "public.odd_c", "DROP INDEX"]]);
  assert.deepEqual(await changes(`create function public.f(int) returns int language sql as 'select 1'; alter function public.f(int) stable; drop function public.f(int)`), [
    ["function", "public.f(integer)", "CREATE FUNCTION"], ["function", "public.f(integer)", "ALTER FUNCTION"], ["function", "public.f(integer)", "DROP FUNCTION"]]);
  assert.deepEqual(await changes(`create type public.mood as enum ('a'); alter type public.mood add value 'b'; create domain public.d as int; drop type public.mood, public.d`), [
    ["type", "public.mood", "CREATE TYPE"], ["type", "public.mood", "ALTER TYPE"], ["type", "public.d", "CREATE DOMAIN"],
    ["type", "public.d", "DROP TYPE"], ["type", "public.mood", "DROP TYPE"]]);
  assert.deepEqual(await changes(`create table public.made as select 1 as n; select 2 as n into public.chosen; create materialized view public.seen as select 1 as n; refresh materialized view public.seen`), [
    ["table", "public.made", "CREATE TABLE AS"], ["table", "public.chosen", "SELECT INTO"], ["materialized view", "public.seen", "CREATE MATERIALIZED VIEW"], ["materialized view", "public.seen", "REFRESH MATERIALIZED VIEW"]]);
});

test("who may see what, and what watches: policies, triggers, grants, publications", async () => {
  await env.db.query("create table public.guarded (id int primary key)");
  assert.deepEqual(await changes(`alter table public.guarded enable row level security; create policy mine on public.guarded using (true); drop policy mine on public.guarded`), [
    ["table", "public.guarded", "ALTER TABLE"], ["policy", "mine on public.guarded", "CREATE POLICY"], ["policy", "mine on public.guarded", "DROP POLICY"]]);
  assert.deepEqual(await changes("select pgherald.track('public.guarded'); select pgherald.untrack('public.guarded')"), [
    ["trigger", "pgherald_context on public.guarded", "CREATE TRIGGER"], ["trigger", "pgherald_context on public.guarded", "COMMENT"], ["trigger", "pgherald_context on public.guarded", "DROP TRIGGER"]]);
  assert.deepEqual(await changes("grant select on public.guarded to anon", ({ new_values }) => [new_values.statement]), [
    ["table", null, "GRANT", "grant select on public.guarded to anon"]]);
});

test("a CASCADE names what it took; partitions, and those that are detached", async () => {
  await env.db.query(`create table public.base (id int primary key); create view public.on_base as select * from public.base;
    create table public.parted (id int) partition by range (id); create table public.parted_1 partition of public.parted for values from (1) to (2)`);
  assert.deepEqual(await changes("drop table public.base cascade", ({ new_values }) => [new_values.cascaded]), [
    ["table", "public.base", "DROP TABLE", undefined], ["view", "public.on_base", "DROP TABLE", true]]);
  assert.deepEqual(await changes("alter table public.parted detach partition public.parted_1; drop table public.parted, public.parted_1"), [
    ["table", "public.parted", "ALTER TABLE"], ["table", "public.parted", "DROP TABLE"], ["table", "public.parted_1", "DROP TABLE"]]);
  assert.deepEqual(await changes("create schema gone create table gone.t (id int)"), [["schema", "gone", "CREATE SCHEMA"], ["table", "gone.t", "CREATE SCHEMA"]]);
  assert.deepEqual(await changes("create extension tablefunc; drop extension tablefunc"), [["extension", "tablefunc", "CREATE EXTENSION"], ["extension", "tablefunc", "DROP EXTENSION"]]);
  assert.deepEqual(await changes("drop schema gone cascade", ({ new_values }) => [new_values.cascaded]), [
    ["schema", "gone", "DROP SCHEMA", undefined], ["table", "gone.t", "DROP SCHEMA", true]]);
});

test("what is rolled back, temporary, or no DDL is none; what a command is bounded by is said", async () => {
  assert.deepEqual(await changes(async () => {
    await env.db.query("begin; create table public.never (id int); rollback");
    await env.db.query("begin; savepoint a; create table public.never (id int); rollback to a; commit");
    await env.db.query("create temp table mine (id int); alter table mine add column b int; drop table mine");
    await env.db.query("create table work.kept (id int); insert into work.kept values (1); truncate work.kept; vacuum work.kept".split("; ").slice(0, 1).join(""));
  }), [["table", "work.kept", "CREATE TABLE"]]);
  await env.db.query("do $$ begin for i in 1..250 loop execute format('create table work.many_%s ()', i); end loop; end $$");
  const dropped = await changes(async () => {
    const { list } = await env.row("select string_agg(format('work.many_%s', i), ',') as list from generate_series(1, 250) i");
    await env.db.query(`drop table ${list}`);
  }, ({ new_values }) => [new_values.left_out]);
  assert.equal(dropped.length, 200);
  assert.deepEqual([dropped[0][3], dropped[199][3]], [undefined, 50]);
});

test("who: a direct login, a declared actor; before or after the rows of the transaction", async () => {
  const builder = new pg.Client({ connectionString: env.cluster.url(env.name).replace("postgres@", `${role}@`) });
  await builder.connect();
  const who = (row) => [row.user_id, row.context.source, row.context.session_user, row.context.application];
  assert.deepEqual(await changes(() => builder.query("create table work.mine (id int primary key)"), who), [
    ["table", "work.mine", "CREATE TABLE", null, "direct", role, undefined]]);
  await builder.end();
  assert.deepEqual(await changes(`begin; select pgherald.set_context('${ann}', '{"release": "1.2"}'); alter table work.mine add column b int; create table work.other (); commit`, who), [
    ["table", "work.mine", "ALTER TABLE", ann, "declared", "postgres", { release: "1.2" }],
    ["table", "work.other", "CREATE TABLE", ann, "declared", "postgres", { release: "1.2" }]]);
});

test("no entry and no log holds a literal, a comment or the body of a function", async () => {
  const secret = "hunter2-sesame";
  const statements = [
    `create table public.s1 (id int, token text default '${secret}')`,
    `alter table public.s1 add column b text default E'it\\'s ${secret}'`,
    `create function public.s2() returns text language sql as $body$ select '${secret}' $body$`,
    `create view public.s3 as select '${secret}'::text as v, "id" from public.s1 -- ${secret}\n where id > 7`,
    `/* ${secret} */ create table public.s4 (id int)`,
    `alter role ${role} password '${secret}'; create table public.s5 (id int); insert into public.s1 values (1, '${secret}'); delete from public.s1`,
    `select '${secret}', set_config('app.x', '${secret}', false); create table public.s6 (id int)`,
    `create table public."it's" (v text default '${secret}')`,
    `do $$ begin execute 'create table public.s7 (v text default ''${secret}'')'; end $$`,
    `create subscription s8 connection 'host=127.0.0.1 password=${secret}' publication p with (connect = false)`,
    `/* a /* ${secret} */ '${secret} */ create table public.s9 (id int)`,
  ];
  await env.db.query("insert into pgherald.audit_policies (table_name, is_enabled) values ('public.s1', false)");
  const shown = await changes(async () => {
    for (const sql of statements) await env.db.query(sql);
  }, ({ new_values }) => [new_values.statement]);
  await env.db.query("alter subscription s8 disable; alter subscription s8 set (slot_name = none); drop subscription s8").catch(() => {});
  const of = (name) => shown.find(([, id]) => id === name)?.[3];
  assert.equal(of("public.s1"), "create table public.s1 (id int, token text default '...')");
  assert.equal(of("public.s2()"), "create function public.s2() returns text language sql as $...$");
  assert.equal(of("public.s3"), `create view public.s3 as select '...'::text as v, "id" from public.s1 \n where id > 7`);
  assert.equal(of("public.s4"), "create table public.s4 (id int)");
  assert.match(of("public.s5"), /password '\.\.\.'; create table/);
  assert.equal(of(`public."it's"`), `create table public."it's" (v text default '...')`);
  assert.equal(of("public.s7"), "do $...$");
  assert.match(of("s8"), /connection '\.\.\.' publication p/);
  assert.ok(shown.some(([, id, , statement]) => id === "public.s1" && statement === "alter table public.s1 add column b text default E ..."));
  assert.equal(of("public.s9"), " ...", "comments in comments end it");
  assert.equal(shown.length, statements.length);
  const { n } = await env.row("select count(*)::int as n from public.audit_logs a where a::text like '%' || $1 || '%'", [secret]);
  assert.equal(n, 0);
  assert.ok(!env.logText().includes(secret));
});

test("a long statement is cut, and a statement of a megabyte costs no time", async () => {
  const [[, , , statement]] = await changes(`create table public.wide (${Array.from({ length: 1000 }, (_, i) => `column_${i} int`).join(", ")})`, ({ new_values }) => [new_values.statement]);
  assert.equal(statement.length, 4004);
  assert.ok(statement.startsWith("create table public.wide (column_0 int, column_1 int") && statement.endsWith(" ..."));
  const from = Date.now();
  const [[, , , long]] = await changes(`create table public.long_default (v text default '${"x".repeat(1_000_000)}')`, ({ new_values }) => [new_values.statement]);
  assert.equal(long, "create table public.long_default (v text default ...");
  assert.ok(Date.now() - from < 10000 * patience);
});

test("a message that anybody can write makes no entry of a change, but one of a forgery", async () => {
  const facts = `json_build_object('xid', pg_current_xact_id()::text, 'kind', 'schema', 'type', 'table', 'name', 'public.fake', 'change', '{}'::json)::text`;
  const made = await changes(`select pg_logical_emit_message(true, 'pgherald:schema', repeat('ab', 32) || ${facts})`);
  assert.deepEqual(made, []);
  const attempts = await env.rows("select resource_type, context from public.audit_logs where action = 'forged_context'");
  assert.deepEqual(attempts, [{ resource_type: "pgherald:schema", context: { source: "forged", trusted: false, forged: true } }]);
});

test("where an event trigger fails or is not there, statements work; doctor says what is missing", async () => {
  assert.match((await env.command("doctor")).stdout, /ok +schema changes +they are entries/);
  await env.db.query("alter table pgherald.context_key rename to context_key_away");
  assert.deepEqual(await changes("create table public.still (id int)"), []);
  await env.db.query("alter table pgherald.context_key_away rename to context_key");
  await env.db.query("drop event trigger pgherald_note_ddl");
  const { stdout } = await env.command("doctor");
  assert.match(stdout, /warn +schema changes +.*no entries/);
  assert.match(stdout, /select pgherald\.note_schema_changes\(\)/);
  // who may not make them gets a warning and no error
  await env.db.query(`grant usage on schema pgherald to ${role}; grant execute on function pgherald.note_schema_changes() to ${role}`);
  const builder = new pg.Client({ connectionString: env.cluster.url(env.name).replace("postgres@", `${role}@`) });
  const notices = [];
  builder.on("notice", (notice) => notices.push(notice));
  await builder.connect();
  assert.deepEqual((await builder.query("select pgherald.note_schema_changes() as done")).rows, [{ done: false }]);
  assert.match(notices[0].message, /no entries of the audit trail/);
  await builder.end();
  assert.deepEqual(await env.rows("select pgherald.note_schema_changes() as done"), [{ done: true }]);
  assert.deepEqual(await changes("create table public.again (id int)"), [["table", "public.again", "CREATE TABLE"]]);
});

test("all of pgherald may be dropped", async () => {
  await env.kill("SIGTERM");
  await env.db.query("drop schema pgherald cascade");
  assert.deepEqual(await env.rows("select evtname from pg_event_trigger where evtname like 'pgherald%'"), []);
  await env.db.query("create table public.afterwards (id int)");
});
