// From a backlog into audit_logs, by both output plugins, beside the two ceilings, in one run:
// pg_recvlogical draining the same backlog, and COPY loading the same rows into the same kind of table.
// With the audit trail off, only what reading costs is left. All take turns, each with a slot of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Env, eventually } from "../e2e/harness.mjs";
import { PLUGIN_OPTIONS, recvlogical } from "./recvlogical.mjs";
import { median, say, secondsSince, size, timed } from "./tools.mjs";

const CHANGES = size("CHANGES", 100_000, 500_000);
const ROUNDS = size("BACKLOG_ROUNDS", 1, 3);
const PER_TRANSACTION = 100;
const plugins = Object.keys(PLUGIN_OPTIONS);
const columns = "occurred_at, commit_lsn, ordinal, xid, action, resource_type, resource_id, old_values, new_values, changed_fields";

// Three inserts to two updates, of rows of eight columns, about 650 bytes of JSON each.
export async function makeBacklog(env, changes) {
  const inserts = Math.round((changes * 3) / 5 / PER_TRANSACTION);
  const updates = Math.round((changes * 2) / 5 / PER_TRANSACTION);
  await env.db.query(`
    create table public.bench (id bigint primary key, user_id uuid, title text, body text,
      amount numeric(12,2), done boolean, tags text[], created_at timestamptz default now());
    alter table public.bench replica identity full`);
  await env.db.query(`do $$ begin
    for b in 0..${inserts - 1} loop
      insert into public.bench select b * ${PER_TRANSACTION} + g, gen_random_uuid(), 'title ' || g,
        repeat('lorem ipsum ', 12), g * 1.25, g % 2 = 0, '{red,green}', now()
      from generate_series(0, ${PER_TRANSACTION - 1}) g;
      commit;
    end loop;
    for b in 0..${updates - 1} loop
      update public.bench set title = title || '!', done = not done
      where id between b * ${PER_TRANSACTION} and b * ${PER_TRANSACTION} + ${PER_TRANSACTION - 1};
      commit;
    end loop;
  end $$`);
}

// The walsender may be a moment behind the program that it served.
async function dropSlot(env, slot) {
  await eventually(() => env.db.query("select pg_drop_replication_slot($1)", [slot]), "the slot to be free");
  await env.db.query("checkpoint");
}

// From its start to its end.
async function runUntil(env, settings, endpos) {
  env.settings = settings;
  const from = performance.now();
  await env.run(["--endpos", endpos], { ready: false });
  const { code } = await env.exited;
  if (code !== 0) throw new Error(`pgherald exited with ${code}:\n${env.logText()}`);
  return secondsSince(from);
}

