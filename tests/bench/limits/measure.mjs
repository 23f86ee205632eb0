// What an experiment with limits looks at while it runs: memory of the daemon and of the two processes of
// the server that work for it, and how far behind the slot is.
import { readFileSync } from "node:fs";
import { Env, eventually, sleep } from "../../e2e/harness.mjs";
import { cpuSeconds } from "../cpu.mjs";

const MB = 1e6;
const LOOK_MS = 200;
const PATIENCE_MS = 4 * 3600 * 1000;

// Of /proc/PID/status and smaps_rollup, in MB; undefined when the process is gone, or is not ours to read.
function kilobytes(pid, file, field) {
  try {
    return (Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))[1]) * 1024) / MB;
  } catch {
    return undefined;
  }
}

const lagOf = "(select (pg_current_wal_lsn() - confirmed_flush_lsn)::float8 from pg_replication_slots where slot_name = $1) as lag";
const pidsOf = "(select max(pid) from pg_stat_activity where datname = current_database() and application_name = $2) as";

// Looks at everything now and then, until it is stopped, and keeps the largest of each.
export class Watch {
  static async start(env) {
    const watch = new Watch();
    watch.env = env;
    watch.db = await env.connect(); // of its own: the experiment's may be busy for long
    watch.peak = { daemon: 0, walsender: 0, store: 0, lag: 0 };
    watch.begin();
    return watch;
  }

  // From here on: time and CPU are counted anew, peaks stay.
  begin() {
    this.from = process.hrtime.bigint();
    this.looking ??= this.look();
  }

  async look() {
    while (!this.stopped) {
      const { rows } = await this.db.query(`select ${lagOf}, ${pidsOf} walsender, ${pidsOf.replace("$2", "$3")} store`, [this.env.name, "pgherald stream", "pgherald store"]);
      const [{ lag, walsender, store }] = rows;
      const see = (what, value) => (this.peak[what] = Math.max(this.peak[what], value ?? 0));
      see("lag", (lag ?? 0) / MB);
      see("daemon", kilobytes(this.env.daemon?.pid, "smaps_rollup", "Pss"));
      see("walsender", kilobytes(walsender, "smaps_rollup", "Pss"));
      see("store", kilobytes(store, "smaps_rollup", "Pss"));
      await sleep(LOOK_MS);
    }
  }

  seconds() {
    return Number(process.hrtime.bigint() - this.from) / 1e9;
  }

  async stop() {
    this.stopped = true;
    await this.looking;
    await this.db.end();
  }
}

export const highWater = (env) => kilobytes(env.daemon.pid, "status", "VmHWM");
export const resident = (env) => kilobytes(env.daemon.pid, "smaps_rollup", "Pss");

// Waits for the daemon as long as it takes. What was committed without waiting for the disk is on its way there first.
export async function caughtUp(env) {
  await env.db.query("begin; set local synchronous_commit to on; select pg_logical_emit_message(true, 'limits', ''); commit");
  await env.caughtUp(PATIENCE_MS);
}

// Runs one experiment in a database of its own. `work` gets env and watch, and gives the rows that it makes
// { changes, ... }; what it has said of itself goes into the table beside what was measured.
export async function measured(cluster, { title, bound, settings = {}, before, daemon = true }, work) {
  const env = await Env.start({ cluster, seed: false, daemon, before, config: { log_level: "info", ...settings } });
  let watch;
  try {
    watch = await Watch.start(env);
    const base = daemon ? highWater(env) : undefined;
    const found = await work(env, watch);
    const reconnects = Number((await env.stats()).reconnects_total);
    return {
      title,
      ...found,
      base: base ?? found.base,
      peak: { hwm: highWater(env), ...watch.peak },
      resident: resident(env),
      reconnects,
      bound,
    };
  } finally {
    await watch?.stop();
    await env.stop();
  }
}

// The audit trail against the table itself: as many, and the same, whatever their order.
export async function sameAsTable(env, table, { action = "insert", key = "id", where = "true" } = {}) {
  const source = `select count(*)::text as n, coalesce(sum(hashtextextended(t.${key}::text || to_jsonb(t)::text, 0)::numeric), 0)::text as hash from public.${table} t where ${where}`;
  const trail = `select count(*)::text as n, coalesce(sum(hashtextextended(resource_id || new_values::text, 0)::numeric), 0)::text as hash
    from public.audit_logs where resource_type = 'public.${table}' and action = '${action}'`;
  const wanted = await env.row(source), found = await env.row(trail);
  if (wanted.n !== found.n || wanted.hash !== found.hash)
    throw new Error(`the audit trail of ${table}: ${found.n} entries (${found.hash}), wanted ${wanted.n} (${wanted.hash})`);
  const twice = await env.row(`select count(*)::int as n from (select 1 from public.audit_logs where commit_lsn is not null group by commit_lsn, ordinal having count(*) > 1) d`);
  if (twice.n) throw new Error(`${twice.n} changes are in the audit trail more than once`);
  return Number(found.n);
}

export { cpuSeconds, eventually, sleep };
