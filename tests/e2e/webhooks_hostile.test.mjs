// Receivers that misbehave: each is a failure with a reason, none delays another endpoint, and none
// costs memory. The daemon asks a name server of the test's own.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { Env, eventually, patience, preloadable, sleep, spareMemory, temporaryFolder } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

const TIMEOUT_S = 2;
const HEALTHY = 60; // deliveries in a round
const SPARE = spareMemory();

let env, owner, names, healthy, trap, memory, usual;

function zone(records) {
  writeFileSync(names, Object.entries(records).map(([name, { ms = 0, to = [] }]) => `${name} ${ms} ${to.join(" ")}\n`).join(""));
}

const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${env.daemon.pid}/status`, "utf8"))[1]) / 1024;
const remember = (n = 1) => env.db.query("insert into public.memories (user_id, title, content) select $1, 't', 'c' from generate_series(1, $2)", [owner.id, n]);
const attempts = (id) => env.rows("select a.* from public.webhook_attempts a join public.webhook_deliveries d on d.id = a.delivery_id where d.webhook_id = $1 order by a.attempted_at", [id]);

// How long the healthy endpoint takes for a round.
async function round() {
  const before = healthy.requests.length;
  const from = Date.now();
  await remember(HEALTHY);
  await eventually(() => healthy.requests.length >= before + HEALTHY, "the healthy endpoint's calls", 60000);
  return Date.now() - from;
}

before(async () => {
  const folder = temporaryFolder("dns");
  names = join(folder, "names");
  zone({});
  env = await Env.start({
    daemon: false,
    // 127.0.0.1 and 127.0.0.2 stand for the public, 127.0.0.9 for what is private
    config: { webhook_allow_private: "off", webhook_allow: "127.0.0.1,127.0.0.2", webhook_breaker_percent: "0" },
  });
  // a proxy that nobody asked for
  trap = createServer((socket) => {
    trap.connections++;
    socket.destroy();
  });
  trap.connections = 0;
  await new Promise((done) => trap.listen(0, "0.0.0.0", done));
  const proxy = `http://127.0.0.1:${trap.address().port}`;
  Object.assign(process.env, { LD_PRELOAD: preloadable("fake_dns"), FAKE_DNS: names, ASAN_OPTIONS: "verify_asan_link_order=0", http_proxy: proxy, https_proxy: proxy, ALL_PROXY: proxy });
  try {
    await env.run();
  } finally {
    for (const name of ["LD_PRELOAD", "http_proxy", "https_proxy", "ALL_PROXY"]) delete process.env[name];
  }
  owner = await env.user();
  healthy = await Receiver.start();
  await env.db.query("insert into public.webhooks (name, url, events) values ('healthy', $1, '{memories.insert}')", [healthy.url()]);
  await round(); // it has to learn that the endpoint is well
  usual = Math.max(await round(), await round());
  memory = peak();
});
after(async () => {
  await healthy?.stop();
  trap?.close();
  await env?.stop();
});

// A raw server: `behave(socket)` once a request has come in, or at once.
async function server(t, behave, { atOnce = false } = {}) {
  const sockets = new Set();
  const raw = createServer((socket) => {
    raw.connections++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    if (atOnce) behave(socket);
    else socket.once("data", () => behave(socket));
  });
  raw.connections = 0;
  await new Promise((done) => raw.listen(0, "127.0.0.1", done));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    raw.close();
  });
  raw.url = `http://127.0.0.1:${raw.address().port}/`;
  return raw;
}

async function webhook(t, url, columns = {}) {
  const all = { name: t.name.slice(0, 60), url, events: "{memories.insert}", timeout_seconds: TIMEOUT_S, max_retries: 0, ...columns };
  const keys = Object.keys(all);
  const { id } = await env.row(`insert into public.webhooks (${keys.join(", ")}) values (${keys.map((_, i) => `$${i + 1}`).join(", ")}) returning id`, Object.values(all));
  t.after(() => env.db.query("delete from public.webhooks where id = $1", [id]));
  return id;
}

