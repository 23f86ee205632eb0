// What it costs to verify a token, for each algorithm, beside OpenSSL alone and the cache.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";

const objects = (folder) => readdirSync(`build/obj/${folder}`).filter((name) => name.endsWith(".o")).map((name) => `build/obj/${folder}/${name}`);

function build() {
  const flags = (what) => execFileSync("pkg-config", [what, "jansson", "librhonabwy", "openssl"], { encoding: "utf8" }).trim().split(/\s+/).filter(Boolean);
  const program = "build/bench/tokens";
  mkdirSync("build/bench", { recursive: true });
  const sources = ["-std=c11", "-O2", "-pthread", "-D_DEFAULT_SOURCE", "-Iinclude", "-Isrc", "-Itests/unit", "-o", program, "tests/bench/tokens.c"];
  execFileSync("cc", [...sources, ...objects("base"), ...objects("token"), ...flags("--cflags"), ...flags("--libs"), "-lm"], { stdio: "inherit" });
  return program;
}

export async function run() {
  const rows = [];
  const lines = execFileSync(build(), { encoding: "utf8" }).trim().split("\n");
  const [what, cold, warm, hits] = lines.pop().split(" ");
  for (const line of lines) {
    const [alg, library, cache, openssl] = line.split(" ").map((word, i) => (i ? Number(word) : word));
    rows.push({ what: `${alg}, verified`, rate: library, ratio: openssl ? library / openssl : undefined, aim: openssl ? `of OpenSSL's ${openssl}` : "" });
    rows.push({ what: `${alg}, seen before`, rate: cache, ratio: cache / library, aim: "times faster" });
  }
  rows.push({ what: `${what} clients, all new`, seconds: Number(cold), rate: 10000 / cold });
  rows.push({ what: `${what} clients that rejoin`, seconds: Number(warm), rate: 10000 / warm, ratio: cold / warm, aim: `times faster, ${hits} of them at hand` });
  return { name: "tokens", rows };
}
