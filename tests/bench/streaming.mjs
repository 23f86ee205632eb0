// One large transaction that takes a while to write: from its commit to its last entry, with streaming and
// without, in turns; the processor time that is spent after the commit, which depends less on what else the
// machine does; and what the server writes to its own disk meanwhile. Beside it the same with nothing to store.
import { readFileSync } from "node:fs";
import { Env, sleep } from "../e2e/harness.mjs";
import { median, say, secondsSince, size } from "./tools.mjs";

const ROWS = size("STREAMING_ROWS", 200_000, 1_000_000);
const SECONDS = size("STREAMING_SECONDS", 5, 30); // that writing it takes
const ROUNDS = size("STREAMING_ROUNDS", 1, 3);
const PARTS = 20;

const cpuOf = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

// All that is ours: the daemon, its walsender, its store.
async function cpu(env) {
  const backends = await env.rows("select pid from pg_stat_activity where application_name in ('pgherald stream', 'pgherald store')");
  return [env.daemon.pid, ...backends.map(({ pid }) => pid)].reduce((sum, pid) => sum + cpuOf(pid), 0);
}

async function write(client) {
  await client.query("begin");
  const from = performance.now();
  for (let part = 0; part < PARTS; part++) {
    await client.query(`insert into public.large select ${(ROWS / PARTS) * part} + g, gen_random_uuid(), 'title ' || g, repeat('lorem ipsum ', 12), g * 1.25, g % 2 = 0, '{red,green}'
      from generate_series(1, ${ROWS / PARTS}) g`);
    await sleep(Math.max(0, (SECONDS * 1000 * (part + 1)) / PARTS - (performance.now() - from)));
  }
}

async function once(cluster, streaming, audited) {
  const env = await Env.start({ cluster, seed: false, config: { plugin: "pgoutput", streaming } });
  try {
    await env.db.query("create table public.large (id bigint primary key, user_id uuid, title text, body text, amount numeric(12,2), done boolean, tags text[])");
    if (!audited) await env.db.query("insert into pgherald.audit_policies (table_name, is_enabled) values ('public.large', false)");
    await env.caughtUp();
    const writer = await env.connect();
    await write(writer);
    const before = await cpu(env);
    await writer.query("commit");
    const from = performance.now();
    await env.caughtUp(900_000);
    const seconds = secondsSince(from);
    const { n } = await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.large'");
    if (n !== (audited ? ROWS : 0)) throw new Error(`${n} entries, wanted ${ROWS}`);
    const spent = (await cpu(env)) - before;
    await writer.end();
    const { spilled } = await env.row("select spill_bytes / 1e6 as spilled from pg_stat_replication_slots where slot_name = $1", [env.name]);
    say(`streaming ${streaming}, ${audited ? "audited" : "not audited"}: ${seconds.toFixed(1)} s, ${spent.toFixed(1)} s of processor`);
    return { seconds, spent, spilled: Number(spilled) };
  } finally {
    await env.stop();
  }
}

export async function run(cluster) {
  const rows = [];
  for (const audited of [true, false]) {
    const runs = { off: [], on: [] };
    for (let round = 0; round < ROUNDS; round++) for (const streaming of ["off", "on"]) runs[streaming].push(await once(cluster, streaming, audited));
    const of = (streaming, key) => median(runs[streaming].map((run) => run[key]));
    const what = audited ? "into audit_logs" : "with nothing to store";
    const row = (key, unit, name) => ({ what: `${name} ${what}, streamed`, value: of("on", key), unit, ratio: of("on", key) / of("off", key), to: "without", note: `without: ${of("off", key).toFixed(1)} ${unit}, the server spills ${of("off", "spilled").toFixed(0)} MB, streamed ${of("on", "spilled").toFixed(0)} MB` });
    rows.push(row("seconds", "s", "from commit to the end"), row("spent", "s", "processor time after the commit"));
  }
  return { title: `A transaction of ${ROWS} rows that takes ${SECONDS} s to write`, rows };
}
