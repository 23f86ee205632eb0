// One table, many readers: frames a second and their delay, in bursts and message by message, beside
// nchan (nginx), which gets the same payload over HTTP and sends it to the same clients.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Env, eventually, freePort, jwt } from "../e2e/harness.mjs";
import { joinFrame, Listeners, median, percentile, stamp, SUBSCRIBED } from "./listeners.mjs";

const CLIENTS = Number(process.env.BENCH_CLIENTS ?? 1000);
const BURST = 300;
const BURSTS = 5;
const SINGLES = 200;
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

// The sides take turns, so that whatever else the machine does hits all of them.
async function compare(sides) {
  const bursts = sides.map(() => []);
  const singles = sides.map(() => []);
  for (const side of sides) await side.listeners.during(10, () => side.burst(10));
  for (let round = 0; round < BURSTS; round++) {
    for (const [i, side] of sides.entries()) bursts[i].push(await side.listeners.during(BURST, () => side.burst(BURST)));
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

export async function run(cluster) {
  Listeners.build();
  const sides = [await startPgherald(cluster)];
  if (spawnSync("nginx", ["-v"], { stdio: "ignore" }).status === 0) sides.push(await startNchan());
  let figures;
  try {
    figures = await compare(sides);
  } finally {
    for (const side of sides) await side.stop();
  }
  const [ours, nchan] = figures;
  const rows = [];
  const add = (what, pick, unit, aim) => {
    rows.push({ what: `pgherald: ${what}${unit}`, rate: pick(ours), ratio: nchan && pick(ours) / pick(nchan), aim: nchan ? aim : "nchan is not installed" });
    if (nchan) rows.push({ what: `nchan: ${what}${unit}`, rate: pick(nchan) });
  };
  add(`bursts of ${BURST}`, (f) => f.burst.rate, ", frames/s", "aim: at least 3");
  add(`bursts of ${BURST}, p99`, (f) => f.burst.p99, ", ms", "aim: at most 1");
  add("one by one", (f) => f.single.rate, ", frames/s", "aim: at least 1");
  add("one by one, first client", (f) => f.single.first, ", ms");
  add("one by one, p99", (f) => f.single.p99, ", ms", "aim: at most 1");
  add("bytes of a frame", (f) => f.bytes, "");
  return { name: `fan-out: ${CLIENTS} clients`, rows };
}
