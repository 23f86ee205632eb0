// From commit to client at a steady rate, beside pg_recvlogical reading the same changes at the same
// time.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Env, jwt, sleep } from "../e2e/harness.mjs";
import { joinFrame, Listeners, stamp, SUBSCRIBED } from "./listeners.mjs";
import { percentile, size, tools } from "./tools.mjs";

const CLIENTS = 100;
const RATE = 500;
const SECONDS = size("LATENCY_SECONDS", 6, 30);
const SUPABASE_P95_MS = 184; // published, at its best: 184 to 238

// Delays in milliseconds of every stamped row that pg_recvlogical prints.
function follow(env, slot) {
  const options = ["format-version=2", "add-tables=public.ticks"].flatMap((option) => ["-o", option]);
  const child = spawn("pg_recvlogical", ["-d", env.cluster.url(env.name), "--slot", slot, "--start", "-f", "-", "-F", "0", ...options], { env: tools, stdio: ["ignore", "pipe", "inherit"] });
  const delays = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const sent = /@@(\d{16})@@/.exec(line)?.[1];
    if (sent) delays.push(performance.timeOrigin + performance.now() - Number(sent) / 1000);
  });
  return { delays, stop: () => child.kill() };
}

async function publish(env) {
  const insert = { name: "tick", text: `insert into public.ticks (body) values (${stamp} || repeat('x', 100))` };
  const from = performance.now();
  for (let i = 0; i < RATE * SECONDS; i++) {
    const due = from + (i * 1000) / RATE;
    if (due > performance.now() + 1) await sleep(due - performance.now());
    await env.db.query(insert);
  }
}

export async function run(cluster) {
  Listeners.build();
  const env = await Env.start({ cluster, seed: false, before: (fresh) => fresh.db.query("create table public.ticks (id bigint generated always as identity primary key, body text)") });
  const slot = `${env.name}_peer`;
  let listeners, peer, report;
  try {
    await env.db.query("grant select on public.ticks to service_role");
    await env.db.query("select pg_create_logical_replication_slot($1, 'wal2json')", [slot]);
    peer = follow(env, slot);
    const path = `/realtime/v1/websocket?vsn=2.0.0&apikey=${jwt(env.secret, { role: "service_role" })}`;
    listeners = await Listeners.start({ port: env.port, path, clients: CLIENTS, hellos: [joinFrame({ table: "ticks" })], subscribed: SUBSCRIBED });
    report = await listeners.during(RATE * SECONDS, () => publish(env));
  } finally {
    listeners?.stop();
    peer?.stop();
    await sleep(200);
    await env.db.query("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active", [slot]);
    await env.stop();
  }
  const rows = [];
  for (const [p, ours] of [[50, report.p50_ms], [99, report.p99_ms]]) {
    const theirs = percentile(p, peer.delays);
    rows.push({ what: `pgherald, to each of ${CLIENTS} clients, p${p}`, value: ours, unit: "ms", ratio: ours / theirs, to: "pg_recvlogical", aim: { value: `<= ${SUPABASE_P95_MS}` } });
    rows.push({ what: `pg_recvlogical, to a pipe, p${p}`, value: theirs, unit: "ms" });
  }
  return { title: `Commit to client at ${RATE} changes/s`, rows };
}
