// The listener itself: TLS, renewed certificates, foreign origins, connections that dawdle.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as tcpConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import { Env, eventually, jwt, patience, sleep } from "./harness.mjs";

const path = "/realtime/v1/websocket?vsn=2.0.0&apikey=";

function makeCertificate(folder, name, days = 30) {
  const files = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", String(days), "-subj", `/CN=${name}`,
    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", files.key, "-out", files.cert], { stdio: "ignore" });
  return files;
}

async function withTls(t) {
  const folder = mkdtempSync(join(tmpdir(), "pgherald-tls-"));
  const first = makeCertificate(folder, "first");
  const used = { cert: join(folder, "used.crt"), key: join(folder, "used.key") };
  copyFileSync(first.cert, used.cert);
  copyFileSync(first.key, used.key);
  const env = await Env.start({ config: { tls_cert_file: used.cert, tls_key_file: used.key } });
  t.after(async () => {
    await env.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { env, folder, first, used };
}

// The subject of the certificate that the listener shows.
const shown = (env) =>
  new Promise((done, fail) => {
    const socket = tlsConnect({ host: "127.0.0.1", port: env.port, rejectUnauthorized: false }, () => {
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      done(CN);
    });
    socket.once("error", fail);
  });

test("wss: supabase-js gets its rows, in bursts and large ones too", async (t) => {
  const { env, first } = await withTls(t);
  const ca = readFileSync(first.cert);
  class Trusting extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { ca });
    }
  }
  const ann = await env.user("ann");
  const client = createClient(`https://127.0.0.1:${env.port}`, ann.token, { realtime: { transport: Trusting } });
  t.after(() => client.realtime.disconnect());
  const titles = [];
  await new Promise((done, fail) => {
    client
      .channel("room")
      .on("postgres_changes", { event: "INSERT", schema: "public", table: "memories" }, ({ new: row }) => titles.push(`${row.title}:${row.content.length}`))
      .on("system", {}, ({ status, message }) => (status === "ok" ? done() : fail(new Error(message))))
      .subscribe();
  });
  const sizes = [1, 100, 70_000, 10, 300_000, 5];
  for (const [i, size] of sizes.entries()) {
    await env.db.query("insert into public.memories (user_id, title, content) select $1, $2, repeat('x', $3) from generate_series(1, 20)", [ann.id, String(i), size]);
  }
  await eventually(() => titles.length === 20 * sizes.length, "all rows", 30_000);
  assert.deepEqual(titles, sizes.flatMap((size, i) => Array(20).fill(`${i}:${size}`)));
});

test("old versions of TLS and plain HTTP are refused, and harm nobody", async (t) => {
  const { env } = await withTls(t);
  await assert.rejects(new Promise((done, fail) => {
    const socket = tlsConnect({ host: "127.0.0.1", port: env.port, rejectUnauthorized: false, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" }, done);
    socket.once("error", fail);
  }));
  await fetch(env.url("/")).then((answer) => assert.notEqual(answer.status, 200), () => {});
  assert.equal(await shown(env), "first");
});

test("a renewed certificate is taken at once; a broken one is not, and live connections go on", async (t) => {
  const { env, folder, first, used } = await withTls(t);
  const ann = await env.user("ann");
  const socket = new WebSocket(`wss://127.0.0.1:${env.port}${path}${ann.token}`, { ca: readFileSync(first.cert) });
  let closed = false;
  socket.once("close", () => (closed = true));
  await new Promise((done, fail) => socket.once("open", done).once("error", fail));

  writeFileSync(used.cert, readFileSync(first.cert, "utf8").slice(0, 200));
  await eventually(() => /a changed TLS certificate is not taken/.test(env.logText()), "the complaint");
  assert.equal(await shown(env), "first");

  const second = makeCertificate(folder, "second");
  copyFileSync(second.key, used.key);
  copyFileSync(second.cert, used.cert);
  await eventually(async () => (await shown(env)) === "second", "the new certificate");
  assert.ok((await env.stats()).certificate_expires > Date.now() / 1000);
  assert.equal(closed, false);
  socket.terminate();
});

test("doctor and run say what is wrong with certificate files", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pgherald-tls-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const one = makeCertificate(folder, "one");
  const other = makeCertificate(folder, "other", 3);
  const env = await Env.start({ daemon: false });
  t.after(() => env.stop());
  const doctor = async (cert, key) => {
    env.settings.tls_cert_file = cert;
    env.settings.tls_key_file = key;
    return (await env.command("doctor")).stdout;
  };
  assert.match(await doctor(one.cert, one.key), /ok +tls_cert_file +good for (29|30) more days/);
  assert.match(await doctor(other.cert, other.key), /warn +tls_cert_file +ends in [23] days/);
  assert.match(await doctor(one.cert, other.key), /FAIL +tls_cert_file .*other\.key: no private key in PEM form that fits the certificate/);
  const { code, stderr } = await env.command("run");
  assert.notEqual(code, 0);
  assert.match(stderr, /TLS on listen.*other\.key/);
  env.settings.tls_key_file = "";
  const half = await env.command("run");
  assert.equal(half.code, 78);
  assert.match(half.stderr, /set together or not at all/);
});

test("pages of other origins are refused, programs without an origin are not", async (t) => {
  const env = await Env.start({ config: { allowed_origins: "https://app.example.com,https://*.example.org" } });
  t.after(() => env.stop());
  const token = jwt(env.secret, { role: "anon" });
  const tryWith = (origin) =>
    new Promise((done) => {
      const socket = new WebSocket(`ws://127.0.0.1:${env.port}${path}${token}`, origin === undefined ? {} : { origin });
      socket.once("open", () => {
        socket.terminate();
        done(101);
      });
      socket.once("unexpected-response", (request, response) => {
        response.resume();
        done(response.statusCode);
      });
      socket.once("error", () => {});
    });
  for (const [origin, status] of [
    [undefined, 101],
    ["https://app.example.com", 101],
    ["https://a.example.org", 101],
    ["https://app.example.com.evil.com", 403],
    ["http://app.example.com", 403],
    ["null", 403],
    [`https://${"a".repeat(1000)}.example.org`, 403],
  ]) {
    assert.equal(await tryWith(origin), status, String(origin));
  }
  assert.equal(Number((await env.stats()).clients_foreign_total), 4);
});

test("connections that send their request by the byte keep nobody out, and are closed", async (t) => {
  const env = await Env.start();
  t.after(() => env.stop());
  const ann = await env.user("ann");
  const slow = Array.from({ length: 600 }, () => {
    const socket = tcpConnect(env.port, "127.0.0.1");
    socket.gone = false;
    socket.on("error", () => {}).on("close", () => (socket.gone = true));
    socket.write("GET /realtime/v1/websocket HTTP/1.1\r\nX: ");
    return socket;
  });
  const drip = setInterval(() => slow.forEach((socket) => socket.writable && socket.write("x")), 500);
  t.after(() => {
    clearInterval(drip);
    slow.forEach((socket) => socket.destroy());
  });
  await sleep(500);
  const from = performance.now();
  const socket = new WebSocket(`ws://127.0.0.1:${env.port}${path}${ann.token}`);
  await new Promise((done, fail) => socket.once("open", done).once("error", fail));
  assert.ok(performance.now() - from < 3000 * patience, "a healthy client does not wait for them");
  socket.terminate();
  await eventually(() => slow.every(({ gone }) => gone), "the slow ones to be closed", 40_000);
});
