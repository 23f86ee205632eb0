// `supabase db push`, imitated: the lines of docs/schema.md lay the files out, and each is applied as
// the CLI does it (checked against its source: pkg/migration, pkg/parser): RESET ALL, the file cut
// into statements, each by the extended protocol, all in one transaction with the entry in
// supabase_migrations.schema_migrations. The database has a Supabase project's roles and rights.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Cluster, Env, plugin, temporaryFolder } from "./harness.mjs";

const top = resolve(fileURLToPath(import.meta.url), "../../..");
let cluster;

before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster.stop());

async function project(t) {
  const env = await Env.start({ cluster, init: false, daemon: false });
  const roles = Object.fromEntries(["installer", "auth_admin", "realtime_admin"].map((name) => [name, `${env.name}_${name}`]));
  env.installer = roles.installer;
  t.after(async () => {
    await env.stop();
    await env.admin(`drop role ${Object.values(roles).join(", ")}`);
  });
  const variables = Object.entries(roles).flatMap(([name, role]) => ["-v", `${name}=${role}`]);
  execFileSync("psql", ["-Xqv", "ON_ERROR_STOP=1", ...variables, "-f", join(top, "tests/sql/supabase_like.sql"), cluster.url(env.name)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await env.admin(`alter role ${env.installer} login replication`);
  env.settings.database_url = env.settings.database_url.replace("postgres@", `${env.installer}@`);
  return env;
}

// The shell lines of the page whose loop runs over `files`, with everything but the CLI itself.
function layOut(files) {
  const folder = temporaryFolder("supabase");
  mkdirSync(join(folder, "supabase/migrations"), { recursive: true });
  execFileSync("ln", ["-s", join(top, "sql"), join(folder, "sql")]);
  const blocks = readFileSync(join(top, "docs/schema.md"), "utf8").match(/(?<=^```\n)[^`]*supabase db push\n(?=```$)/gm);
  const [block] = blocks.filter((text) => text.includes(`for file in ${files}`));
  const run = () => execFileSync("bash", ["-euo", "pipefail", "-c", block.replaceAll("supabase db push", "true")], { cwd: folder });
  run();
  const names = readdirSync(join(folder, "supabase/migrations")).sort();
  run(); // once more brings nothing new
  assert.deepEqual(readdirSync(join(folder, "supabase/migrations")).sort(), names);
  return names.map((name) => ({ name, sql: readFileSync(join(folder, "supabase/migrations", name), "utf8") }));
}

// Statements end at a semicolon outside of quotes, dollar quotes and comments.
function statements(sql) {
  const token = /--[^\n]*|\/\*[^]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[^]*?\1|;|[^]/g;
  const out = [""];
  for (const [text] of sql.matchAll(token)) {
    if (text === ";") out.push("");
    else out[out.length - 1] += text;
  }
  return out.map((text) => text.trim()).filter(Boolean);
}

async function push(t, env, files) {
  const client = await env.connect();
  t.after(() => client.end());
  await client.query(`set session authorization ${env.installer}`);
  await client.query("create schema if not exists supabase_migrations");
  await client.query("create table if not exists supabase_migrations.schema_migrations (version text not null primary key, statements text[], name text)");
  const { rows } = await client.query("select coalesce(max(version), '') as last from supabase_migrations.schema_migrations");
  for (const { name, sql } of files) {
    const [, version, title] = name.match(/^([0-9]+)_(.*)\.sql$/);
    assert.ok(version > rows[0].last, `${name} sorts before ${rows[0].last}`);
    assert.equal(version.length, 14);
    await client.query("reset all");
    await client.query("begin");
    for (const statement of statements(sql)) {
      await client.query({ text: statement, queryMode: "extended" }).catch((error) => assert.fail(`${name}: ${error.message}\n${statement.slice(0, 300)}`));
    }
    await client.query("insert into supabase_migrations.schema_migrations (version, name) values ($1, $2)", [version, title]);
    await client.query("commit");
  }
}

// The schema as pg_dump tells it, without what differs from run to run and the CLI's own table.
const dump = (env) =>
  execFileSync("pg_dump", ["--schema-only", "--exclude-schema=supabase_migrations", cluster.url(env.name)], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line && !/^(--|\\(un)?restrict|CREATE PUBLICATION|ALTER PUBLICATION|COMMENT ON PUBLICATION)/.test(line))
    .join("\n")
    .replaceAll(env.name, "db");

for (const { what, files, args } of [
  { what: "the whole application", files: "sql/migrations/*.sql", args: ["--with-seed-app"] },
  { what: "the sidecar alone", files: "$(grep", args: [] },
]) {
  test(`pushed and initialised is the same: ${what}`, async (t) => {
    const [pushed, initialised] = [await project(t), await project(t)];
    await pushed.db.query(`
      create schema supabase_migrations authorization ${pushed.installer};
      create table supabase_migrations.schema_migrations (version text not null primary key, statements text[], name text);
      alter table supabase_migrations.schema_migrations owner to ${pushed.installer};
      insert into supabase_migrations.schema_migrations values ('20240101000000', '{}', 'of the project')`);
    const laidOut = layOut(files);
    assert.equal(laidOut[0].name.slice(8), "000000_foundation.sql");
    await push(t, pushed, laidOut);
    await initialised.init(args);
    assert.equal(dump(pushed), dump(initialised));

    // then init takes over, changes nothing, and the daemon works
    const before = dump(pushed);
    await pushed.init(args);
    assert.equal(dump(pushed), before);
    const { n } = await pushed.row("select count(*)::int as n from pgherald.migrations");
    assert.equal(n, laidOut.length);
    await pushed.run();
    // as a project makes its tables: who owns the publication may add those of its own role only
    await pushed.db.query(`set session authorization ${pushed.installer}; create table public.todo (id int primary key); reset session authorization`);
    if (plugin === "pgoutput") await pushed.init(args); // only the event trigger of a superuser publishes a new table at once
    await pushed.db.query("insert into public.todo values (1)");
    await pushed.caughtUp();
    assert.equal((await pushed.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.todo'")).n, 1);
  });
}
