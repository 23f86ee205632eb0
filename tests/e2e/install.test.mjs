// Into a database that has things of its own: a clear refusal that changes nothing, or a clean fit.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { Cluster, Env } from "./harness.mjs";

let cluster;

before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster.stop());

async function project(t, sql) {
  const env = await Env.start({ cluster, init: false, daemon: false, before: (e) => e.db.query(sql) });
  t.after(() => env.stop());
  return env;
}

// The schema as pg_dump tells it, without what differs from run to run.
const dump = (env) =>
  execFileSync("pg_dump", ["--schema-only", cluster.url(env.name)], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line && !/^(--|\\(un)?restrict)/.test(line))
    .join("\n");

const inbox = (extra = "", key = "id uuid primary key default gen_random_uuid()") => `
  create table public.notifications (${key}, user_id uuid not null, type text, title text not null, message text,
    priority text not null default 'medium', data jsonb not null default '{}', is_read boolean not null default false,
    read_at timestamptz, seen_at timestamptz, archived_at timestamptz, expires_at timestamptz,
    created_at timestamptz not null default now(), rule_id uuid, dedupe_key text ${extra})`;

const refusals = [
  ["a trigger of its own that ours would replace", `${inbox()};
     create function public.mine() returns trigger language plpgsql as 'begin return new; end';
     create trigger sync_read before update on public.notifications for each row execute function public.mine()`,
   [], /trigger sync_read on public\.notifications.*rename to app_sync_read/],
  ["a column that must not be null and that we never fill", inbox(", tenant int not null"), [], /column public\.notifications\.tenant must not be null.*set default/],
  ["a table whose key we need", "create table public.notification_preferences (user_id uuid, type text, is_enabled boolean, min_priority text)",
   [], /table public\.notification_preferences has no unique key on \(user_id, type\)/],
  ["an index of a constraint's name", "create table public.old_keys (key_hash text constraint api_keys_key_hash_key unique)",
   [], /index public\.api_keys_key_hash_key belongs to public\.old_keys.*rename to app_api_keys_key_hash_key/],
  ["an index of the application's", "create table public.notes (user_id int); create index memories_user_idx on public.notes (user_id)",
   ["--with-seed-app"], /index public\.memories_user_idx belongs to public\.notes/],
  ["a type of a table's name", "create type public.notifications as enum ('mail')", [], /type public\.notifications has the name of a table/],
  ["a schema of our name", "create schema pgherald; create table pgherald.rules (mine int)", [], /schema pgherald is not pgherald's/],
  ["an auth.uid() that gives no uuid", "create schema auth; create function auth.uid() returns text language sql as $$ select 'x' $$", [], /auth\.uid\(\) returns text.*uuid/],
  ["a table that lacks our columns", "create table public.webhooks (id int)", [], /table public\.webhooks lacks/],
];

for (const [what, sql, args, complaint] of refusals) {
  test(`refused, and nothing changed: ${what}`, async (t) => {
    const env = await project(t, sql);
    const earlier = dump(env);
    for (const extra of [["--dry-run"], []]) {
      const { code, stdout, stderr } = await env.command("init", ...args, ...extra);
      if (extra.length && /lacks/.test(String(complaint))) continue; // that is asked by the first migration itself
      assert.equal(code, 1, stdout);
      assert.match(stdout + stderr, complaint);
      assert.match(stderr, /cannot be installed/);
    }
    assert.equal(dump(env), earlier);
    const json = JSON.parse((await env.command("init", "--json", ...args)).stdout);
    assert.equal(json.ok, false);
    assert.match(JSON.stringify(json), /cannot be installed/);
  });
}

test("refused to a role with little more than the database, then not: what it lacks is said each time", async (t) => {
  const env = await project(t, "select 1");
  const role = `${env.name}_owner`;
  await env.admin(`create role ${role} login`);
  t.after(() => env.admin(`drop role ${role}`)); // after its database
  await env.admin("do $$ begin create role anon nologin noinherit; exception when duplicate_object then null; end $$");
  await env.admin("do $$ begin create role authenticated nologin noinherit; exception when duplicate_object then null; end $$");
  await env.admin("do $$ begin create role service_role nologin noinherit bypassrls; exception when duplicate_object then null; end $$");
  env.settings.database_url = env.settings.database_url.replace("postgres@", `${role}@`);
  const init = () => env.command("init");
  const refused = async (pattern) => {
    const { code, stdout, stderr } = await init();
    assert.equal(code, 1);
    assert.match(stdout + stderr, pattern);
  };
  await refused(/permission denied|not a member|owner/);
  await env.admin(`alter database ${env.name} owner to ${role}`);
  await refused(/is not a member of role anon.*grant anon, authenticated, service_role to/s);
  await env.admin(`grant anon, authenticated, service_role to ${role}`);
  await env.db.query(`create schema auth; create function auth.uid() returns uuid language sql as 'select null::uuid'; ${inbox()}`);
  await refused(/schema auth has no function jwt\(\), role\(\), and .* may not make it[^]*schema auth is out of .* reach/);
  await refused(/schema auth has no function jwt\(\), role\(\), and .* may not make it[^]*table public\.notifications is owned by postgres/);
  await env.db.query(`grant create, usage on schema auth to ${role}; alter table public.notifications owner to ${role}`);
  await refused(/replication|REPLICATION/);
  await env.admin(`alter role ${role} replication`);
  await env.init();
  assert.equal((await env.row("select count(*)::int as n from pgherald.migrations")).n >= 9, true);
});

test("the database's search_path means nothing to the installation, and an extension finds its place", async (t) => {
  const env = await project(t, `
    create schema evil;
    create function evil.now() returns int language sql as 'select 1';
    create table evil.users (x int);
    create function evil.place() returns event_trigger language plpgsql as $$
    begin
      if pg_catalog.current_schema() is distinct from 'public' then raise exception 'an extension would be made in %', pg_catalog.current_schema(); end if;
    end $$;
    create event trigger place on ddl_command_start when tag in ('CREATE EXTENSION') execute function evil.place()`);
  await env.admin(`alter database ${env.name} set search_path = evil, pg_catalog`);
  await env.init(["--with-seed-app"]);
  await env.db.query("drop event trigger place; drop schema evil cascade");
  const plain = await project(t, "select 1");
  await plain.init(["--with-seed-app"]);
  assert.equal(dump(env), dump(plain));
});

test("beside tables of its own, out again, and in again", async (t) => {
  const env = await project(t, `
    create table public.todo (id int primary key, user_id uuid, done bool);
    create table public.app_notifications (id int primary key);
    insert into public.app_notifications values (1)`);
  const earlier = dump(env);
  const uninstall = readFileSync(new URL("../../sql/uninstall.sql", import.meta.url), "utf8");
  for (let round = 0; round < 2; round++) {
    await env.init();
    await env.run();
    await env.db.query("insert into public.todo values ($1, gen_random_uuid(), false)", [round]);
    await env.caughtUp();
    const { n } = await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.todo'");
    assert.equal(n, 1);
    await assert.rejects(env.db.query(`begin; ${uninstall}; commit`), /replication slot in use/);
    await env.db.query("rollback");
    await env.kill("SIGTERM");
    await env.db.query(`set pgherald.uninstall_audit = 'drop'; begin; ${uninstall}; commit`);
    assert.equal(dump(env).replace(/GRANT USAGE ON SCHEMA public TO (anon|authenticated|service_role);\n?/g, "").trim(), earlier.trim());
    assert.deepEqual(await env.rows("select slot_name from pg_replication_slots where slot_name = $1", [env.name]), []);
    assert.deepEqual(await env.rows("select * from public.app_notifications"), [{ id: 1 }]);
  }
});
