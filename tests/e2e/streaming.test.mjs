// Transactions in progress: whatever is streamed before its commit makes the entries that it makes otherwise,
// in the order of the commits, once each; and nothing comes of what is rolled back.
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Env, eventually, patience, preloadable, sleep, temporaryFolder } from "./harness.mjs";
import { dropSlot, entries, generator, secondSlot, setUp, statements } from "./random.mjs";

// A seed makes a run repeatable, but for what several writers do at once: STREAMING_SEED=...
const seed = Number(process.env.STREAMING_SEED ?? Math.floor(Math.random() * 2 ** 31));

// From 64 kB on the server streams.
async function start(config = {}, options = {}) {
  const env = await Env.start({ seed: false, daemon: false, config: { plugin: "pgoutput", streaming: "on", ...config }, ...options });
  await env.admin(`alter database ${env.name} set logical_decoding_work_mem = '64kB'`);
  return env;
}

const streamed = (env, slot, what) =>
  eventually(async () => Number((await env.row(`select stream_${what} as n from pg_stat_replication_slots where slot_name = $1`, [slot]))?.n ?? 0), "the server's count of what it streamed");

// What a run of the slot to the end makes, beyond `begun`.
async function read(env, settings, begun) {
  const own = { ...env.settings };
  const { lsn } = await env.row("select pg_current_wal_lsn()::text as lsn");
  const { last } = await env.row("select coalesce(max(id), 0) as last from public.audit_logs");
  Object.assign(env.settings, settings);
  const { code, stderr } = await env.command("run", "--endpos", lsn);
  Object.assign(env.settings, own);
  assert.equal(code, 0, stderr);
  // DDL runs event triggers, which may roll back a part of their own: then the rest comes without streaming
  assert.doesNotMatch(stderr.replaceAll(/^.*session ended.*does not say whether that is the one that told.*$/gm, ""), /session ended/);
  return env.rows(entries, [last, begun]);
}

function compare(got, wanted) {
  for (let i = 0; i < Math.max(got.length, wanted.length); i++) assert.deepEqual(got[i], wanted[i], `entry ${i} of ${wanted.length}`);
}

// A row between what is told and a savepoint, or a block of PL/pgSQL with exceptions.
const first = "insert into public.whole_without_key values (0, 'first')";
const tolerated = /bare_pkey|violates|contains null|is duplicated|cannot ALTER TABLE .* pending|pending trigger|lock timeout|deadlock|aborted|concurrently updated|could not obtain/;

let tables = 0;

// Statements for a transaction: some of many rows, some inside savepoints, which are kept or rolled back. What
// is told inside of those would end the streaming: that is a test of its own.
function body(random, any, depth = 0) {
  const next = () => {
    let sql;
    do sql = any();
    while (/savepoint/.test(sql) || (depth > 0 && /emit_message|table/.test(sql)));
    return sql;
  };
  const int = (n) => Math.floor(random() * n);
  const many = () => {
    const from = 1000 + int(20) * 100;
    const rows = `generate_series(${from}, ${from + 50 + int(600)}) g`;
    return [
      `insert into public.keyed select g, repeat('k', g % 60), g / 7.0 from ${rows} on conflict do nothing`,
      `insert into public.whole select g, 'w', repeat('b', (g % 5) * 900) from ${rows} on conflict do nothing`,
      `insert into public.whole_without_key select g, repeat('x', 80) from ${rows}`,
      `update public.whole set t = 'again ' || id where id > 1000`,
      `update public.keyed set n = id * 1.50 where id > 1000`,
      `insert into public.parted select g, g % 2, 'many' from ${rows} on conflict do nothing`,
      `delete from public.keyed where id > ${from}`,
      `insert into public.bare select g, 'b' from ${rows}`,
    ][int(8)];
  };
  // A table and a type that are made in the transaction: types and keys are asked for while it is handed out.
  const made = () => {
    const no = (tables += 1);
    return `create type public.kind_${no} as (a int, b text); create table public.kinds_${no} (k public.kind_${no}, id int primary key);
      alter table public.kinds_${no} replica identity full; insert into public.kinds_${no} select row(g, 'b "' || g)::public.kind_${no}, g from generate_series(1, 400) g;
      update public.kinds_${no} set k = row(-id, null) where id < 200`;
  };
  const step = () => {
    if (depth === 0 && random() < 0.15) return made(); // ends with rows
    if (depth < 3 && random() < 0.3) {
      const name = `s${depth}`;
      return `savepoint ${name}; ${body(random, any, depth + 1)}; ${random() < 0.5 ? "rollback to" : "release"} ${name}`;
    }
    return random() < 0.45 ? many() : `${next()}; ${first}`;
  };
  return Array.from({ length: 1 + int(6) }, step).join("; ");
}

