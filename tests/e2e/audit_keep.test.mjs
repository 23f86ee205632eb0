// Retention, hold and erasure while the daemon writes: what goes is what was to go, and nothing of the
// load is lost.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Env, eventually, sleep, temporaryFolder } from "./harness.mjs";

const months = ["2020-01", "2020-02", "2020-03"];
const subject = "aaaaaaaa-0000-4000-8000-00000000000e";

// Three months of an old trail, 6,000 entries each: a third of a noisy table, some of the subject.
async function makeOldTrail(env) {
  for (const month of months) {
    await env.db.query(`create table pgherald_audit.audit_logs_${month.replace("-", "_")} partition of public.audit_logs
      for values from ('${month}-01Z') to ('${month}-01Z'::timestamptz + interval '1 month')`);
    await env.db.query(`
      insert into public.audit_logs (occurred_at, commit_lsn, ordinal, action, resource_type, resource_id, new_values)
      select $1::timestamptz + n * interval '1 minute', '0/1', n, 'insert', case n % 3 when 0 then 'public.noisy' else 'public.old' end, n::text,
        jsonb_build_object('n', n, 'user_id', case when n % 100 = 1 then $2 end)
      from generate_series(1, 6000) n`, [`${month}-01Z`, subject]);
  }
}

// A run gives up if the trail is in use for more than 3 s, and is tried again.
const retain = (env) =>
  eventually(async () => {
    const { code, stderr } = await env.command("jobs", "run", "audit_retention");
    if (code !== 0 && !/lock timeout/.test(stderr)) throw new Error(stderr);
    return code === 0;
  }, "retention", 60000);

