// The decoders alone, in memory, beside what brings them the bytes: pg_recvlogical into a pipe. And beside
// jansson, which takes the same messages of wal2json apart.
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Env, eventually } from "../e2e/harness.mjs";
import { makeBacklog } from "./backlog.mjs";
import { buildProgram } from "./program.mjs";
import { PLUGIN_OPTIONS, recvlogicalPiped } from "./recvlogical.mjs";
import { say, size } from "./tools.mjs";
import { execFileSync } from "node:child_process";

const CHANGES = size("DECODE_CHANGES", 50_000, 300_000);
const SECONDS = size("DECODE_SECONDS", 1, 5);

// The messages of a slot, as the walsender would send them: each behind its length. The slot stays where it is.
async function writeMessages(env, slot, plugin, lsn, file) {
  const options = PLUGIN_OPTIONS[plugin].flatMap((option) => option.split("=")).map((word) => `'${word}'`);
  await env.db.query(`copy (select data from pg_logical_slot_peek_binary_changes('${slot}', '${lsn}', null, ${options.join(", ")})) to '${file}' (format binary)`);
  return statSync(file).size;
}

async function measure(env, plugin, program, file, lsn) {
  const slot = `${env.name}_${plugin}`;
  const bytes = await writeMessages(env, slot, plugin, lsn, file);
  const seconds = recvlogicalPiped(env, slot, plugin, lsn);
  say(`pg_recvlogical ${plugin}: ${seconds.toFixed(2)} s, ${bytes} bytes`);
  const lines = execFileSync(program, [plugin, file, String(SECONDS)], { encoding: "utf8" }).trim().split("\n");
  const [ours, theirs] = lines.map((line) => line.split(" ").slice(1).map(Number));
  const rate = CHANGES / seconds;
  const row = (what, [value, megabytes], more) => ({ what, value, unit: "changes/s", note: `${megabytes} MB/s`, ...more });
  const rows = [
    row(`pg_recvlogical to a pipe, ${plugin}`, [rate, (bytes / seconds / 1e6).toFixed(1)]),
    row(`decoder alone, ${plugin}`, ours, { ratio: ours[0] / rate, to: "pg_recvlogical", aim: { ratio: ">= 4" } }),
  ];
  if (theirs) rows.push(row("jansson, the same messages", theirs), row("decoder alone, beside it", ours, { ratio: ours[0] / theirs[0], to: "jansson" }));
  return rows;
}

export async function run(cluster) {
  const program = buildProgram("decode");
  const folder = mkdtempSync(join(tmpdir(), "pgherald-bench-"));
  chmodSync(folder, 0o777); // the server writes into it
  const env = await Env.start({ cluster, seed: false, daemon: false, config: { plugin: "pgoutput" } });
  const plugins = Object.keys(PLUGIN_OPTIONS);
  const rows = [];
  try {
    for (const plugin of plugins) await env.db.query("select pg_create_logical_replication_slot($1, $2)", [`${env.name}_${plugin}`, plugin]);
    await makeBacklog(env, CHANGES);
    const { lsn } = await env.row("select pg_current_wal_lsn()::text as lsn");
    for (const plugin of plugins) rows.push(...(await measure(env, plugin, program, join(folder, plugin), lsn)));
    return { title: `Decoding ${CHANGES.toLocaleString("en-US")} changes`, rows };
  } finally {
    const drop = (plugin) => env.db.query("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1", [`${env.name}_${plugin}`]);
    for (const plugin of plugins) await eventually(() => drop(plugin), "the slot to be free");
    await env.stop();
    rmSync(folder, { recursive: true });
  }
}