// One round with the bad endpoint in it: the healthy one is not delayed, the bad one's first attempt
// has this reason, and memory stays where it was.
async function endures(t, url, reason, { status = null, columns } = {}) {
  const id = await webhook(t, url, columns);
  const took = await round();
  assert.ok(took < 5 * usual + 1500 * patience, `${HEALTHY} deliveries took ${took} ms, without the bad one ${usual} ms`);
  const [first] = await eventually(async () => {
    const rows = await attempts(id);
    return rows.length > 0 && rows;
  }, "the bad one's first attempt", 20000);
  assert.equal(first.status_code, status);
  if (reason) assert.match(first.error, reason);
  assert.ok(peak() < memory + 40 * SPARE, `memory grew from ${memory} to ${peak()} MB`);
  return { id, first };
}

const head = (status, ...lines) => [`HTTP/1.1 ${status} X`, ...lines, "", ""].join("\r\n");
// Writes the same again and again until the other side has had enough; returns how much it took.
function flood(socket, chunk, limit = Infinity) {
  const more = () => {
    while (!socket.destroyed && socket.bytesWritten < limit) if (!socket.write(chunk)) return socket.once("drain", more);
    if (!socket.destroyed) socket.end();
  };
  more();
}

test("one that never answers", async (t) => {
  await endures(t, (await server(t, () => {})).url, /^waiting for the response: timed out after 2000 ms/);
});

test("one that never reads what it is sent", async (t) => {
  const raw = await server(t, (socket) => socket.pause(), { atOnce: true });
  const id = await webhook(t, raw.url);
  await env.db.query("insert into public.memories (user_id, title, content) values ($1, 't', repeat('x', 900000))", [owner.id]);
  const [{ error }] = await eventually(async () => (await attempts(id)).length > 0 && attempts(id), "an attempt", 20000);
  assert.match(error, /timed out after 2000 ms/);
});

test("one whose TLS handshake hangs", async (t) => {
  const raw = await server(t, () => {});
  await endures(t, raw.url.replace("http:", "https:"), /^TLS handshake: timed out after 2000 ms/);
});

test("one whose name server hangs", async (t) => {
  zone({ "slow.example": { ms: 8000, to: ["127.0.0.1"] } });
  await endures(t, "http://slow.example/", /^DNS lookup: timed out after 2000 ms/);
});

test("one that cannot be reached", async (t) => {
  await endures(t, "http://127.0.0.1:9/", /^connecting: /);
});

