// Memory of clients that do nothing: connected, and joined to one table each.
import { readFileSync } from "node:fs";
import { Env, jwt } from "../e2e/harness.mjs";
import { joinFrame, Listeners, SUBSCRIBED } from "./listeners.mjs";

const CLIENTS = Number(process.env.BENCH_IDLE_CLIENTS ?? 10_000);

const resident = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;

export async function run(cluster) {
  Listeners.build();
  const env = await Env.start({
    cluster,
    seed: false,
    config: { realtime_max_clients: String(CLIENTS + 10) },
    before: (fresh) => fresh.db.query("create table public.ticks (id bigint generated always as identity primary key, body text)"),
  });
  let listeners;
  try {
    await env.db.query("grant select on public.ticks to service_role");
    const before = resident(env.daemon.pid);
    const path = `/realtime/v1/websocket?vsn=2.0.0&apikey=${jwt(env.secret, { role: "service_role" })}`;
    listeners = await Listeners.start({ port: env.port, path, clients: CLIENTS, hellos: [joinFrame({ table: "ticks" })], subscribed: SUBSCRIBED });
    const after = resident(env.daemon.pid);
    return {
      name: `${CLIENTS} idle clients, each on one table`,
      rows: [
        { what: "bytes of memory a client", rate: (after - before) / CLIENTS },
        { what: "resident with all of them, MB", rate: after / 1e6 },
      ],
    };
  } finally {
    listeners?.stop();
    await env.stop();
  }
}
