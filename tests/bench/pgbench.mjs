// pgbench over TCP, with scripts of our own.
import { spawn } from "node:child_process";
import { tools } from "./tools.mjs";

const figure = (pattern, text) => Number(pattern.exec(text)?.[1] ?? NaN);

// `files`: scripts, each with @ and its share. `rate`: transactions a second, else as fast as it goes.
export function pgbench(env, { files, seconds, clients, rate }) {
  const limit = rate ? ["-R", String(rate)] : [];
  const args = ["-h", "127.0.0.1", "-p", String(env.cluster.port), "-U", "postgres", "-n", "-M", "prepared", "-c", String(clients), "-j", "1", "-T", String(seconds), ...limit, ...files.flatMap((file) => ["-f", file]), env.name];
  const child = spawn("pgbench", args, { env: tools, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  child.stderr.on("data", (chunk) => (text += chunk));
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => {
      const tps = figure(/tps = ([\d.]+)/, text);
      if (code !== 0 || !tps) fail(new Error(`pgbench failed: ${text}`));
      else done({ tps, transactions: figure(/transactions actually processed: (\d+)/, text) });
    });
  });
}