// With the audit trail on every change is an entry then, with it off none is.
async function drainWithPgherald(env, settings, endpos) {
  const count = async () => (await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.bench'")).n;
  const before = await count();
  const seconds = await runUntil(env, settings, endpos);
  const made = (await count()) - before;
  if (settings.audit === "off" ? made > 0 : made < CHANGES) throw new Error(`${made} audit rows for ${CHANGES} changes`);
  await dropSlot(env, settings.slot_name);
  return seconds;
}

async function loadWithCopy(env) {
  const folder = mkdtempSync(join(tmpdir(), "pgherald-bench-"));
  const file = join(folder, "rows");
  const psql = (sql) => ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", env.cluster.url(env.name), "-c", sql];
  try {
    timed("COPY out", "psql", psql(`\\copy (select ${columns} from public.audit_logs where resource_type = 'public.bench' order by id limit ${CHANGES}) to '${file}' (format binary)`));
    await env.db.query(`
      create table public.audit_peer (like public.audit_logs including all) partition by range (occurred_at);
      create table public.audit_peer_all partition of public.audit_peer default`);
    await env.db.query("checkpoint");
    const seconds = timed("COPY in", "psql", psql(`\\copy public.audit_peer (${columns}) from '${file}' (format binary)`));
    await env.db.query("drop table public.audit_peer");
    return seconds;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// Every run needs a slot that is as old as the backlog. The publications of pgoutput have to be there first.
async function makeSlots(env) {
  const slots = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const plugin of plugins) {
      const peer = `${env.name}_peer_${plugin}_${round}`;
      for (const audit of ["on", "off"]) {
        env.settings = { ...env.settings, slot_name: `${env.name}_${plugin}_${audit}_${round}`, plugin, audit };
        await env.init();
        slots.push({ round, plugin, audit, peer, settings: env.settings });
      }
      await env.db.query("select pg_create_logical_replication_slot($1, $2)", [peer, plugin]);
    }
  }
  env.settings = { ...env.settings, slot_name: `${env.name}_idle`, audit: "off" };
  await env.init();
  return slots.concat({ settings: env.settings }); // the last one has nothing to do
}

async function measure(env, slots, begin) {
  const { lsn } = await env.row("select pg_current_wal_lsn()::text as lsn");
  await env.db.query("checkpoint");
  const times = new Map();
  const note = (key, seconds) => {
    times.set(key, (times.get(key) ?? []).concat(seconds));
    say(`${key}: ${seconds.toFixed(2)} s`);
  };
  const idle = slots.pop();
  note("pgherald with nothing to do", await runUntil(env, idle.settings, begin));
  await dropSlot(env, idle.settings.slot_name);
  for (let round = 0; round < ROUNDS; round++) {
    const mine = slots.filter((slot) => slot.round === round);
    for (const { plugin, peer, audit } of mine.filter((slot) => slot.audit === "on")) {
      note(`pg_recvlogical ${plugin}`, recvlogical(env, peer, plugin, lsn, "/dev/null"));
      await dropSlot(env, peer);
      note(`pgherald ${plugin} ${audit}`, await drainWithPgherald(env, mine.find((slot) => slot.plugin === plugin && slot.audit === audit).settings, lsn));
      note(`pgherald ${plugin} off`, await drainWithPgherald(env, mine.find((slot) => slot.plugin === plugin && slot.audit === "off").settings, lsn));
    }
    note("COPY", await loadWithCopy(env));
  }
  return (key) => median(times.get(key));
}

function report(of) {
  const row = (what, seconds, more) => ({ what, value: seconds, unit: "s", note: `${Math.round(CHANGES / seconds).toLocaleString("en-US")} changes/s`, ...more });
  const rows = plugins.map((plugin) => row(`pg_recvlogical to /dev/null, ${plugin}`, of(`pg_recvlogical ${plugin}`)));
  rows.push(row("COPY of the same rows", of("COPY")));
  rows.push({ what: "pgherald with nothing to do, its start and end", value: of("pgherald with nothing to do"), unit: "s", note: "is in the times below" });
  for (const plugin of plugins) {
    const receive = of(`pg_recvlogical ${plugin}`);
    const [on, off] = ["on", "off"].map((audit) => of(`pgherald ${plugin} ${audit}`));
    const slower = Math.max(receive, of("COPY"));
    rows.push(row(`pgherald into audit_logs, ${plugin}`, on, { ratio: on / slower, to: slower > receive ? "COPY" : "pg_recvlogical", aim: { ratio: "<= 1.25" } }));
    rows.push(row(`pgherald, audit off, ${plugin}`, off, { ratio: off / receive, to: "pg_recvlogical", aim: { ratio: "<= 1.15" } }));
  }
  return { title: `From a backlog of ${CHANGES.toLocaleString("en-US")} changes, medians of ${ROUNDS}`, rows };
}

export async function run(cluster) {
  const env = await Env.start({ cluster, seed: false, daemon: false });
  const own = env.settings;
  try {
    const slots = await makeSlots(env);
    env.settings = own;
    const { begin } = await env.row("select pg_current_wal_lsn()::text as begin");
    await makeBacklog(env, CHANGES);
    return report(await measure(env, slots, begin));
  } finally {
    env.settings = own;
    await env.db.query("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like $1 || '_%' and not active", [env.name]);
    await env.stop();
  }
}
