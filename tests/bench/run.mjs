// make bench: every measurement beside its ceiling or peer, in one run. Prints a table, keeps JSON.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { Cluster } from "../e2e/harness.mjs";

const wanted = process.argv.slice(2);
const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".mjs") && file !== "run.mjs");
const names = wanted.length ? wanted : files.map((file) => file.slice(0, -4)).sort();
const round = (value, digits) => (value === undefined ? "" : value.toFixed(digits));

const cluster = await Cluster.start({ own: true });
const results = [];
const failed = [];
try {
  for (const name of names) {
    const { run } = await import(`./${name}.mjs`);
    if (!run) continue; // what several of them share
    console.error(`measuring ${name} ...`);
    try {
      results.push(await run(cluster));
    } catch (error) {
      console.error(error);
      failed.push(name);
    }
  }
} finally {
  cluster.stop();
}

for (const { name, rows } of results) {
  console.log(`\n${name} (${cpus().length} cores, shared by everything)`);
  console.log(`  ${"".padEnd(46)}${"seconds".padStart(9)}${"per second".padStart(13)}${"ratio".padStart(8)}`);
  for (const row of rows) {
    console.log(`  ${row.what.padEnd(46)}${round(row.seconds, 2).padStart(9)}${round(row.rate, row.rate < 100 ? 2 : 0).padStart(13)}${round(row.ratio, 2).padStart(8)}  ${row.aim ?? ""}`);
  }
}
mkdirSync("build", { recursive: true });
writeFileSync("build/bench.json", JSON.stringify({ at: new Date().toISOString(), results }, null, 2));
console.log("\nkept in build/bench.json");
if (failed.length) {
  console.log(`could not measure: ${failed.join(", ")}`);
  process.exitCode = 1;
}
