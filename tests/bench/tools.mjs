// What the benches share: how large they are, the programs of PostgreSQL, and telling how far they are.
import { spawnSync } from "node:child_process";

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

// Whoever is told to stop leaves no server behind.
export function stopWhenTold(cluster) {
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      cluster.script("stop", "immediate");
      process.exit(130);
    });
  }
}
