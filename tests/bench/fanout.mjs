// One table, many readers: frames a second and their delay, in bursts and message by message, beside
// nchan (nginx), which gets the same payload over HTTP and sends it to the same clients; and beside the
// ceilings, a program that does nothing but send() frames of that size, one a call and ten a call.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Env, eventually, freePort, jwt } from "../e2e/harness.mjs";
import { createInterface } from "node:readline";
import { joinFrame, Listeners, stamp, SUBSCRIBED } from "./listeners.mjs";
import { buildProgram } from "./program.mjs";
import { median, percentile, say, size } from "./tools.mjs";

const CLIENTS = size("CLIENTS", 1000, 1000);
const BURST = 300;
const BURSTS = size("BURSTS", 2, 10);
const SINGLES = size("SINGLES", 40, 400);
const FRAME_BYTES = 500;
const ENVELOPE_BYTES = 340; // of a postgres_changes frame around the text column

// A side is a server with its clients: { listeners, burst(count), one(), stop() }.
async function startPgherald(cluster) {
  const env = await Env.start({
    cluster,
    seed: false,
    config: { realtime_max_clients: String(CLIENTS + 10) },
    before: (fresh) => fresh.db.query("create table public.ticks (id bigint generated always as identity primary key, body text)"),
  });
  try {
    await env.db.query("grant select on public.ticks to service_role");
    const listeners = await Listeners.start({
      port: env.port,
      path: `/realtime/v1/websocket?vsn=2.0.0&apikey=${jwt(env.secret, { role: "service_role" })}`,
      clients: CLIENTS,
      hellos: [joinFrame({ table: "ticks" })],
      subscribed: SUBSCRIBED,
    });
    const padding = "x".repeat(FRAME_BYTES - ENVELOPE_BYTES);
    const insert = `insert into public.ticks (body) values (${stamp} || '${padding}')`;
    return {
      listeners,
      burst: (count) => env.db.query(`do $$ begin for i in 1..${count} loop ${insert}; commit; end loop; end $$`),
      one: () => env.db.query(insert),
      async stop() {
        listeners.stop();
        await env.stop();
      },
    };
  } catch (error) {
    await env.stop();
    throw error;
  }
}

function nginxConfig(folder, port) {
  return `
load_module modules/ngx_nchan_module.so;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
worker_rlimit_nofile 65536;
events { worker_connections 20000; }
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  nchan_shared_memory_size 256M;
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 1000000;
    location = /sub { nchan_subscriber; nchan_channel_id bench; nchan_subscriber_first_message newest; }
    location = /pub { nchan_publisher; nchan_channel_id bench; nchan_message_buffer_length 1000; }
  }
}`;
}

function post(agent, port, body) {
  return new Promise((done, fail) => {
    const req = request({ host: "127.0.0.1", port, path: "/pub", method: "POST", agent, headers: { "content-length": body.length } }, (res) => {
      res.resume();
      res.once("end", done);
    });
    req.once("error", fail);
    req.end(body);
  });
}

