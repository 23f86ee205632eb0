// What happens to those who run for long: restarts of the daemon and of the server, and new rules.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { eventually, top } from "../../e2e/harness.mjs";

// In a process of its own: this one has clients and a receiver that must not stand still.
function server(cluster, verb, mode) {
  const args = [verb, cluster.folder, String(cluster.port), ...(mode ? [mode] : [])];
  const child = spawn(join(top, "scripts/cluster.sh"), args, { stdio: ["ignore", "ignore", "inherit"] });
  return new Promise((done, fail) => child.once("exit", (code) => (code === 0 ? done() : fail(new Error(`cluster.sh ${verb} exited with ${code}`)))));
}

async function restartServer(env, mode) {
  await server(env.cluster, "stop", mode);
  // recovery may take longer than pg_ctl waits
  await eventually(() => server(env.cluster, "start").then(() => true), "the server to start", 300_000);
  env.db = await eventually(() => env.connect(), "the server to take connections", 60_000);
}

async function restartDaemon(env, signal) {
  env.isDown = true;
  const { code } = await env.kill(signal);
  if (signal === "SIGTERM" && code !== 0) throw new Error(`the daemon ended with ${code}:\n${env.logText()}`);
  await env.run([], { ready: false });
  env.bornAt = Date.now();
  env.isDown = false;
  await eventually(() => env.ready().then(() => true), "the daemon to be ready", 120_000);
}

export const RULES = `
  insert into public.webhooks (name, url, events, is_active) values ('switched', 'URL', '{accounts.delete}', false);
  insert into public.notification_rules (name, table_name, events, recipient, title, condition) values
    ('soak', 'accounts', '{insert}', 'owner', 'soak {{new.id}}', 'id=lt.11000000');
  insert into pgherald.audit_policies (table_name) values ('public.accounts')`;

let changed = 0;

// A second webhook, a rule, a policy and the shape of the table, back and forth.
async function changeRules(env) {
  changed++;
  await env.db.query("update public.webhooks set is_active = not is_active where name = 'switched'");
  await env.db.query("update public.notification_rules set title = 'soak {{new.id}} ' || $1 where name = 'soak'", [String(changed)]);
  await env.db.query("update pgherald.audit_policies set redact = $1 where table_name = 'public.accounts'", [changed % 2 ? ["balance"] : []]);
  await env.db.query(changed % 2 ? "alter table public.accounts add column note text default 'n'" : "alter table public.accounts drop column note");
}

const events = {
  "daemon: SIGTERM": (env) => restartDaemon(env, "SIGTERM"),
  "daemon: kill -9": (env) => restartDaemon(env, "SIGKILL"),
  "server: fast": (env) => restartServer(env, "fast"),
  "server: immediate": (env) => restartServer(env, "immediate"),
  "other rules": changeRules,
};

const young = ["daemon: SIGTERM", "other rules", "daemon: kill -9", "server: fast", "daemon: kill -9", "server: immediate", "daemon: SIGTERM", "other rules"];
const old = ["other rules", "server: fast", "other rules", "server: immediate"];

// In the first two fifths the daemon is restarted too; after that it grows old, so that its memory can be seen
// to stay the same.
export function eventsOf(seconds) {
  const step = Math.max(seconds / 20, 6);
  const list = [];
  for (let i = 0; (i + 1) * step < seconds * 0.95; i++) {
    const at = (i + 1) * step;
    const name = at < seconds * 0.4 ? young[i % young.length] : old[i % old.length];
    list.push({ at, name, strike: events[name] });
  }
  return list;
}
