// Memory of clients that do nothing: connected, and joined to one table each.
import { readFileSync } from "node:fs";
import { Env, jwt } from "../e2e/harness.mjs";
import { joinFrame, Listeners, SUBSCRIBED } from "./listeners.mjs";
import { size } from "./tools.mjs";

const CLIENTS = size("IDLE_CLIENTS", 3000, 10_000);

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
      title: `${CLIENTS} idle clients, each on one table`,
      rows: [
        { what: "memory a client", value: (after - before) / CLIENTS, unit: "bytes" },
        { what: "resident with all of them", value: after / 1e6, unit: "MB" },
      ],
    };
  } finally {
    listeners?.stop();
    await env.stop();
  }
}
