// make limits: each limit as an experiment against a throwaway cluster; a table, and build/limits.json.
//
//   scripts/limits.sh                      all, at full size: hours of work on a small machine
//   scripts/limits.sh small                all, as small as make check runs them
//   scripts/limits.sh transaction          one
//   scripts/limits.sh transaction rows=1000000
//
// It fails if an entry is missing, doubled or different, or memory above its bound.
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { Cluster } from "../../e2e/harness.mjs";
import { faultsOf, names } from "./limits.mjs";

const words = process.argv.slice(2);
const size = words.includes("small") ? "small" : "full";
const wanted = words.filter((word) => names.includes(word));
const sizes = Object.fromEntries(words.filter((word) => word.includes("=")).map((word) => word.split("=")).map(([key, value]) => [key, Number(value)]));
const unknown = words.filter((word) => word !== "small" && !names.includes(word) && !word.includes("="));
if (unknown.length) throw new Error(`no such limit: ${unknown.join(" ")}; there are ${names.join(" ")}`);

const number = (value, digits = 0) => (value === undefined ? "" : value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits }));
const columns = [
  ["", 46, (r) => r.title],
  ["VmHWM", 8, (r) => number(r.peak.hwm)],
  ["PSS", 7, (r) => number(r.peak.daemon)],
  ["then", 7, (r) => number(r.resident)],
  ["bound", 7, (r) => number(r.bound)],
  ["walsender", 10, (r) => number(r.peak.walsender)],
  ["store", 7, (r) => number(r.peak.store)],
  ["lag", 8, (r) => number(r.peak.lag)],
  ["seconds", 9, (r) => number(r.seconds, 1)],
  ["changes/s", 11, (r) => number(r.changes / r.seconds)],
];
const line = (cells) => cells.map((cell, i) => (i ? String(cell).padStart(columns[i][1]) : String(cell).padEnd(columns[i][1]))).join("");

const results = [];
const faults = [];
const cluster = await Cluster.start({ own: true });
try {
  for (const name of wanted.length ? wanted : names) {
    const { run, full, small } = await import(`./${name}.mjs`);
    const disk = statfsSync(cluster.folder);
    console.error(`${name} ... (load ${loadavg()[0].toFixed(1)}, ${((disk.bavail * disk.bsize) / 1e9).toFixed(0)} GB free)`);
    try {
      for (const found of [await run(cluster, { ...(size === "small" ? small : full), ...sizes })].flat()) {
        results.push({ name, load: loadavg()[0], ...found });
        faults.push(...faultsOf(found));
      }
    } catch (error) {
      console.error(error);
      faults.push(`${name}: ${error.message}`);
    }
  }
} finally {
  cluster.stop();
}

console.log(`\nMB but for seconds and rates; PSS is proportional, at its highest; then: when all was stored\n${line(columns.map(([head]) => head))}`);
for (const result of results) {
  console.log(line(columns.map(([, , cell]) => cell(result))));
  for (const note of result.notes ?? []) console.log(`    ${note}`);
}
mkdirSync("build", { recursive: true });
const kept = (() => {
  try {
    return JSON.parse(readFileSync("build/limits.json", "utf8")).results.filter((old) => !results.some((fresh) => fresh.title === old.title));
  } catch {
    return [];
  }
})();
writeFileSync("build/limits.json", JSON.stringify({ at: new Date().toISOString(), results: [...kept, ...results] }, null, 2));
for (const fault of faults) console.log(`FAILED ${fault}`);
process.exitCode = faults.length ? 1 : 0;
