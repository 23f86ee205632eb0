// Webhooks over TLS: who is trusted, client certificates, HTTP/2 and connections that are used again.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { Authority } from "./certificates.mjs";
import { Env, eventually, sleep, spareMemory } from "./harness.mjs";

let env, owner, authority, good, client;

before(async () => {
  authority = new Authority();
  good = authority.issue("good", "IP:127.0.0.1,DNS:localhost");
  client = authority.issue("pgherald-client", "DNS:pgherald");
  env = await Env.start({
    config: { webhook_ca_file: authority.file, webhook_client_cert_file: client.certFile, webhook_client_key_file: client.keyFile, webhook_endpoint_concurrency: "8" },
  });
  owner = await env.user();
});
after(() => env?.stop());

// Counts connections, requests, and how many of them there were at once.
async function receiver(t, server, scheme = "https") {
  const count = { connections: 0, requests: 0, now: 0, most: 0, peers: new Set(), protocols: new Set() };
  server.on(scheme === "https" ? "secureConnection" : "connection", (socket) => {
    count.connections++;
    count.peers.add(socket.getPeerCertificate?.()?.subject?.CN);
  });
  server.on("request", async (request, response) => {
    count.most = Math.max(count.most, ++count.now);
    count.protocols.add(request.httpVersion);
    for await (const chunk of request) void chunk;
    await sleep(20);
    count.now--;
    count.requests++;
    response.writeHead(204).end();
  });
  server.on("clientError", () => {});
  server.on("tlsClientError", () => {});
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const hook = await env.row("insert into public.webhooks (name, url, events, max_retries) values ($1, $2, '{memories.insert}', 0) returning id", [
    t.name.slice(0, 60),
    `${scheme}://127.0.0.1:${server.address().port}/`,
  ]);
  t.after(async () => {
    await env.db.query("delete from public.webhooks where id = $1", [hook.id]);
    await env.caughtUp();
    server.closeAllConnections?.();
    server.close();
  });
  return { count, id: hook.id };
}

const remember = (n) => env.db.query("insert into public.memories (user_id, title, content) select $1, 't', 'c' from generate_series(1, $2)", [owner.id, n]);
const delivered = (hook, n) =>
  eventually(async () => (await env.row("select count(*)::int as n from public.webhook_deliveries where webhook_id = $1 and status = 'delivered'", [hook.id])).n === n, `${n} deliveries`, 30000);
async function refusal(hook) {
  await remember(1);
  return eventually(async () => (await env.row("select last_error from public.webhook_deliveries where webhook_id = $1 and status = 'failed'", [hook.id]))?.last_error, "a failure", 20000);
}

test("with HTTP/2 many requests at once share one connection", async (t) => {
  const hook = await receiver(t, http2.createSecureServer({ ...good }));
  await remember(200);
  await delivered(hook, 200);
  assert.equal(hook.count.requests, 200);
  assert.deepEqual([...hook.count.protocols], ["2.0"]);
  assert.ok(hook.count.most > 1, `at most ${hook.count.most} at once`);
  assert.equal(hook.count.connections, 1);
});

test("with HTTP/2 an answer of a gigabyte ends its own stream, and takes no memory", async (t) => {
  const server = http2.createSecureServer({ ...good });
  const chunk = Buffer.alloc(65536, "x");
  const count = { connections: 0, streams: 0, now: 0, most: 0 };
  server.on("session", () => count.connections++);
  server.on("stream", async (stream) => {
    stream.on("error", () => {});
    stream.resume();
    count.most = Math.max(count.most, ++count.now);
    await sleep(50);
    count.now--;
    stream.respond({ ":status": 200 });
    if (count.streams++ % 2) return stream.end("every other one answers well");
    const more = () => {
      while (!stream.destroyed) if (!stream.write(chunk)) return stream.once("drain", more);
    };
    more();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { id } = await env.row("insert into public.webhooks (name, url, events, max_retries) values ('flood', $1, '{memories.insert}', 0) returning id", [`https://127.0.0.1:${server.address().port}/`]);
  t.after(async () => {
    await env.db.query("delete from public.webhooks where id = $1", [id]);
    await env.caughtUp();
    server.close();
  });
  const memory = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${env.daemon.pid}/status`, "utf8"))[1]) / 1024;
  const before = memory();
  await remember(60);
  await delivered({ id }, 60);
  assert.ok(count.most > 1, `at most ${count.most} at once`);
  assert.equal(count.connections, 1);
  assert.ok(memory() < before + 60 * spareMemory(), `memory grew from ${before} to ${memory()} MB`);
});

test("without it connections are used again, over TLS and without", async (t) => {
  const hooks = [await receiver(t, https.createServer({ ...good })), await receiver(t, http.createServer(), "http")];
  await remember(200);
  for (const hook of hooks) {
    await delivered(hook, 200);
    assert.deepEqual([...hook.count.protocols], ["1.1"]);
    assert.ok(hook.count.connections <= 8, `${hook.count.connections} connections for 200 requests, 8 at once`);
    assert.ok(hook.count.most > 1, `at most ${hook.count.most} at once`);
  }
});

test("a receiver that asks for a certificate gets ours", async (t) => {
  const hook = await receiver(t, https.createServer({ ...good, ca: [readFileSync(authority.file)], requestCert: true, rejectUnauthorized: true }));
  await remember(1);
  await delivered(hook, 1);
  assert.deepEqual([...hook.count.peers], ["pgherald-client"]);
});

for (const [says, issue, reason] of [
  ["an expired certificate", () => authority.issue("expired", "IP:127.0.0.1", -1), /^TLS handshake: .*expired/],
  ["a certificate of another host", () => authority.issue("wrong", "DNS:other.example"), /^TLS handshake: .*(no alternative certificate|subject name)/],
  ["a certificate of an unknown authority", () => new Authority("unknown").issue("stranger", "IP:127.0.0.1"), /^TLS handshake: .*(self-signed|unable to get|issuer)/],
]) {
  test(`${says} is refused before a byte is sent`, async (t) => {
    const hook = await receiver(t, https.createServer({ ...issue() }));
    assert.match(await refusal(hook), reason);
    assert.equal(hook.count.requests, 0);
  });
}

test("an old protocol is refused", async (t) => {
  const hook = await receiver(t, https.createServer({ ...good, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }));
  assert.match(await refusal(hook), /^TLS handshake: /);
});

test("a client certificate that cannot be read, or without its key, keeps the daemon from starting", async () => {
  for (const [config, reason] of [
    [{ webhook_client_cert_file: client.certFile, webhook_client_key_file: "/nonexistent/key" }, /webhook_client_key_file \/nonexistent\/key cannot be read/],
    [{ webhook_client_cert_file: client.certFile, webhook_client_key_file: "" }, /set together or not at all/],
    [{ webhook_allow: "10.0.0.0/40" }, /webhook_allow: 10\.0\.0\.0\/40 is no network/],
  ]) {
    const other = await Env.start({ cluster: env.cluster, config, daemon: false, init: false });
    try {
      await other.run([], { ready: false });
      assert.notEqual((await other.exited).code, 0);
      assert.match(other.logText(), reason);
    } finally {
      await other.stop();
    }
  }
});