test("one that no longer takes connections", async (t) => {
  // a program that is stopped: the kernel takes a few connections for it, and drops what comes then
  const program = 'require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port) })';
  const stopped = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const port = Number(await new Promise((done) => stopped.stdout.once("data", done)));
  stopped.kill("SIGSTOP");
  const fill = Array.from({ length: 8 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  t.after(() => {
    for (const socket of fill) socket.destroy();
    stopped.kill("SIGKILL");
  });
  await sleep(200);
  await endures(t, `http://127.0.0.1:${port}/`, /^connecting: timed out after 2000 ms/);
});

test("one whose name is unknown", async (t) => {
  zone({ "gone.example": {} });
  await endures(t, "http://gone.example/", /^DNS lookup: .*resolve/);
});

test("one that trickles its answer", async (t) => {
  const raw = await server(t, (socket) => {
    socket.write(head(200, "content-length: 1000"));
    const timer = setInterval(() => socket.write("."), 100);
    socket.on("close", () => clearInterval(timer));
  });
  await endures(t, raw.url, /^reading the response: timed out after 2000 ms/, { status: 200 });
});

test("one that trickles its headers", async (t) => {
  const raw = await server(t, (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nx: ");
    const timer = setInterval(() => socket.write("."), 100);
    socket.on("close", () => clearInterval(timer));
  });
  await endures(t, raw.url, /^(waiting for|reading) the response: timed out after 2000 ms/, { status: 200 });
});

test("those that hang up: at once, before the answer, within it", async (t) => {
  await endures(t, (await server(t, (socket) => socket.resetAndDestroy(), { atOnce: true })).url, /response: |connecting: /);
  await endures(t, (await server(t, (socket) => socket.resetAndDestroy())).url, /^waiting for the response: /);
  const within = await server(t, (socket) => socket.write(head(200, "content-length: 1000") + "abc", () => setTimeout(() => socket.resetAndDestroy(), 50)));
  const { id } = await endures(t, within.url, /^reading the response: /, { status: 200 });
  assert.equal((await env.row("select status from public.webhook_deliveries where webhook_id = $1 order by id limit 1", [id])).status, "failed", "half an answer is none");
});

test("one that answers with a gigabyte", async (t) => {
  let sent = 0;
  const raw = await server(t, (socket) => {
    socket.on("close", () => (sent = Math.max(sent, socket.bytesWritten)));
    socket.write(head(200, "content-length: 1000000000"));
    flood(socket, Buffer.alloc(65536, "x"), 1e9);
  });
  const { first } = await endures(t, raw.url, null, { status: 200 });
  assert.equal(first.error, null, "the status counts");
  assert.equal(first.response_body.length, 20000, "what is kept of it");
  await eventually(() => sent > 0, "the end of the connection");
  assert.ok(sent < 50e6, `it took ${sent} bytes of the gigabyte`);
});

test("one that never stops sending headers, in many lines or in one", async (t) => {
  for (const [chunk, reason] of [
    ["x: y\r\n".repeat(1000), /^reading the response: more than 65536 bytes of headers/],
    ["x".repeat(6000), /^reading the response: a header too long to hold/],
  ]) {
    const raw = await server(t, (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nx: y");
      flood(socket, chunk, 1e9);
    });
    await endures(t, raw.url, reason, { status: 200 });
  }
});

// With libcurl before 8.1.1 a handle that is used again writes to memory that it has freed: curl/curl#11101.
test("one whose first header continues a line that is not there", async (t) => {
  let calls = 0;
  const raw = await server(t, (socket) => {
    const lines = calls++ % 2 ? [" folded: from nothing", "x: y"] : ["x: y"];
    socket.end(head(200, ...lines, "content-length: 0", "connection: close"));
  });
  const id = await webhook(t, raw.url, { max_concurrency: 1 });
  const { pid } = env.daemon;
  for (let n = 1; n <= 6; n++) {
    await remember();
    await eventually(async () => (await attempts(id)).length >= n, `attempt ${n}`, 20000);
  }
  assert.equal(env.daemon.pid, pid, "the daemon is still the same");
  await round();
});

test("one that says Continue for ever", async (t) => {
  const raw = await server(t, (socket) => flood(socket, head(100).repeat(100), 1e9));
  await endures(t, raw.url, /more than 65536 bytes of headers/, { status: 100 });
});

test("one that speaks another language", async (t) => {
  await endures(t, (await server(t, (socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n"))).url, /response: .*HTTP\/0\.9/);
  await endures(t, (await server(t, (socket) => socket.write("HTTP/1.1 abc\r\n\r\n"))).url, /response: /);
  await endures(t, (await server(t, (socket) => socket.end("HTTP/200 X\r\n\r\n"))).url, /^reading the response: it has no status/);
});

test("one that redirects to a private address, which is not asked", async (t) => {
  const inner = createServer((socket) => {
    inner.connections++;
    socket.destroy();
  });
  inner.connections = 0;
  await new Promise((done) => inner.listen(0, "127.0.0.9", done));
  t.after(() => inner.close());
  const location = `http://127.0.0.9:${inner.address().port}/`;
  for (const status of [301, 302, 303, 307, 308]) {
    const raw = await server(t, (socket) => socket.end(head(status, `location: ${location}`, "content-length: 0")));
    await endures(t, raw.url, new RegExp(`^HTTP ${status}: redirects are not followed`), { status });
  }
  await endures(t, location, /^connecting: refused, the host's address is not public \(127\.0\.0\.0\/8, loopback\)/);
  assert.equal(inner.connections, 0);
});

test("one whose name changes to a private address between two attempts", async (t) => {
  const answers = [];
  const listen = (address, port) =>
    new Promise((done) => {
      const one = createServer((socket) => {
        answers.push(address);
        socket.on("error", () => {});
        socket.once("data", () => socket.end(head(503, "retry-after: 1", "content-length: 0", "connection: close")));
      });
      one.listen(port, address, () => done(one));
      t.after(() => one.close());
    });
  const open = await listen("127.0.0.2", 0);
  const { port } = open.address();
  await listen("127.0.0.9", port);
  zone({ "moving.example": { to: ["127.0.0.2"] } });
  const id = await webhook(t, `http://moving.example:${port}/`, { max_retries: 1 });
  await remember();
  await eventually(async () => (await attempts(id)).length === 1, "the first attempt");
  assert.deepEqual(answers, ["127.0.0.2"]);
  zone({ "moving.example": { to: ["127.0.0.9"] } });
  const [first, second] = await eventually(async () => (await attempts(id)).length === 2 && attempts(id), "the second attempt", 20000);
  assert.equal(first.status_code, 503);
  assert.match(second.error, /^connecting: refused, the host's address is not public/);
  assert.deepEqual(answers, ["127.0.0.2"], "nobody was asked at the other address");
});

test("of several addresses only those that may be called are", async (t) => {
  const private_ = createServer((socket) => socket.end(head(200, "content-length: 0")));
  await new Promise((done) => private_.listen(0, "127.0.0.9", done));
  t.after(() => private_.close());
  const { port } = private_.address();
  let asked = 0;
  private_.on("connection", () => asked++);
  const open = createServer((socket) => socket.once("data", () => socket.end(head(200, "content-length: 0"))));
  await new Promise((done) => open.listen(port, "127.0.0.2", done));
  t.after(() => open.close());
  zone({ "both.example": { to: ["127.0.0.9", "127.0.0.2"] } });
  await endures(t, `http://both.example:${port}/`, null, { status: 200 });
  assert.equal(asked, 0);
});

test("one that fails for a while is tried again, and the others wait for nothing", async (t) => {
  let failing = 3;
  const raw = await server(t, (socket) => {
    const status = failing-- > 0 ? 500 : 200;
    socket.end(head(status, "content-length: 0", "connection: close"));
  });
  const { id } = await endures(t, raw.url, /^HTTP 500/, { status: 500, columns: { max_retries: 9 } });
  await eventually(async () => (await attempts(id)).some(({ status_code }) => status_code === 200), "a success", 20000);
});

test("one that asks for patience gets it", async (t) => {
  const at = [];
  const raw = await server(t, (socket) => {
    at.push(Date.now());
    if (at.length === 1) socket.end(head(429, "retry-after: 3", "content-length: 0", "connection: close"));
    else socket.end(head(200, "content-length: 0", "connection: close"));
  });
  const id = await webhook(t, raw.url, { max_retries: 9 });
  await remember();
  await eventually(() => at.length === 1, "the first attempt");
  const took = await round();
  assert.ok(took < 5 * usual + 1500 * patience, `${took} ms`);
  await eventually(() => at.length > 1, "the next attempt", 20000);
  assert.ok(at[1] - at[0] > 2800, `${at[1] - at[0]} ms later`);
  await eventually(async () => (await env.row("select count(*)::int as n from public.webhook_deliveries where webhook_id = $1 and status <> 'delivered'", [id])).n === 0, "all delivered", 60000);
});

// How many seconds after its attempt the next one is due.
const wait = async (id) => {
  const row = await env.row(
    `select extract(epoch from d.next_attempt_at - a.attempted_at)::float as s, d.attempts from public.webhook_deliveries d
     join public.webhook_attempts a on a.delivery_id = d.id and a.attempt = d.attempts where d.webhook_id = $1 order by d.id desc limit 1`, [id]);
  return row?.s;
};

test("one that names a date, a time without end, or nonsense, and what it said is not kept for the next", async (t) => {
  let headers;
  const raw = await server(t, (socket) => {
    const answer = () => socket.write(head(503, ...headers(), "content-length: 0"));
    socket.on("data", answer);
    answer();
  });
  for (const [says, lines, from, to] of [
    ["a date", () => [`retry-after: ${new Date(Date.now() + 600_000).toUTCString()}`], 590, 730],
    ["none: the schedule", () => [], 3, 7],
    ["a date that is past", () => ["retry-after: Fri, 31 Dec 1999 23:59:59 GMT"], 3, 7],
    ["a week", () => ["retry-after: 604800"], 86390, 86410],
    ["more seconds than a number holds", () => ["retry-after: 99999999999999999999"], 3, 7],
    ["a date beyond any bound", () => ["retry-after: Fri, 31 Dec 9999 23:59:59 GMT"], 86390, 86410],
    ["less than nothing", () => ["retry-after: -5"], 3, 7],
    ["nonsense", () => ["retry-after: soon"], 3, 7],
  ]) {
    headers = lines;
    // a webhook each, since it is left alone for a while; the connection to the same address is used again
    const id = await webhook(t, raw.url, { max_retries: 9, retry_schedule: "{5}" });
    await env.caughtUp();
    await remember();
    const s = await eventually(() => wait(id), says);
    assert.ok(s >= from && s <= to, `${says}: tried again after ${s} s`);
    await env.db.query("delete from public.webhooks where id = $1", [id]);
  }
});

test("one that is gone is not asked again", async (t) => {
  const raw = await server(t, (socket) => socket.end(head(410, "content-length: 0", "connection: close")));
  const { id } = await endures(t, raw.url, /^HTTP 410/, { status: 410, columns: { max_retries: 9 } });
  await eventually(async () => !(await env.row("select is_active from public.webhooks where id = $1", [id])).is_active, "the endpoint disabled");
  await env.caughtUp();
  const before = raw.connections;
  await round();
  assert.equal(raw.connections, before);
});

test("all at once: the healthy endpoint goes on, and memory stays where it was", async (t) => {
  zone({ "slow.example": { ms: 8000, to: ["127.0.0.1"] } });
  const bad = [
    await server(t, () => {}),
    await server(t, (socket) => socket.resetAndDestroy(), { atOnce: true }),
    await server(t, (socket) => flood(socket, Buffer.concat([Buffer.from(head(200)), Buffer.alloc(65536, "x")]), 1e9)),
    await server(t, (socket) => flood(socket, "HTTP/1.1 200 OK\r\n" + "x: y\r\n".repeat(1000), 1e9)),
    await server(t, (socket) => socket.end(head(500, "content-length: 0"))),
  ];
  for (const { url } of bad) for (let i = 0; i < 4; i++) await webhook(t, url, { max_retries: 1 });
  for (let i = 0; i < 4; i++) await webhook(t, "http://slow.example/");
  for (let i = 0; i < 3; i++) {
    const took = await round();
    assert.ok(took < 8 * usual + 3000 * patience, `round ${i}: ${took} ms, usually ${usual} ms`);
  }
  assert.ok(peak() < memory + 60 * SPARE, `memory grew from ${memory} to ${peak()} MB`);
});

test("many that are slow, though they answer well: the healthy endpoint goes on", async (t) => {
  const slow = await server(t, (socket) => {
    const answer = () => setTimeout(() => socket.writable && socket.write(head(200, "content-length: 0")), 1500);
    socket.on("data", answer);
    answer();
  });
  for (let i = 0; i < 10; i++) await webhook(t, slow.url, { name: `slow ${i}`, max_retries: 1 });
  await env.caughtUp();
  for (let i = 0; i < 4; i++) {
    const took = await round();
    assert.ok(took < 5 * usual + 1500 * patience, `round ${i}: ${took} ms, usually ${usual} ms`);
    // they are given more as they answer
    await sleep(3000);
  }
});

test("the proxies of the environment were never asked", () => {
  assert.equal(trap.connections, 0);
});
