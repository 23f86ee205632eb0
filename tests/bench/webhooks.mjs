// Deliveries a second, recorded as delivered in the table, beside what the receiver takes at most: h2load
// sends it the same body over as many connections in the same run. Both work through a fixed number.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Env, eventually, freePort, sleep } from "../e2e/harness.mjs";
import { median, say, size } from "./tools.mjs";

const DELIVERIES = size("DELIVERIES", 15_000, 40_000);
const ROUNDS = size("WEBHOOK_ROUNDS", 1, 5);
const ENDPOINTS = 8;
const AT_ONCE = 64;
const BODY = JSON.stringify({
  type: "memories.insert",
  timestamp: "2026-11-23T03:48:41.036208Z",
  data: { schema: "public", table: "memories", operation: "insert", record: { id: "5a2ad9ac-3b0e-4b8d-8d0c-0d4bb8d9b6f1", content: "x".repeat(380) }, old_record: null, commit_lsn: "1/1A2B3F8", ordinal: 3 },
});

// A receiver as fast as there is one: nginx reads the body and says 204.
async function startReceiver() {
  const folder = mkdtempSync(join(tmpdir(), "pgherald-nginx-"));
  const port = await freePort();
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
  chmodSync(folder, 0o755);
  writeFileSync(
    join(folder, "nginx.conf"),
    `worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  ${paths}
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 100000000;
    location / { return 204; }
  }
}`,
  );
  const child = spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log"), "-g", "daemon off;"], { stdio: ["ignore", "ignore", "inherit"] });
  await eventually(() => existsSync(join(folder, "pid")) && readFileSync(join(folder, "pid"), "utf8") !== "", "nginx");
  return {
    url: `http://127.0.0.1:${port}/`,
    folder,
    async stop() {
      child.kill();
      await new Promise((done) => child.once("exit", done));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function load(receiver) {
  const body = join(receiver.folder, "body.json");
  writeFileSync(body, BODY);
  const { stdout, status } = spawnSync("h2load", ["--h1", "-n", String(DELIVERIES), "-c", String(AT_ONCE), "-d", body, "-H", "content-type: application/json", receiver.url], { encoding: "utf8" });
  const [, seconds, succeeded] = /finished in ([\d.]+m?s),[\s\S]*?(\d+) 2xx/.exec(stdout) ?? [];
  if (status !== 0 || Number(succeeded) !== DELIVERIES) throw new Error(`h2load: ${stdout}`);
  return seconds.endsWith("ms") ? parseFloat(seconds) / 1000 : parseFloat(seconds);
}

// The outbox is filled while nobody looks; from the moment the daemon is ready the time runs.
async function dispatch(env) {
  await env.db.query("truncate public.webhook_deliveries cascade");
  await env.db.query(
    `insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload)
     select w.ids[1 + n % ${ENDPOINTS}], 'msg_1_' || n || '_1_1', 'memories.insert', $1::json
     from (select array_agg(id) as ids from public.webhooks) w, generate_series(1, $2) n`,
    [BODY, DELIVERIES],
  );
  await env.db.query("vacuum analyze public.webhook_deliveries");
  await env.db.query("checkpoint");
  await env.run(["--role", "dispatch"], { ready: false });
  const count = async (what) => (await env.row(`select count(*)::int as n from public.webhook_deliveries where ${what}`)).n;
  while ((await count("status = 'pending'")) === DELIVERIES) await sleep(5);
  const from = process.hrtime.bigint();
  // by the index of what is pending: counting them all would be a load of its own
  while ((await env.row("select exists (select from public.webhook_deliveries where status = 'pending') as any")).any) await sleep(50);
  const seconds = Number(process.hrtime.bigint() - from) / 1e9;
  if ((await count("status = 'delivered' and attempts = 1")) !== DELIVERIES) throw new Error("not all were delivered at the first attempt");
  if ((await env.row("select count(*)::int as n from public.webhook_attempts where status_code = 204")).n !== DELIVERIES) throw new Error("not every attempt was recorded");
  await env.kill("SIGTERM");
  return seconds;
}

export async function run(cluster) {
  const receiver = await startReceiver();
  const env = await Env.start({ cluster, daemon: false, seed: false, config: { webhook_concurrency: String(AT_ONCE), webhook_endpoint_concurrency: String(AT_ONCE / ENDPOINTS), log_level: "warn" } });
  try {
    await env.db.query("insert into public.webhooks (name, url, events) select 'endpoint ' || n, $1, '{memories.insert}' from generate_series(1, $2) n", [receiver.url, ENDPOINTS]);
    const limits = [];
    const times = [];
    for (let round = 0; round < ROUNDS; round++) {
      limits.push(load(receiver));
      times.push(await dispatch(env));
      say(`round ${round + 1}: h2load ${(DELIVERIES / limits.at(-1)).toFixed(0)}/s, pgherald ${(DELIVERIES / times.at(-1)).toFixed(0)}/s`);
    }
    const limit = median(limits);
    const seconds = median(times);
    return {
      title: `Webhooks: ${DELIVERIES} deliveries of ${BODY.length} bytes, ${ENDPOINTS} endpoints, ${AT_ONCE} requests at once`,
      rows: [
        { what: "the receiver alone (h2load)", value: DELIVERIES / limit, unit: "requests/s" },
        { what: "delivered and recorded", value: DELIVERIES / seconds, unit: "deliveries/s", ratio: limit / seconds, to: "h2load", aim: { value: ">= 5000" } },
      ],
    };
  } finally {
    await env.stop();
    await receiver.stop();
  }
}
