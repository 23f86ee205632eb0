// A steady rate of small transactions: how long after its commit a change is in the audit trail. The server
// notes when each transaction was committed (track_commit_timestamp), the store's too, so the lag of every
// single entry is known exactly, and asking does not disturb.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster, Env } from "../e2e/harness.mjs";
import { pgbench } from "./pgbench.mjs";
import { isLong, say, size, stopWhenTold } from "./tools.mjs";

const AIM_TPS = 5000;
const CLIENTS = 16;
const SECONDS = size("STEADY_SECONDS", 3, 20);
const AIM_SECONDS = size("STEADY_AIM_SECONDS", 6, 60);
const RATES = (process.env.BENCH_STEADY_RATES ?? (isLong ? "1000,2000,3000,4000,5000" : "1000,3000,5000")).split(",").map(Number);
const ROWS = 10_000;
const WARM_UP = "1 second"; // of each rate, and not counted

const setUp = `
  create table public.counters (id int primary key, n bigint not null default 0);
  insert into public.counters select g from generate_series(1, ${ROWS}) g;
  vacuum (freeze, analyze) public.counters`;
const script = `\\set id random(1, ${ROWS})
update public.counters set n = n + 1 where id = :id;`;

const lags = `
  select count(*)::int as entries,
    percentile_cont(array[0.5, 0.99, 1]) within group (order by lag) as ms
  from (
    select extract(epoch from pg_xact_commit_timestamp(xmin) - occurred_at) * 1000 as lag
    from public.audit_logs
    where resource_type = 'public.counters' and occurred_at > $1::timestamptz + interval '${WARM_UP}'
  ) l`;

async function at(env, file, rate) {
  const { now } = await env.row("select clock_timestamp()::text as now");
  const { tps } = await pgbench(env, { files: [file], seconds: rate === AIM_TPS ? AIM_SECONDS : SECONDS, clients: CLIENTS, rate });
  await env.caughtUp(300_000);
  const { entries, ms } = await env.row(lags, [now]);
  await env.db.query("checkpoint");
  const [p50, p99, max] = ms.map(Number);
  say(`${rate}: ${Math.round(tps)} tps, ${entries} entries, lag p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)} ms`);
  return { rate, tps, p50, p99, max };
}

function rowsOf({ rate, tps, p50, p99, max }) {
  const isAim = rate === AIM_TPS;
  return [
    { what: `asked for ${rate} tps`, value: tps, unit: "tps", ...(isAim && { aim: { value: `>= ${AIM_TPS * 0.98}` } }) },
    { what: `  lag at ${rate}, p50`, value: p50, unit: "ms" },
    { what: `  lag at ${rate}, p99`, value: p99, unit: "ms", note: `at most ${max.toFixed(0)} ms`, ...(isAim && { aim: { value: "<= 100" } }) },
  ];
}

export async function run() {
  const cluster = await Cluster.start({ own: true });
  stopWhenTold(cluster);
  const folder = mkdtempSync(join(tmpdir(), "pgherald-bench-"));
  const file = join(folder, "update");
  writeFileSync(file, script);
  const env = await Env.start({ cluster, seed: false, daemon: false });
  try {
    await env.db.query("alter system set track_commit_timestamp = on");
    cluster.script("stop");
    cluster.script("start");
    env.db = await env.connect();
    for (const statement of setUp.split(";")) await env.db.query(statement);
    const alone = await pgbench(env, { files: [file], seconds: SECONDS, clients: CLIENTS });
    say(`pgbench alone, as fast as it goes: ${Math.round(alone.tps)} tps`);
    await env.run();
    await env.caughtUp(300_000);
    const rows = [{ what: "pgbench alone, as fast as it goes", value: alone.tps, unit: "tps" }];
    for (const rate of RATES) rows.push(...rowsOf(await at(env, file, rate)));
    return { title: `A steady rate: pgbench with ${CLIENTS} clients, from commit to stored entry`, rows };
  } finally {
    rmSync(folder, { recursive: true });
    await env.stop();
    cluster.stop();
  }
}