test(`transactions that are streamed make the entries of wal2json (STREAMING_SEED=${seed})`, { timeout: 300000 * patience }, async (t) => {
  const env = await start();
  t.after(() => env.stop());
  await env.db.query(setUp);
  const other = await secondSlot(env, "wal2json");
  t.after(() => dropSlot(env, other));
  const { begun } = await env.row("select pg_current_wal_lsn()::text as begun");
  const random = generator(seed);
  const next = statements(random);
  for (let i = 0; i < 60; i++) {
    const sql = `begin; ${first}; ${body(random, next)}; ${random() < 0.15 ? "rollback" : "commit"}`;
    await env.db.query(sql).catch(async (error) => {
      await env.db.query("rollback");
      if (!tolerated.test(error.message)) throw new Error(`${error.message}\n${sql}`);
    });
  }
  const wanted = await read(env, { slot_name: other, plugin: "wal2json" }, begun);
  const got = await read(env, {}, begun);
  compare(got, wanted);
  assert.ok(await streamed(env, env.name, "txns"));
  t.diagnostic(`${wanted.length} entries, ${await streamed(env, env.name, "txns")} transactions streamed`);
});

test(`several writers at once: the entries are those without streaming (STREAMING_SEED=${seed})`, { timeout: 300000 * patience }, async (t) => {
  const env = await start();
  t.after(() => env.stop());
  await env.db.query(setUp);
  const other = await secondSlot(env, "pgoutput");
  t.after(() => dropSlot(env, other));
  const { begun } = await env.row("select pg_current_wal_lsn()::text as begun");
  const write = async (no) => {
    const random = generator(seed + no);
    const next = statements(random);
    const own = await env.connect();
    await own.query("set lock_timeout = '100ms'");
    for (let i = 0; i < 12; i++) {
      await own.query("begin");
      await own.query(`savepoint step; ${first}`).catch(() => own.query("rollback to step"));
      for (let step = 0; step < 4; step++) {
        await own.query("savepoint step");
        await own.query(body(random, next, 1)).catch(async (error) => {
          if (!tolerated.test(error.message)) throw error;
          await own.query("rollback to step");
        });
        if (random() < 0.3) await sleep(20 * random());
      }
      await own.query(random() < 0.15 ? "rollback" : "commit");
    }
    await own.end();
  };
  await Promise.all([1, 2, 3, 4].map(write));
  const wanted = await read(env, { slot_name: other, streaming: "off" }, begun);
  const got = await read(env, {}, begun);
  compare(got, wanted);
  assert.ok(wanted.length > 1000, `${wanted.length} entries`);
  t.diagnostic(`${wanted.length} entries, ${await streamed(env, env.name, "txns")} transactions streamed`);
});

// A writer with rows enough for several blocks.
const insert = (client, from, count) => client.query("insert into public.big select g, repeat('x', 100) from generate_series($1::int, $2::int) g", [from, from + count - 1]);
const bigEntries = "select resource_id::int as id, xid, commit_lsn, ordinal, context ->> 'application_name' as app from public.audit_logs where resource_type = 'public.big' order by commit_lsn, ordinal";

