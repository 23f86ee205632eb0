// Both output plugins say the same: the same transactions, read from two slots, make the same entries.
// And a slot of one plugin is handed over to one of the other without a gap.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, Env, eventually, patience } from "./harness.mjs";

// A seed makes a run repeatable: DECODERS_SEED=...
const seed = Number(process.env.DECODERS_SEED ?? Math.floor(Math.random() * 2 ** 31));
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// A second slot beside the environment's own.
async function secondSlot(env, plugin) {
  const own = { ...env.settings };
  const slot = `${env.name}_2`;
  Object.assign(env.settings, { slot_name: slot, plugin });
  await env.init();
  Object.assign(env.settings, own);
  return slot;
}
const dropSlot = (env, slot) =>
  eventually(async () => {
    await env.admin(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '${slot}'`);
    return true;
  }, `slot ${slot} to be free`);

const setUp = `
  create type public.mood as enum ('sad', 'happy');
  create type public.pair as (a int, b text);
  create domain public.amount as numeric;
  create table public.keyed (id int primary key, t text, n numeric, f float8, b bool, j jsonb, bin bytea, at timestamptz);
  create table public.whole (id int primary key, t text, big text, m public.mood, p public.pair, d public.amount, list text[]);
  alter table public.whole replica identity full;
  alter table public.whole alter big set storage external;
  create table public.whole_without_key (a int, t text);
  alter table public.whole_without_key replica identity full;
  create table public.by_index (id int primary key, u int not null unique, t text);
  alter table public.by_index replica identity using index by_index_u_key;
  create table public.two (a int, b text, t text, primary key (b, a));
  create table public.bare (a int, t text);
  create table public.nothing (id int primary key, t text);
  alter table public.nothing replica identity nothing;
  create table public.parted (id int, k int, t text, primary key (id, k)) partition by list (k);
  create table public.parted_0 partition of public.parted for values in (0);
  create table public.parted_1 partition of public.parted for values in (1);
  alter table public.parted_1 replica identity full;
  create table public."Odd "" näme, x" ("id é" int primary key, "a.b" text);
  create schema aside;
  create table aside.unseen (id int primary key, t text)`;

// One statement; `$` stands for values, which differ each time.
function statements(random) {
  const int = (n) => Math.floor(random() * n);
  const pick = (list) => list[int(list.length)];
  const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
  const text = () => pick(["null", "''", quoted('say "hi"\n\t\\ é \u{1F600}'), quoted("'; drop"), `'${int(1000)}'`, `repeat('x', ${int(50)})`]);
  const big = () => pick([`repeat('${int(10)}', 5000)`, "null", text()]);
  const number = () => pick(["null", "0", "-1.50", "1234567890123456789012345678901234567890.0100", "1e-20", String(int(1e9))]);
  const id = () => int(40);
  const keyed = () =>
    `${text()}, ${number()}, ${pick(["null", "1e300", "0.1", "-0"])}, ${pick(["true", "false", "null"])}, ${pick(["null", `'{"a": [1.50, "x\\ny"]}'`, "'null'"])}, ${pick(["null", "''", "'\\xdeadbeef00'"])}, ${pick(["null", "'infinity'", "'2026-02-28 12:34:56.123456+05:30'", "'0044-03-15 12:00:00+00 BC'"])}`;
  const whole = () => `${text()}, ${big()}, ${pick(["null", "'sad'"])}, ${pick(["null", "row(1, 'a \"b\"')"])}, ${number()}, ${pick(["null", "'{}'", "array['a,b', null, 'NULL']"])}`;
  const again = "on conflict do nothing";
  return () =>
    pick([
      () => `insert into public.keyed values (${id()}, ${keyed()}) ${again}`,
      () => `update public.keyed set (t, n, f, b, j, bin, at) = row(${keyed()}) where id = ${id()}`,
      () => `update public.keyed set id = id + 100 where id = ${id()}`,
      () => `delete from public.keyed where id % 7 = ${int(7)}`,
      () => `insert into public.whole values (${id()}, ${whole()}) ${again}`,
      () => `update public.whole set t = ${text()} where id < ${id()}`,
      () => `update public.whole set (t, big, m, p, d, list) = row(${whole()}) where id = ${id()}`,
      () => `delete from public.whole where id = ${id()}`,
      () => `insert into public.whole_without_key values (${id()}, ${text()})`,
      () => `update public.whole_without_key set t = ${text()} where a = ${id()}`,
      () => `delete from public.whole_without_key where a = ${id()}`,
      () => `insert into public.by_index values (${id()}, ${id()}, ${text()}) ${again}`,
      () => `update public.by_index set t = ${text()} where id = ${id()}`,
      () => `update public.by_index set u = u + 1000 where id = ${id()}`,
      () => `delete from public.by_index where id = ${id()}`,
      () => `insert into public.two values (${id()}, '${id()}', ${text()}) ${again}`,
      () => `update public.two set a = a + 1000, t = ${text()} where a = ${id()}`,
      () => `delete from public.two where a = ${id()}`,
      () => `insert into public.bare values (${id()}, ${text()})`,
      () => `update public.bare set t = ${text()} where a = ${id()}`,
      () => `delete from public.bare where a = ${id()}`,
      () => `insert into public.nothing values (${id()}, ${text()}) ${again}`,
      () => `update public.nothing set t = ${text()} where id = ${id()}`,
      () => `insert into public.parted values (${id()}, ${int(2)}, ${text()}) ${again}`,
      () => `update public.parted set t = ${text()} where id < ${id()}`,
      () => `update public.parted p set k = 1 - k where id = ${id()} and not exists (select from public.parted o where o.id = p.id and o.k = 1 - p.k)`,
      () => `delete from public.parted where id = ${id()}`,
      () => `insert into public."Odd "" näme, x" values (${id()}, ${text()}) ${again}`,
      () => `update public."Odd "" näme, x" set "a.b" = ${text()} where "id é" = ${id()}`,
      () => `insert into aside.unseen values (${id()}, ${text()}) ${again}`,
      () => `truncate ${pick(["public.bare", "public.two, public.bare, aside.unseen", "public.keyed", "public.parted_0", "public.whole, public.by_index"])}`,
      () => `select pg_logical_emit_message(${pick(["true", "false"])}, '${pick(["pgherald:context", "of another program"])}', ${pick(["'{}'", "'no context'", "E'\\\\x00ff'::bytea"])})`,
      () => `savepoint s; insert into public.keyed values (${id() + 1000}, 'lost'); rollback to s`,
      // DDL in the middle of it all
      () => `do $$ begin create table public.made_${int(4)} (id int primary key, v int2); exception when duplicate_table then null; end $$`,
      () => `do $$ begin insert into public.made_${int(4)} values (${id()}) ${again}; exception when undefined_table or undefined_column then null; end $$`,
      () => `drop table if exists public.made_${int(4)}`,
      () => `alter table public.keyed add column if not exists more text default 'm'`,
      () => `alter table public.keyed drop column if exists more`,
      () => `alter table public.two replica identity ${pick(["full", "default"])}`,
      () => `do $$ begin alter table public.bare add primary key (a); exception when others then null; end $$`,
    ])();
}

const entries = `
  select commit_lsn, ordinal, xid, occurred_at, action, resource_type, resource_id, old_resource_id, old_values::text, new_values::text,
    changed_fields, user_id, context::text
  from public.audit_logs where id > $1 and commit_lsn > $2::pg_lsn order by commit_lsn, ordinal`;

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
  const stop = async () => assert.deepEqual(await env.kill("SIGTERM"), { code: 0, signal: null });
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