async function startNchan() {
  const folder = mkdtempSync(join(tmpdir(), "pgherald-nchan-"));
  const port = await freePort();
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "nginx.conf"), nginxConfig(folder, port));
  const child = spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log"), "-g", "daemon off;"], { stdio: ["ignore", "ignore", "inherit"] });
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const stop = async () => {
    agent.destroy();
    child.kill();
    await new Promise((done) => child.once("exit", done));
    rmSync(folder, { recursive: true, force: true });
  };
  const one = () => {
    const now = Math.round((performance.timeOrigin + performance.now()) * 1000);
    return post(agent, port, `@@${now}@@`.padEnd(FRAME_BYTES, "x"));
  };
  try {
    await eventually(() => existsSync(join(folder, "pid")) && readFileSync(join(folder, "pid"), "utf8") !== "", "nginx");
    const listeners = await Listeners.start({ port, path: "/sub", clients: CLIENTS });
    return {
      listeners,
      burst: (count) => Promise.all(Array.from({ length: count }, one)),
      one,
      async stop() {
        listeners.stop();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

// The ceiling: `batch` frames in one send(), to one client after the other, and nothing else.
async function startSender(batch) {
  const child = spawn(buildProgram("sender"), { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => (await lines.next()).value;
  const port = Number(await answer());
  const listeners = await Listeners.start({ port, path: "/", clients: CLIENTS });
  const burst = (count) => {
    child.stdin.write(`send ${count} ${batch}\n`);
    return answer();
  };
  return {
    listeners,
    burst,
    one: () => burst(1),
    stop() {
      listeners.stop();
      child.stdin.end();
    },
  };
}

// The sides take turns, so that whatever else the machine does hits all of them.
async function compare(sides) {
  const bursts = sides.map(() => []);
  const singles = sides.map(() => []);
  for (const side of sides) await side.listeners.during(10, () => side.burst(10));
  for (let round = 0; round < BURSTS; round++) {
    for (const [i, side] of sides.entries()) bursts[i].push(await side.listeners.during(BURST, () => side.burst(BURST)));
    say(`burst ${round + 1} of ${BURSTS}: ${bursts.map((b) => Math.round((BURST * CLIENTS) / b.at(-1).seconds)).join(", ")} frames/s`);
  }
  for (let round = 0; round < SINGLES; round++) {
    for (const [i, side] of sides.entries()) singles[i].push(await side.listeners.during(1, side.one));
  }
  return sides.map((side, i) => ({
    bytes: singles[i][0].bytes / singles[i][0].frames,
    burst: {
      rate: median(bursts[i].map((b) => (BURST * CLIENTS) / b.seconds)),
      p99: median(bursts[i].map((b) => b.p99_ms)),
    },
    single: {
      // from the first client that got it to the last: what the source takes is in the delay
      rate: median(singles[i].map((s) => CLIENTS / (s.seconds - s.first_ms / 1000))),
      first: median(singles[i].map((s) => s.first_ms)),
      p99: percentile(99, singles[i].map((s) => s.p99_ms)),
    },
  }));
}

const figures = [
  [`bursts of ${BURST}`, "frames/s", (f) => f.burst.rate, { nchan: ">= 3" }],
  [`bursts of ${BURST}, p99`, "ms", (f) => f.burst.p99, { nchan: "<= 1" }],
  ["one by one", "frames/s", (f) => f.single.rate, { nchan: ">= 1" }],
  ["one by one, first client", "ms", (f) => f.single.first, {}],
  ["one by one, p99", "ms", (f) => f.single.p99, { nchan: "<= 1" }],
];

function report(found) {
  const { pgherald, ...others } = found;
  const rows = [];
  for (const [what, unit, pick, aims] of figures) {
    for (const [to, figure] of Object.entries(others)) {
      const [ours, theirs] = [pick(pgherald), pick(figure)];
      rows.push({ what: `${what}, beside ${to}`, value: ours, unit, ratio: ours / theirs, to, ...(aims[to] && { aim: { ratio: aims[to] } }), note: `${theirs.toFixed(unit === "ms" ? 1 : 0)} ${unit}` });
    }
  }
  rows.push({ what: "a frame", value: pgherald.bytes, unit: "bytes", note: others.nchan ? "" : "nchan is not installed: scripts/bootstrap.sh bench" });
  return { title: `Fan-out to ${CLIENTS} clients, frames of ${FRAME_BYTES} bytes`, rows };
}

export async function run(cluster) {
  Listeners.build();
  const starts = { pgherald: () => startPgherald(cluster) };
  if (spawnSync("nginx", ["-v"], { stdio: "ignore" }).status === 0) starts.nchan = startNchan;
  starts["a send() a frame"] = () => startSender(1);
  starts["ten frames a send()"] = () => startSender(10);
  const sides = [];
  try {
    for (const start of Object.values(starts)) sides.push(await start());
    const found = await compare(sides);
    return report(Object.fromEntries(Object.keys(starts).map((name, i) => [name, found[i]])));
  } finally {
    for (const side of sides) await side.stop();
  }
}
