// What it costs to verify a token, for each algorithm, beside OpenSSL alone and the cache.
import { execFileSync } from "node:child_process";
import { buildProgram } from "./program.mjs";
import { size } from "./tools.mjs";

const SECONDS = size("TOKEN_SECONDS", 0.2, 1); // of processor time, for each figure

export async function run() {
  const rows = [];
  const lines = execFileSync(buildProgram("tokens", [`SECONDS=${SECONDS}`]), { encoding: "utf8" }).trim().split("\n");
  const [what, cold, warm, hits] = lines.pop().split(" ");
  for (const line of lines) {
    const [alg, library, cache, openssl] = line.split(" ").map((word, i) => (i ? Number(word) : word));
    rows.push({ what: `${alg}, verified`, value: library, unit: "/s", ...(openssl && { ratio: library / openssl, to: "OpenSSL alone" }) });
    rows.push({ what: `${alg}, seen before`, value: cache, unit: "/s", note: `${Math.round(cache / library)} times as fast` });
  }
  rows.push({ what: `${what} clients, all new`, value: Number(cold), unit: "s" });
  rows.push({ what: `${what} clients that rejoin`, value: Number(warm), unit: "s", note: `${hits} of them at hand` });
  return { title: "Tokens, on one core", rows };
}