test("retention, hold and erasure under load lose nothing else", async (t) => {
  const env = await Env.start({ seed: false, config: { jobs_poll: "1s" } });
  t.after(() => env.stop());
  await env.db.query("create table public.ledger (id bigint primary key, worker int, user_id uuid, v int); alter table public.ledger replica identity full");
  await makeOldTrail(env);

  // four writers, who count what they commit
  let writing = true;
  const written = [0, 0, 0, 0];
  const writers = written.map(async (_, worker) => {
    const db = await env.connect();
    while (writing) {
      const id = worker * 1_000_000 + written[worker];
      await db.query("insert into public.ledger values ($1, $2, $3, 0)", [id, worker, id % 50 === 0 ? subject : null]);
      await db.query("update public.ledger set v = v + 1 where id = $1", [id]);
      written[worker] += 1;
    }
    await db.end();
  });
  await sleep(1000);

  // January and February are past the noisy table's term, January past everything's; 30 entries are held
  await env.db.query(`
    insert into pgherald.audit_policies (table_name, keep) values ('public.noisy', now() - timestamptz '2020-03-01Z');
    insert into pgherald.audit_holds (reason, table_name, user_id, until) values ('case 1', 'public.old', '${subject}', '2020-02-01Z');
    update pgherald.jobs set settings = jsonb_build_object('keep', (now() - timestamptz '2020-02-01Z')::text) where name = 'audit_retention'`);
  const held = Number((await env.row("select count(*) as n from public.audit_logs e where pgherald.audit_is_held(e)")).n);
  assert.ok(held >= 30, `${held} held`);
  await retain(env);
  const count = async (month) =>
    Object.fromEntries((await env.rows(`select resource_type, count(*)::int as n from public.audit_logs
      where occurred_at >= '${month}-01Z' and occurred_at < '${month}-01Z'::timestamptz + interval '1 month' group by 1`)).map(({ resource_type, n }) => [resource_type, n]));
  assert.deepEqual(await count("2020-01"), { "public.old": held });
  assert.deepEqual(await count("2020-02"), { "public.old": 4000 });
  assert.deepEqual(await count("2020-03"), { "public.old": 4000, "public.noisy": 2000 });

  // all at once: two erasures, a second term, holds that come and go, partitions ahead, and the daemon dies
  await env.db.query(`
    insert into public.audit_logs (occurred_at, commit_lsn, ordinal, action, resource_type, resource_id)
    select '2019-01-01Z'::timestamptz + n * interval '1 day', '0/1', n, 'insert', case n % 2 when 0 then 'public.noisy' else 'public.old' end, 'd' || n
    from generate_series(1, 20) n;
    update pgherald.audit_policies set keep = now() - timestamptz '2020-04-01Z' where table_name = 'public.noisy'`);
  const others = await Promise.all([env.connect(), env.connect(), env.connect(), env.connect()]);
  const erase = (db, reason) => db.query("select pgherald.erase_subject($1, $2) as r", [subject, reason]).then(({ rows }) => rows[0].r);
  const [erased, again] = await Promise.all([
    erase(others[0], "a request"),
    erase(others[1], "the same"),
    retain(env),
    (async () => {
      for (let n = 0; n < 20; n += 1) {
        await others[2].query("insert into pgherald.audit_holds (reason, table_name, key_pattern) values ('case 2', 'public.other', 'x' || $1)", [n]);
        await others[2].query("update pgherald.audit_holds set released_at = now() where reason = 'case 2' and released_at is null");
      }
    })(),
    others[3].query("select pgherald.ensure_audit_partitions(12)"),
    env.kill("SIGKILL").then(() => env.run()),
  ]);
  await Promise.all(others.map((db) => db.end()));
  assert.deepEqual([erased.held, again.held], [held, held]);
  assert.ok(erased.rows_erased + again.rows_erased > 100, JSON.stringify([erased, again]));
  assert.deepEqual(await count("2020-01"), { "public.old": held });
  assert.deepEqual(await count("2020-03"), { "public.old": 4000 });
  assert.deepEqual(await count("2019-01"), {}, "the default partition keeps no longer than the others");
  await sleep(500);
  writing = false;
  await Promise.all(writers);
  await env.caughtUp();
  const last = (await env.row("select pgherald.erase_subject($1, 'what came since') as r", [subject])).r;
  assert.ok(last.rows_erased > 0);

  // every change of the load is there once, the subject's without its values
  const total = written.reduce((a, b) => a + b);
  assert.ok(total > 500, `${total} rows`);
  const wrong = await env.rows(`
    select l.id, count(a.id) from public.ledger l
    left join public.audit_logs a on a.resource_type = 'public.ledger' and a.resource_id = coalesce(case when l.user_id is null then l.id::text end, pgherald.audit_hash(l.id::text))
      and (a.new_values = '{}') = (l.user_id is not null)
    group by l.id having count(*) filter (where a.action = 'insert') <> 1 or count(*) filter (where a.action = 'update') <> 1 limit 5`);
  assert.deepEqual(wrong, []);
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.ledger'")).n, 2 * total);
  const { named } = await env.row("select count(*)::int as named from public.audit_logs e where e::text like '%' || $1 || '%' and not pgherald.audit_is_held(e) and resource_type <> 'pgherald.audit_holds'", [subject]);
  assert.equal(named, 0);
  const trail = await env.rows("select action from public.audit_logs where action in ('erase', 'hold_insert', 'hold_update') or (action = 'maintenance' and resource_id = 'audit_retention')");
  const told = Object.fromEntries(["hold_insert", "hold_update", "maintenance", "erase"].map((action) => [action, trail.filter((entry) => entry.action === action).length]));
  assert.deepEqual(told, { hold_insert: 21, hold_update: 20, maintenance: 2, erase: 3 });
  t.diagnostic(`${total} rows of load, ${held} entries held, ${erased.rows_erased + again.rows_erased} and ${last.rows_erased} erased`);
});

test("nobody changes the trail: not a client, not the service, not by a partition, not the daemon's own role by accident", async (t) => {
  const env = await Env.start({ seed: false, daemon: false });
  t.after(() => env.stop());
  const partition = (await env.row("select inhrelid::regclass::text as name from pg_inherits where inhparent = 'public.audit_logs'::regclass order by 1 limit 1")).name;
  await env.db.query("insert into public.audit_logs (action, resource_type) values ('x', 'y')");
  for (const role of ["anon", "authenticated", "service_role", "postgres"]) {
    await env.db.query(`set role ${role}`);
    for (const table of ["public.audit_logs", partition]) {
      for (const statement of [`update ${table} set action = 'z'`, `delete from ${table}`, `truncate ${table}`]) {
        await assert.rejects(env.db.query(statement), (error) => error.code === "42501", `${role}: ${statement}`);
      }
    }
    await env.db.query("reset role");
  }
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where action = 'x'")).n, 1);
});

