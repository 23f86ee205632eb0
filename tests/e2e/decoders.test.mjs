// Both output plugins say the same: the same transactions, read from two slots, make the same entries.
// And a slot of one plugin is handed over to one of the other without a gap.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, Env, eventually, patience } from "./harness.mjs";
import { dropSlot, entries, generator, secondSlot, setUp, statements } from "./random.mjs";

// A seed makes a run repeatable: DECODERS_SEED=...
const seed = Number(process.env.DECODERS_SEED ?? Math.floor(Math.random() * 2 ** 31));

// What differs is not in here, see docs/stream.md: a partitioned table that is truncated; generated columns
// and NaN (audit_types.test.mjs); a key that is dropped, which rules/table_key.c goes on with for wal2json.
test(`random transactions make the same entries through both (DECODERS_SEED=${seed})`, { timeout: 300000 * patience }, async (t) => {
  const env = await Env.start({ seed: false, daemon: false, config: { plugin: "wal2json" } });
  t.after(() => env.stop());
  await env.db.query(setUp);
  const other = await secondSlot(env, "pgoutput");
  t.after(() => dropSlot(env, other));
  const { begun } = await env.row("select pg_current_wal_lsn()::text as begun"); // the second slot knows nothing of the first's beginning
  const random = generator(seed);
  const next = statements(random);
  for (let i = 0; i < 400; i++) {
    const count = random() < 0.1 ? 30 : 1 + Math.floor(random() * 3);
    const body = Array.from({ length: count }, next).join("; ");
    await env.db.query(`begin; ${body}; ${random() < 0.1 ? "rollback" : "commit"}`).catch(async (error) => {
      await env.db.query("rollback");
      if (!/bare_pkey|violates|contains null|is duplicated|cannot ALTER TABLE .* pending/.test(error.message)) throw new Error(`${error.message}\n${body}`);
    });
  }
  const { lsn } = await env.row("select pg_current_wal_lsn()::text as lsn");
  const read = async () => {
    const { last } = await env.row("select coalesce(max(id), 0) as last from public.audit_logs");
    const { code, stderr } = await env.command("run", "--endpos", lsn);
    assert.equal(code, 0, stderr);
    return { rows: await env.rows(entries, [last, begun]), stderr };
  };
  const one = await read();
  Object.assign(env.settings, { slot_name: other, plugin: "pgoutput" });
  const two = await read();
  Object.assign(env.settings, { slot_name: env.name, plugin: "wal2json" });
  assert.match(one.stderr, /plugin=wal2json/);
  assert.match(two.stderr, /plugin=pgoutput/);
  assert.ok(one.rows.length > 500, `${one.rows.length} entries`);
  for (let i = 0; i < Math.max(one.rows.length, two.rows.length); i++) {
    assert.deepEqual(two.rows[i], one.rows[i], `entry ${i} of ${one.rows.length}`);
  }
  t.diagnostic(`${one.rows.length} entries`);
});

