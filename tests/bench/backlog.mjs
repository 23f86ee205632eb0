// From a backlog into audit_logs, by both output plugins, beside the two ceilings, in one run:
// pg_recvlogical draining the same backlog, and COPY loading the same rows into the same kind of table.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Env } from "../e2e/harness.mjs";

const CHANGES = Number(process.env.BENCH_CHANGES ?? 500_000);
const PER_TRANSACTION = 100;
const columns = "occurred_at, commit_lsn, ordinal, xid, action, resource_type, resource_id, old_values, new_values, changed_fields";

const tools = { ...process.env, PATH: `/usr/lib/postgresql/15/bin:${process.env.PATH}` };

function timed(what, command, args, options = {}) {
  const from = process.hrtime.bigint();
  const done = spawnSync(command, args, { env: tools, stdio: ["ignore", "ignore", "inherit"], ...options });
  if (done.status !== 0) throw new Error(`${what} failed (${done.status ?? done.signal})`);
  return Number(process.hrtime.bigint() - from) / 1e9;
}

// Three inserts to two updates, of rows of eight columns, about 650 bytes of JSON each.
async function makeBacklog(env) {
  const inserts = Math.round((CHANGES * 3) / 5 / PER_TRANSACTION);
  const updates = Math.round((CHANGES * 2) / 5 / PER_TRANSACTION);
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

const wal2json = ["format-version=2", "include-xids=true", "include-timestamp=true", "include-lsn=true", "include-types=false", "include-type-oids=true", "include-pk=true", "add-tables=public.*"];
const pgoutput = ["proto_version=1", "messages=true", "publication_names=pgherald,pgherald_inserts"];

async function drainWithRecvlogical(env, slot, endpos, options) {
  const args = ["-d", env.cluster.url(env.name), "--slot", slot, "--start", "--endpos", endpos, "-f", "/dev/null"];
  const seconds = timed("pg_recvlogical", "pg_recvlogical", args.concat(options.flatMap((option) => ["-o", option])));
  await env.db.query("select pg_drop_replication_slot($1)", [slot]);
  await env.db.query("checkpoint");
  return seconds;
}

// Every change is an entry then.
async function drainWithPgherald(env, endpos) {
  const { before } = await env.row("select count(*)::int as before from public.audit_logs");
  const from = process.hrtime.bigint();
  await env.run(["--endpos", endpos], { ready: false });
  const { code } = await env.exited;
  const seconds = Number(process.hrtime.bigint() - from) / 1e9;
  if (code !== 0) throw new Error(`pgherald exited with ${code}:\n${env.logText()}`);
  const { after } = await env.row("select count(*)::int as after from public.audit_logs");
  if (after - before < CHANGES) throw new Error(`${after - before} audit rows, wanted ${CHANGES}`);
  return seconds;
}

async function loadWithCopy(env) {
  const folder = mkdtempSync(join(tmpdir(), "pgherald-bench-"));
  const file = join(folder, "rows");
  const psql = (sql) => ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", env.cluster.url(env.name), "-c", sql];
  try {
    timed("COPY out", "psql", psql(`\\copy (select ${columns} from public.audit_logs order by id) to '${file}' (format binary)`));
    await env.db.query(`
      create table public.audit_peer (like public.audit_logs including all) partition by range (occurred_at);
      create table public.audit_peer_all partition of public.audit_peer default`);
    await env.db.query("checkpoint");
    const seconds = timed("COPY in", "psql", psql(`\\copy public.audit_peer (${columns}) from '${file}' (format binary)`));
    return { seconds, bytes: statSync(file).size };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function run(cluster) {
  const env = await Env.start({ cluster, seed: false, daemon: false });
  try {
    const own = { ...env.settings };
    const other = { ...own, slot_name: `${env.name}_p`, plugin: "pgoutput" };
    env.settings = other;
    await env.init();
    for (const plugin of ["wal2json", "pgoutput"]) {
      await env.db.query("select pg_create_logical_replication_slot($1, $2)", [`${env.name}_${plugin}`, plugin]);
    }
    await makeBacklog(env);
    const { lsn } = await env.row("select pg_current_wal_lsn()::text as lsn");
    await env.db.query("checkpoint");
    const receive = await drainWithRecvlogical(env, `${env.name}_wal2json`, lsn, wal2json);
    const receiveOther = await drainWithRecvlogical(env, `${env.name}_pgoutput`, lsn, pgoutput);
    env.settings = own;
    const herald = await drainWithPgherald(env, lsn);
    const copy = await loadWithCopy(env);
    env.settings = other;
    const heraldOther = await drainWithPgherald(env, lsn);
    await env.db.query("select pg_drop_replication_slot($1)", [other.slot_name]);
    env.settings = own;
    const row = (what, seconds, ceiling) => ({
      what,
      seconds,
      rate: CHANGES / seconds,
      ...(ceiling && { ratio: seconds / Math.max(ceiling, copy.seconds), aim: "<= 1.5 x the slower of pg_recvlogical and COPY" }),
    });
    return {
      name: "backlog",
      rows: [
        row("pg_recvlogical to /dev/null, wal2json", receive),
        row("pg_recvlogical to /dev/null, pgoutput", receiveOther),
        row("COPY of the same rows", copy.seconds),
        row("pgherald into audit_logs, wal2json", herald, receive),
        row("pgherald into audit_logs, pgoutput", heraldOther, receiveOther),
      ],
    };
  } finally {
    await env.stop();
  }
}
