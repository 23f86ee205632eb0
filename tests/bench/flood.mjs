// What clients can do to the audit trail: how long a change takes to reach audit_logs while nothing
// happens at the realtime side, and while clients join, leave and stall as fast as they can.
import { randomUUID } from "node:crypto";
import { Env, eventually, jwt, sleep } from "../e2e/harness.mjs";
import { joinFrame, Listeners, stamp, SUBSCRIBED } from "./listeners.mjs";
import { percentile, size } from "./tools.mjs";

const SECONDS = size("FLOOD_SECONDS", 2, 15);
const RATE = 200; // changes a second, of 2 kB each
const STALLED = 50;
const CHURNING = 200;

async function write(env, until) {
  const text = `insert into public.ticks (body) values (${stamp} || repeat('x', 2000))`;
  for (let due = performance.now(); performance.now() < until; due += 1000 / RATE) {
    if (due > performance.now() + 1) await sleep(due - performance.now());
    await env.db.query(text);
  }
}

// Milliseconds from a commit to its entry in the trail, again and again.
async function probe(env, until) {
  const db = await env.connect();
  const delays = [];
  while (performance.now() < until) {
    const id = randomUUID();
    await db.query("insert into public.probes (id) values ($1)", [id]);
    const from = performance.now();
    for (;;) {
      const { rows } = await db.query("select from public.audit_logs where resource_type = 'public.probes' and resource_id = $1", [id]);
      if (rows.length) break;
      if (performance.now() - from > 30_000) throw new Error("a change did not reach the audit trail in 30 s");
      await sleep(1);
    }
    delays.push(performance.now() - from);
    await sleep(20);
  }
  await db.end();
  return delays;
}

async function phase(env) {
  const until = performance.now() + SECONDS * 1000;
  const [delays] = await Promise.all([probe(env, until), write(env, until)]);
  return delays;
}

export async function run(cluster) {
  Listeners.build();
  const env = await Env.start({
    cluster,
    seed: false,
    config: { realtime_client_buffer: "1M" },
    before: (fresh) =>
      fresh.db.query(`
        create table public.ticks (id bigint generated always as identity primary key, body text);
        create table public.probes (id uuid primary key)`),
  });
  try {
    await env.db.query("grant select on public.ticks to service_role");
    const clients = (count) =>
      Listeners.start({
        port: env.port,
        path: `/realtime/v1/websocket?vsn=2.0.0&apikey=${jwt(env.secret, { role: "service_role" })}`,
        clients: count,
        hellos: [joinFrame({ table: "ticks" })],
        subscribed: SUBSCRIBED,
      });
    await phase(env); // both phases begin warm
    const quiet = await phase(env);
    const stalled = await clients(STALLED);
    stalled.child.kill("SIGSTOP");
    let flooding = true;
    let joined = 0;
    const churn = (async () => {
      while (flooding) {
        const some = await clients(CHURNING);
        joined += CHURNING;
        some.stop();
      }
    })();
    const flooded = await phase(env);
    flooding = false;
    await churn;
    const stats = await env.stats();
    stalled.child.kill("SIGKILL");
    stalled.stop();
    await eventually(async () => Number((await env.stats()).clients) === 0, "all clients to be gone");
    const rows = [];
    for (const p of [50, 99]) {
      rows.push({ what: `audit entry after a commit, flooded, p${p}`, value: percentile(p, flooded), unit: "ms", ratio: percentile(p, flooded) / percentile(p, quiet), to: "without clients" });
      rows.push({ what: `  without clients, p${p}`, value: percentile(p, quiet), unit: "ms" });
    }
    rows.push({ what: "clients that join and leave meanwhile", value: joined / SECONDS, unit: "/s" }, { what: "cut off because they did not read", value: Number(stats.clients_slow_total), unit: "clients" });
    return { title: `A flood of clients and the audit trail, ${RATE} changes/s`, rows };
  } finally {
    await env.stop();
  }
}
