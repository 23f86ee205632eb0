// make bench: every measurement beside its ceiling or peer, in one run. Prints tables as it goes and the
// aims at the end; keeps build/bench.json and build/bench.svg.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { Cluster } from "../e2e/harness.mjs";
import { plotOf } from "./plot.mjs";
import { aimsOf, isMet, tableOf } from "./report.mjs";
import { isLong, secondsSince, stopWhenTold } from "./tools.mjs";

const all = ["decode", "backlog", "steady", "audit", "fanout", "rls", "latency", "webhooks", "streaming", "flood", "idle", "tokens"];
const names = process.argv.length > 2 ? process.argv.slice(2) : all;
const unknown = names.filter((name) => !all.includes(name));
if (unknown.length) {
  console.error(`there is no bench ${unknown.join(", ")}; there are: ${all.join(", ")}`);
  process.exit(64);
}

const load = () => Number(loadavg()[0].toFixed(1));
const results = [];
const failed = [];
const begin = { at: new Date().toISOString(), form: isLong ? "long" : "short", cores: cpus().length, cpu: cpus()[0].model, load: load() };
const cluster = await Cluster.start({ own: true });
stopWhenTold(cluster);
try {
  for (const [i, name] of names.entries()) {
    const { run } = await import(`./${name}.mjs`);
    console.error(`${name} (${i + 1} of ${names.length}) ...`);
    const from = performance.now();
    const before = load();
    try {
      const { title, rows } = await run(cluster);
      results.push({ name, title, took: secondsSince(from), load: [before, load()], rows: rows.map((row) => ({ ...row, met: isMet(row) })) });
      console.log(`\n${tableOf(results.at(-1))}\n  took ${secondsSince(from).toFixed(0)} s, load ${before} before and ${load()} after\n`);
    } catch (error) {
      console.error(error);
      failed.push(name);
    }
  }
} finally {
  cluster.stop();
}

console.log(aimsOf(results));
mkdirSync("build", { recursive: true });
writeFileSync("build/bench.json", JSON.stringify({ ...begin, results, failed }, null, 2));
writeFileSync("build/bench.svg", plotOf(results, `${begin.at}, ${begin.form} form, ${begin.cores} cores (${begin.cpu}), load ${begin.load} at the start and ${load()} at the end`));
console.log("\nkept in build/bench.json and build/bench.svg");
if (failed.length) {
  console.log(`could not measure: ${failed.join(", ")}`);
  process.exitCode = 1;
}
