// CPU time, which other load on the machine changes less than it changes rates.
import { readFileSync } from "node:fs";

const TICK_S = 0.01; // USER_HZ, proc(5)

function ofProcess(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_S;
}

// Seconds that the daemon has taken so far, and the server's processes that work for it.
export async function cpuSeconds(env) {
  const backends = await env.rows("select pid from pg_stat_activity where datname = current_database() and application_name like 'pgherald%'");
  return { daemon: ofProcess(env.daemon.pid), server: backends.reduce((sum, { pid }) => sum + ofProcess(pid), 0) };
}
