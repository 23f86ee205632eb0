// make bench: every measurement beside its ceiling or peer, in one run. Prints a table, keeps JSON.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { Cluster } from "../e2e/harness.mjs";

const names = process.argv.slice(2).length ? process.argv.slice(2) : ["backlog"];
const round = (value, digits) => (value === undefined ? "" : value.toFixed(digits));

const cluster = await Cluster.start({ own: true });
const results = [];
try {
  for (const name of names) {
    console.error(`measuring ${name} ...`);
    const { run } = await import(`./${name}.mjs`);
    results.push(await run(cluster));
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
