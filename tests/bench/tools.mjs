// What the benches share: how large they are, the programs of PostgreSQL, and telling how far they are.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export const isLong = Boolean(Number(process.env.LONG || 0));

// How large a bench is: that of the form, or what BENCH_<NAME> says.
export const size = (name, short, long) => Number(process.env[`BENCH_${name}`] ?? (isLong ? long : short));

export const tools = { ...process.env, PATH: `/usr/lib/postgresql/15/bin:${process.env.PATH}` };

export const say = (text) => console.error(`  ${text}`);

export const secondsSince = (from) => (performance.now() - from) / 1000;

// Seconds that a program takes, which has to succeed.
export function timed(what, command, args, options = {}) {
  const from = performance.now();
  const done = spawnSync(command, args, { env: tools, stdio: ["ignore", "ignore", "inherit"], ...options });
  if (done.status !== 0) throw new Error(`${what} failed (${done.status ?? done.signal})`);
  return secondsSince(from);
}

export const percentile = (p, values) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor((values.length * p) / 100))];
export const median = (values) => percentile(50, values);

// Whoever is told to stop leaves neither a server nor a daemon behind.
const clusters = [];
export function stopWhenTold(cluster) {
  if (clusters.push(cluster) > 1) return;
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean);
      for (const pid of children) process.kill(Number(pid));
      for (const one of clusters) one.script("stop", "immediate");
      process.exit(130);
    });
  }
}
