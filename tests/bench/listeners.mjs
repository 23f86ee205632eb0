// The clients of the benches: tests/bench/listeners.c, one process for all of them.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// What listeners.c looks for in a frame: when its row was written.
export const stamp = "('@@' || (extract(epoch from clock_timestamp()) * 1e6)::bigint || '@@')";
export const SUBSCRIBED = "Subscribed to PostgreSQL";

export function joinFrame({ table, filter, token }) {
  const binding = { event: "INSERT", schema: "public", table, ...(filter && { filter }) };
  return JSON.stringify(["1", "1", `realtime:${table}`, "phx_join", { config: { postgres_changes: [binding] }, ...(token && { access_token: token }) }]);
}

export class Listeners {
  static build() {
    mkdirSync("build/bench", { recursive: true });
    execFileSync("cc", ["-std=c11", "-O2", "-D_GNU_SOURCE", "-o", "build/bench/listeners", "tests/bench/listeners.c"]);
  }

  // hellos: a frame each client sends, in turn; subscribed: what is in the answer that counts.
  static async start({ port, path, clients, hellos, subscribed }) {
    const listeners = new Listeners();
    listeners.clients = clients;
    listeners.folder = mkdtempSync(join(tmpdir(), "pgherald-listeners-"));
    const args = ["127.0.0.1", String(port), path, String(clients)];
    if (hellos) {
      const file = join(listeners.folder, "hellos");
      writeFileSync(file, hellos.map((hello) => `${hello}\n`).join(""));
      args.push(file, subscribed);
    }
    listeners.child = spawn("build/bench/listeners", args, { stdio: ["pipe", "pipe", "inherit"] });
    listeners.lines = createInterface({ input: listeners.child.stdout })[Symbol.asyncIterator]();
    const { ready, gone } = await listeners.ask("ready");
    if (ready !== clients || gone) throw new Error(`${ready} of ${clients} clients are ready, ${gone} are gone`);
    return listeners;
  }

  async answer() {
    const { value } = await this.lines.next();
    if (value === undefined) throw new Error("listeners ended early");
    return JSON.parse(value);
  }

  ask(command) {
    this.child.stdin.write(`${command}\n`);
    return this.answer();
  }

  // What arrived of `messages` messages that publish() sends to all clients, or of `frames` in all.
  async during(messages, publish, { frames = messages * this.clients, ms = 120_000 } = {}) {
    await this.ask(`expect ${frames} ${ms}`);
    await publish();
    const report = await this.answer();
    if (report.frames !== frames) throw new Error(`${report.frames} of ${frames} frames arrived, ${report.gone} clients are gone`);
    return report;
  }

  stop() {
    this.child.stdin.end();
    this.child.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

