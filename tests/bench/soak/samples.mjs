// What the daemon takes, and how far behind it is, every few seconds.
import { readdirSync, readFileSync } from "node:fs";

const kilobytes = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? NaN);

function processOf(pid) {
  const memory = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return { rss_kb: kilobytes(memory, "Rss"), pss_kb: kilobytes(memory, "Pss"), fds: readdirSync(`/proc/${pid}/fd`).length, threads: readdirSync(`/proc/${pid}/task`).length };
}

const QUEUES = `
  select (select count(*) from public.webhook_deliveries where status = 'pending')::int as pending,
    (select count(*) from public.webhook_deliveries)::int as outbox_rows,
    pg_total_relation_size('public.webhook_deliveries') + pg_total_relation_size('public.webhook_attempts') as outbox_bytes,
    coalesce((select pg_current_wal_lsn() - confirmed_flush_lsn from pg_replication_slots where slot_name = $1), 0)::bigint as behind_bytes`;

const told = ["stream_lag_us", "slot_retained_bytes", "queue_realtime_depth", "clients", "changes_total", "audit_rows_total", "delivered_total", "attempts_failed_total", "clients_slow_total", "realtime_gaps_total", "backpressure_total", "reconnects_total"];

// What cannot be had just now, since something is down, is left out.
export async function sample(env, db) {
  const found = {};
  const attempt = async (work) => {
    try {
      Object.assign(found, await work());
    } catch (error) {
      found.missed = error.message;
    }
  };
  await attempt(() => processOf(env.daemon.pid));
  await attempt(async () => {
    const stats = await env.stats();
    return Object.fromEntries(told.map((name) => [name, Number(stats[name])]));
  });
  await attempt(async () => {
    const { rows } = await db.query({ text: QUEUES, values: [env.name], query_timeout: 10_000 });
    return Object.fromEntries(Object.entries(rows[0]).map(([key, value]) => [key, Number(value)]));
  });
  return found;
}