test("a slot is handed over to one of the other plugin while the application writes: nothing lost, nothing twice", { timeout: 120000 * patience }, async (t) => {
  const env = await Env.start({ seed: false, config: { plugin: "wal2json" } });
  t.after(() => env.stop());
  await env.db.query("create table public.numbered (no bigint primary key)");
  const writer = await env.connect();
  let no = 0;
  let writing = true;
  const writes = (async () => {
    while (writing) await writer.query("insert into public.numbered values ($1)", [++no]);
    await writer.end();
  })();
  const handOver = (from, to) => env.db.query("select pgherald.hand_over($1, $2)", [from, to]);
  await eventually(() => no > 100, "some rows");
  await env.db.query("insert into pgherald.audit_policies (table_name, is_enabled) values ('public.later', false)");
  const slot = await secondSlot(env, "pgoutput");
  await env.init(); // for the first slot, once more: it leaves what the second one needs
  assert.equal((await env.row("select count(*)::int as n from pg_publication_tables where pubname = 'pgherald' and tablename = 'store_marks'")).n, 1);
  await assert.rejects(handOver(env.name, slot), /slot .* is in use/);
  await assert.rejects(handOver(env.name, "no_such_slot"), /no slot no_such_slot/);
  const stop = async () => {
    assert.deepEqual(await env.kill("SIGTERM"), { code: 0, signal: null });
    // its walsender may end a moment later
    await eventually(async () => !(await env.row("select active from pg_replication_slots where slot_name = $1", [env.name])).active, "the slot to be free");
  };
  await stop();
  const upTo = no;
  await eventually(() => no > upTo + 100, "rows that nobody has read");
  // made later, so it begins where the first slot has not been yet
  await dropSlot(env, slot);
  await secondSlot(env, "pgoutput");
  await assert.rejects(handOver(env.name, slot), /what is before that is not stored yet/);
  await env.run();
  await env.caughtUp();
  await stop();
  await handOver(env.name, slot);
  await assert.rejects(handOver(env.name, slot), /was read already/);
  const first = env.name;
  Object.assign(env.settings, { slot_name: slot, plugin: "auto" });
  await env.run();
  assert.match(env.logText(), /module=daemon msg=started/);
  await eventually(() => no > upTo + 400, "rows for the second slot");
  await env.db.query("create table public.later (id int primary key); insert into public.later values (1)"); // the rules came along
  writing = false;
  await writes;
  env.name = slot; // whose progress is waited for, and which is dropped
  await env.caughtUp();
  assert.match(env.logText(), /plugin=pgoutput/);
  const { times, differing, last } = await env.row(
    "select count(*)::int as times, count(distinct resource_id)::int as differing, max(resource_id::int) as last from public.audit_logs where resource_type = 'public.numbered'");
  assert.deepEqual({ times, differing, last }, { times: no, differing: no, last: no });
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.later'")).n, 0);
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where action = 'pgherald.gap' and new_values ->> 'reason' <> 'first start'")).n, 0);
  await stop();
  await dropSlot(env, slot);
  env.name = first;
});

test("a daemon whose setting names another plugin than its slot has says so, and so do doctor and init", async (t) => {
  const env = await Env.start({ seed: false, daemon: false, config: { plugin: "pgoutput" } });
  t.after(() => env.stop());
  env.settings.plugin = "wal2json";
  await env.run([], { ready: false });
  await eventually(() => /is of the plugin pgoutput, and the setting plugin is wal2json/.test(env.logText()), "the refusal");
  assert.equal((await env.row("select active from pg_replication_slots where slot_name = $1", [env.name])).active, false);
  for (const command of ["doctor", "init"]) {
    const { code, stdout, stderr } = await env.command(command);
    assert.equal(code, 1);
    assert.match(stdout + stderr, /is of the plugin pgoutput, and the setting plugin is wal2json/);
    assert.match(stdout + stderr, /plugin = auto/);
  }
  env.settings.plugin = "auto";
  await env.kill("SIGTERM");
  await env.run();
  await env.db.query("create table public.t (id int primary key); insert into public.t values (1)");
  await env.caughtUp();
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.t'")).n, 1);
});