test("entries come in the order of the commits, and none before; who is at work is known", { timeout: 120000 * patience }, async (t) => {
  const env = await start();
  t.after(() => env.stop());
  await env.run();
  await env.db.query("create table public.big (id int primary key, t text)");
  await env.db.query("select pgherald.track_all()");
  const [slow, gone] = [await env.connect(), await env.connect()];
  t.after(() => Promise.all([slow.end(), gone.end()]));
  await slow.query("begin; set local application_name = 'slow'");
  await insert(slow, 1, 3000);
  await gone.query("begin");
  await insert(gone, 100_001, 3000);
  await eventually(async () => (await env.stats()).streamed_in_progress === 2, "two transactions in progress");
  const { spool_bytes: kept } = await env.stats();
  assert.ok(kept > 200_000, `${kept} bytes kept`);
  await env.db.query("insert into public.big values (-1, 'meanwhile')");
  await env.caughtUp(); // it is not held up by what is in progress
  assert.deepEqual((await env.rows(bigEntries)).map(({ id }) => id), [-1]);
  await slow.query("savepoint s");
  await insert(slow, 200_001, 3000);
  await slow.query("rollback to s");
  await gone.query("rollback");
  await insert(slow, 3001, 3000);
  await eventually(async () => (await env.stats()).streamed_aborts_total >= 2, "what is rolled back to be dropped");
  await env.db.query("insert into public.big values (-2, 'meanwhile')");
  await slow.query("commit");
  await env.db.query("insert into public.big values (-3, 'after')");
  await env.caughtUp();
  const rows = await env.rows(bigEntries);
  assert.deepEqual(rows.map(({ id }) => id), [-1, -2, ...Array.from({ length: 6000 }, (_, i) => i + 1), -3]);
  const ofSlow = rows.slice(2, -1);
  assert.equal(new Set(ofSlow.map(({ xid, commit_lsn: lsn, app }) => `${xid} ${lsn} ${app}`)).size, 1);
  assert.equal(ofSlow[0].app, "slow");
  assert.deepEqual(ofSlow.map(({ ordinal }) => Number(ordinal)), ofSlow.map((_, i) => i + 1));
  const stats = await env.stats();
  assert.deepEqual(
    [stats.streaming, stats.streamed_in_progress, stats.spool_bytes, stats.spool_failures_total],
    [1, 0, 0, 0],
  );
  assert.ok(stats.streamed_transactions_total >= 1); // that of the store, which has nothing that is followed, may be one too
});

test("killed while transactions are in progress and while one is stored: nothing lost, nothing twice", { timeout: 180000 * patience }, async (t) => {
  const env = await start({ store_buffer: "64k" });
  t.after(() => env.stop());
  await env.run();
  await env.db.query("create table public.big (id int primary key, t text)");
  const wanted = [];
  for (let round = 0; round < 4; round++) {
    const slow = await env.connect();
    await slow.query("begin");
    await insert(slow, round * 100_000 + 1, 8000);
    await slow.query("savepoint s");
    await insert(slow, round * 100_000 + 50_000, 2000);
    await eventually(async () => (await env.stats()).spool_bytes > 1_000_000, "a part to be kept");
    await env.kill();
    await env.db.query("insert into public.big values ($1, 'meanwhile')", [-round - 1]);
    wanted.push(-round - 1);
    await env.run();
    await slow.query("rollback to s");
    await insert(slow, round * 100_000 + 8001, 2000);
    await slow.query("commit");
    await slow.end();
    for (let i = 1; i <= 10_000; i++) wanted.push(round * 100_000 + i);
    await sleep(round * 60);
    await env.kill(round % 2 ? "SIGTERM" : "SIGKILL");
    await env.run();
  }
  await env.caughtUp(60000);
  const rows = await env.rows(bigEntries);
  assert.deepEqual(rows.map(({ id }) => id), wanted);
  assert.equal(new Set(rows.map(({ commit_lsn: lsn, ordinal }) => `${lsn} ${ordinal}`)).size, wanted.length);
});