test("what is to be exported is in a file before it is dropped, by the command and by the daemon", async (t) => {
  const folder = temporaryFolder("export");
  const env = await Env.start({ seed: false, daemon: false, config: { jobs_poll: "200ms" } });
  t.after(() => env.stop());
  await makeOldTrail(env);
  await env.db.query(`
    insert into public.audit_logs (occurred_at, action, resource_type, resource_id, old_resource_id, old_values, new_values, changed_fields, ip_address, context)
    select '2020-01-31 23:59:59.999999Z', 'update', 'public.odd', E'a"\\n\\u00e9', 'b', jsonb_build_object('big', repeat('x', 1000000), 'n', 123456789012345678901234567890.10),
      '{"a": null}', '{a,"b c"}', '10.0.0.1', '{"source": "direct"}' from generate_series(1, 5)`);
  const before = Object.fromEntries((await env.rows("select a.id, to_jsonb(a) || jsonb_build_object('occurred_at', to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')) as row from public.audit_logs a where occurred_at < '2021-01-01Z'")).map(({ id, row }) => [id, row]));
  await env.db.query("update pgherald.jobs set settings = jsonb_build_object('keep', (now() - timestamptz '2020-03-01Z')::text, 'then', 'export'), max_attempts = 1 where name = 'audit_retention'");
  const exports = () => env.rows("select table_name, file, entries from pgherald.audit_exports order by 1");
  const tables = async () => (await env.row("select array_agg(relname order by relname)::text as names from pg_class where relnamespace = 'pgherald_audit'::regnamespace and relkind = 'r' and relname ~ '2020'")).names;

  const homeless = await env.command("jobs", "run", "audit_retention");
  assert.equal(homeless.code, 1);
  assert.match(homeless.stderr, /audit_export_dir/);
  env.settings.audit_export_dir = join(folder, "not/there");
  assert.match((await env.command("jobs", "run", "audit_retention")).stderr, /could not make .*not\/there/);
  assert.equal(await tables(), "{audit_logs_2020_01,audit_logs_2020_02,audit_logs_2020_03}", "nothing is dropped that is in no file");

  env.settings.audit_export_dir = folder;
  writeFileSync(join(folder, "audit_logs_2020_01.ndjson.part"), "of an attempt that died\n");
  const run = await env.command("jobs", "run", "audit_retention");
  assert.equal(run.code, 0, run.stderr);
  assert.equal(await tables(), "{audit_logs_2020_03}");
  assert.deepEqual(readdirSync(folder).sort(), ["audit_logs_2020_01.ndjson", "audit_logs_2020_02.ndjson"]);
  const lines = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n"));
  assert.equal(lines.length, 12005);
  const wrong = lines.map((line) => JSON.parse(line)).filter((entry) => !isDeepStrictEqual(entry, before[entry.id]));
  assert.deepEqual(wrong.slice(0, 1), []);
  assert.equal(new Set(lines.map((line) => JSON.parse(line).id)).size, 12005);
  assert.ok(lines.some((line) => line.includes("123456789012345678901234567890.10")), "digit for digit");
  assert.deepEqual((await exports()).map(({ table_name, entries }) => [table_name, entries]), [["audit_logs_2020_01", "6005"], ["audit_logs_2020_02", "6000"]]);
  assert.ok((await exports())[0].file.endsWith(`:${folder}/audit_logs_2020_01.ndjson`));
  const told = await env.rows("select resource_id, new_values ->> 'entries' as entries from public.audit_logs where action = 'pgherald.export' order by id");
  assert.deepEqual(told, [{ resource_id: "audit_logs_2020_01", entries: "6005" }, { resource_id: "audit_logs_2020_02", entries: "6000" }]);

  // a third of March, by the daemon
  await env.run();
  await env.db.query(`
    insert into pgherald.audit_policies (table_name, keep) values ('public.noisy', now() - timestamptz '2020-04-01Z');
    select pgherald.enqueue_run('audit_retention')`);
  await eventually(async () => (await exports()).length === 3 && (await exports()).every(({ file }) => file), "the daemon's export");
  const [, , march] = await exports();
  assert.match(march.table_name, /^audit_logs_2020_03_left_\d+_\d+_\d+$/);
  assert.equal(march.entries, "6000", "the month as it was");
  assert.equal(readFileSync(join(folder, `${march.table_name}.ndjson`), "utf8").trimEnd().split("\n").length, 6000);
  assert.equal((await env.row("select count(*)::int as n from pgherald_audit.audit_logs_2020_03")).n, 4000);
});