test("where wal2json is not let in, auto takes pgoutput; doctor tells what it lacks", async (t) => {
  const cluster = await Cluster.start({ own: true });
  let env;
  t.after(async () => {
    await env?.stop();
    cluster.stop();
  });
  env = await Env.start({ cluster, seed: false, init: false, daemon: false, config: { plugin: "wal2json" } });
  const { guarded } = await env.row("select current_setting('output_plugin_libraries', true) is not null as guarded");
  if (!guarded) return t.skip("this server lets every plugin in");
  await env.admin("alter system set output_plugin_libraries = 'pgoutput', 'test_decoding'");
  await env.admin("select pg_reload_conf()");
  const refused = await env.command("init");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /does not list wal2json.*plugin = pgoutput/s);
  env.settings.plugin = "auto";
  await env.db.query("create table public.early (id int primary key, twice int generated always as (id * 2) stored)");
  await env.init();
  await env.run();
  await env.db.query("insert into public.early values (1); create table public.late (v int); insert into public.late values (2)");
  await env.caughtUp();
  assert.deepEqual(
    (await env.rows("select resource_type, new_values from public.audit_logs order by commit_lsn, ordinal")).filter(({ resource_type: name }) => /early|late/.test(name)),
    [{ resource_type: "public.early", new_values: { id: 1 } }, { resource_type: "public.late", new_values: { v: 2 } }],
  );
  // DDL waits for DDL only where both change what is published
  const [one, two] = [await env.connect(), await env.connect()];
  t.after(() => Promise.all([one.end(), two.end()]));
  const notices = [];
  two.on("notice", ({ message }) => notices.push(message));
  await one.query("begin; alter table public.early add column more int");
  await two.query("set lock_timeout = '5s'; alter table public.late add column more int");
  assert.deepEqual(notices, []); // it says so if it could not be published
  await one.query("create table public.of_one (id int primary key)");
  const made = two.query("set lock_timeout = '60s'; create table public.of_two (id int primary key); insert into public.of_two values (1)");
  await eventually(async () => (await env.row("select count(*)::int as n from pg_locks where not granted")).n > 0, "the second to wait");
  await one.query("insert into public.of_one values (1); commit");
  await made;
  assert.deepEqual(notices, []);
  await env.caughtUp();
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type in ('public.of_one', 'public.of_two')")).n, 2);
  await env.db.query("drop table public.of_one, public.of_two; alter table public.early drop column more");
  const doctor = async () => JSON.parse((await env.command("doctor", "--json")).stdout).checks.filter(({ name }) => /plugin|publication/.test(name));
  assert.deepEqual((await doctor()).map(({ name, status, found }) => [name, status, found]), [
    ["output plugin", "ok", "pgoutput is allowed, the slot uses it"],
    ["publication", "warn", "generated columns of public.early are not in the stream"],
  ]);
  await env.db.query("alter event trigger pgherald_publications disable; create table public.hidden (id int primary key)");
  assert.deepEqual((await doctor()).slice(1).map(({ status, found, remedy }) => [status, found, remedy]).sort(), [
    ["fail", "public.hidden is in no publication, so its changes are not seen", "run pgherald init"],
    ["warn", "a table that is made from now on is published only when the daemon starts or pgherald init is run", "run pgherald init as a superuser once: it makes an event trigger"],
    ["warn", "generated columns of public.early are not in the stream", "PostgreSQL 18 publishes them; wal2json has them"],
  ]);
  // a session that starts publishes what is there
  await env.kill("SIGTERM");
  await env.run();
  await env.db.query("insert into public.hidden values (3)");
  await env.caughtUp();
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.hidden'")).n, 1);
});

test("without a superuser: tables are published at each start, and init and doctor say so", async (t) => {
  const env = await Env.start({ seed: false, init: false, daemon: false, config: { plugin: "pgoutput" } });
  const role = `${env.name}_owner`;
  t.after(async () => {
    await env.stop();
    await env.admin(`drop role ${role}`);
  });
  for (const name of ["anon", "authenticated", "service_role bypassrls"]) {
    await env.admin(`do $$ begin create role ${name} nologin; exception when duplicate_object then null; end $$`);
  }
  await env.admin(`create role ${role} login replication; grant anon, authenticated, service_role to ${role}`);
  await env.admin(`alter database ${env.name} owner to ${role}`);
  await env.db.query("create table public.of_another (id int primary key)");
  const own = await env.connect();
  t.after(() => own.end());
  await own.query(`set role ${role}; create table public.early (id int primary key)`);
  env.settings.database_url = env.settings.database_url.replace("postgres@", `${role}@`);
  const { code, stdout } = await env.command("init");
  assert.equal(code, 0, stdout);
  assert.match(stdout, /NO CHANGES of public.of_another are seen: it is owned by postgres/);
  assert.match(stdout, /A TABLE THAT IS MADE LATER is not seen before the daemon starts again/);
  await env.run();
  await own.query("insert into public.early values (1); create table public.late (id int primary key); insert into public.late values (2)");
  await env.caughtUp();
  const doctor = JSON.parse((await env.command("doctor", "--json")).stdout).checks.filter(({ name }) => name === "publication");
  assert.deepEqual(doctor.map(({ status, found }) => [status, found]).sort(), [
    ["fail", "no changes of public.of_another are seen: it is owned by postgres: only the owner can publish it"],
    ["fail", "public.late is in no publication, so its changes are not seen"],
    ["warn", "a table that is made from now on is published only when the daemon starts or pgherald init is run"],
  ]);
  await env.kill("SIGTERM");
  await env.run();
  await own.query("insert into public.late values (3)");
  await env.caughtUp();
  assert.deepEqual(
    (await env.rows("select resource_type, resource_id from public.audit_logs where resource_type in ('public.early', 'public.late') order by id")).map((row) => Object.values(row)),
    [["public.early", "1"], ["public.late", "3"]],
  );
});