test("a full disk, a limit that is reached, or a folder that is not there: on without streaming, and nothing is lost", { timeout: 180000 * patience }, async (t) => {
  const full = join(temporaryFolder("full"), "list");
  const env = await start();
  env.preloaded = { LD_PRELOAD: preloadable("fake_disk"), FAKE_FULL: full, ASAN_OPTIONS: "verify_asan_link_order=0" };
  t.after(() => env.stop());
  await env.db.query("create table public.big (id int primary key, t text)");
  let from = 1;
  const fails = async (why) => {
    await env.run();
    assert.equal((await env.stats()).streaming, 1);
    await insert(env.db, from, 20_000);
    await insert(env.db, from + 20_000, 20_000);
    from += 40_000;
    await env.caughtUp(60000);
    const { streaming, spool_failures_total: failures, reconnects_total: reconnects, spool_bytes: kept } = await env.stats();
    assert.deepEqual([streaming, failures, reconnects, kept], [0, 1, 1, 0]);
    assert.match(env.logText(), why);
    assert.match(env.logText(), /cannot be kept; streaming is off until the daemon starts again/);
    await env.kill("SIGTERM");
  };
  writeFileSync(full, "pgherald-spool\n");
  await fails(/cannot write \d+ bytes .* No space left on device/);
  writeFileSync(full, "");
  env.settings.spool_max = "64k";
  await fails(/spool_max: transactions in progress are more than 65536 bytes/);
  const doctor = async () => JSON.parse((await env.command("doctor", "--json")).stdout).checks.filter(({ name }) => name === "streaming").map(({ status, found }) => [status, found]);
  assert.deepEqual(await doctor(), [["ok", "files can be made in /var/tmp"]]);
  env.settings.spool_directory = "/nowhere";
  assert.deepEqual(await doctor(), [["warn", "spool_directory: no file can be made in /nowhere: No such file or directory"]]);
  await env.run();
  await insert(env.db, from, 20_000);
  from += 20_000;
  await env.caughtUp(60000);
  assert.match(env.logText(), /in progress are not streamed.*no file can be made in \/nowhere: No such file/);
  assert.equal((await env.stats()).streaming, 0);
  const { n, differing } = await env.row("select count(*)::int as n, count(distinct resource_id)::int as differing from public.audit_logs where resource_type = 'public.big'");
  assert.deepEqual([n, differing], [from - 1, from - 1]);
});

test("nothing is told by a subtransaction that is rolled back", { timeout: 120000 * patience }, async (t) => {
  const env = await start();
  t.after(() => env.stop());
  await env.run();
  await env.db.query("create table public.big (id int primary key, t text)");
  const own = await env.connect();
  t.after(() => own.end());
  await own.query("begin");
  await insert(own, 1, 1);
  await own.query("savepoint s; create table public.never (id int primary key)");
  await insert(own, 10_001, 3000);
  await eventually(async () => (await env.stats()).spool_bytes > 0, "a part to be kept");
  await own.query("rollback to s");
  await insert(own, 2, 2999);
  await own.query("commit");
  await env.caughtUp();
  assert.deepEqual((await env.rows(bigEntries)).map(({ id }) => id), Array.from({ length: 3000 }, (_, i) => i + 1));
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_id = 'public.never'")).n, 0);
  // pgoutput does not say by which subtransaction it was told, so the transaction came again, without streaming
  assert.match(env.logText(), /streaming is off until .* does not say whether that is the one that told/);
  assert.equal((await env.stats()).streaming, 0);
});

test("what was said of a table in a transaction does not outlive something newer", { timeout: 120000 * patience }, async (t) => {
  const env = await start({ schemas: "before,after" }, { before: (own) => own.db.query("create schema before; create table before.t (id int primary key, t text)") });
  t.after(() => env.stop());
  await env.run();
  const slow = await env.connect();
  t.after(() => slow.end());
  await slow.query("begin; insert into before.t select g, repeat('x', 100) from generate_series(1, 3000) g");
  await eventually(async () => (await env.stats()).streamed_in_progress === 1, "a transaction in progress");
  await env.db.query("alter schema before rename to after; insert into after.t values (-1)");
  await env.caughtUp();
  await slow.query("commit");
  await env.db.query("insert into after.t values (-2)");
  await env.caughtUp();
  const names = "select resource_type, count(*)::int as n from public.audit_logs where resource_type like '%.t' group by 1 order by 1";
  assert.deepEqual(await env.rows(names), [{ resource_type: "after.t", n: 2 }, { resource_type: "before.t", n: 3000 }]);
});
