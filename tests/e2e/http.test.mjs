// Plain HTTP: what a hostile or a hasty client may send, and that the daemon lives on.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { connect } from "node:net";
import { Env, eventually, sleep } from "./harness.mjs";

let env;

before(async () => {
  env = await Env.start({ seed: false });
});
after(() => env?.stop());

// Sends the pieces one after the other and gives all that came until the server closed the
// connection, or for `ms`.
function talk(pieces, { ms = 1000, admin = false } = {}) {
  return new Promise((done, fail) => {
    const socket = connect(admin ? env.adminPort : env.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => (text += chunk));
    socket.once("error", fail);
    socket.once("close", () => done({ text, closed: true }));
    socket.once("connect", async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece);
        await sleep(50);
      }
      setTimeout(() => {
        socket.removeAllListeners("close");
        socket.destroy();
        done({ text, closed: false });
      }, ms);
    });
  });
}

const head = (method, path, ...headers) => [`${method} ${path} HTTP/1.1`, "Host: x", ...headers, "", ""].join("\r\n");
const statuses = (text) => [...text.matchAll(/^HTTP\/1\.[01] (\d+)/gm)].map(([, status]) => Number(status));

async function isAlive() {
  const answer = await fetch(env.url("/"), { signal: AbortSignal.timeout(3000) });
  assert.equal(answer.status, 200);
  await answer.text();
}

for (const [what, request, status] of [
  ["a path that there is not", head("GET", "/nope"), 404],
  ["another method", head("DELETE", "/"), 405],
  ["a tunnel", head("CONNECT", "/"), undefined],
  ["a method that nobody knows", head("BREW", "/"), 403],
  ["a body where none belongs", head("GET", "/", "Content-Length: 5") + "12345", 413],
  ["a length that is no number", head("GET", "/", "Content-Length: -5"), 400],
  ["a length beyond all numbers", head("GET", "/", "Content-Length: 99999999999999999999999"), 400],
  ["a body in chunks", head("GET", "/", "Transfer-Encoding: chunked") + "0\r\n\r\n", 411],
  ["a POST without a length", head("POST", "/"), 405],
  ["an upgrade to what nobody knows", head("GET", "/realtime/v1/websocket", "Upgrade: teapot", "Connection: Upgrade"), 403],
  ["a handshake without a token", head("GET", "/realtime/v1/websocket?vsn=2.0.0", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"), 401],
]) {
  test(`${what}: ${status ?? "the connection is closed"}`, async () => {
    const { text, closed } = await talk([request]);
    assert.deepEqual(statuses(text), status ? [status] : []);
    assert.equal(closed, status !== 404, "whether the connection is of further use");
    await isAlive();
  });
}

test("the path of the WebSocket without an upgrade: what a proxy has to do is said", async () => {
  for (const path of ["/realtime/v1/websocket?vsn=2.0.0&apikey=x", "/socket/websocket"]) {
    const answer = await fetch(env.url(path));
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /proxy .* Upgrade and Connection/);
  }
});

test("a method that is not allowed is told which are", async () => {
  const { headers } = await fetch(env.url("/"), { method: "POST", body: "x" });
  assert.equal(headers.get("allow"), "GET, HEAD");
});

test("a preflight is answered only where pages may ask", async () => {
  assert.equal((await fetch(env.url("/"), { method: "OPTIONS" })).status, 405);
});

test("one request after the other on one connection", async () => {
  const { text, closed } = await talk([head("GET", "/nope"), head("HEAD", "/"), head("GET", "/nope")]);
  assert.deepEqual(statuses(text), [404, 200, 404]);
  assert.equal(closed, false);
});

// libwebsockets makes an endless loop of the first of these, and so of the whole program.
for (const [what, ...pieces] of [
  ["a POST behind a GET", head("GET", "/nope") + head("POST", "/", "Content-Length: 3") + "abc"],
  ["a POST behind a POST", head("POST", "/", "Content-Length: 3") + "abc" + head("POST", "/", "Content-Length: 3") + "abc"],
  ["a POST behind a body that comes later", head("POST", "/", "Content-Length: 3"), "abc" + head("POST", "/", "Content-Length: 3") + "abc"],
  ["a POST behind a refused handshake", head("GET", "/realtime/v1/websocket", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13") + head("POST", "/", "Content-Length: 3") + "abc"],
  ["an upgrade to what nobody knows", head("GET", "/realtime/v1/websocket", "Upgrade: teapot", "Connection: Upgrade")],
  ["a POST behind a HEAD", head("HEAD", "/") + head("POST", "/", "Content-Length: 3") + "abc"],
  ["more body than announced", head("POST", "/", "Content-Length: 3") + "abcdef\r\n\r\n" + head("POST", "/", "Content-Length: 3") + "abc"],
]) {
  for (const admin of [false, true]) {
    test(`${what}${admin ? ", at the admin's door" : ""}: one answer, and the daemon lives on`, async () => {
      const { text, closed } = await talk(pieces, { admin }).catch(() => ({ text: "\nHTTP/1.1 000", closed: true })); // reset
      assert.equal(statuses(text).length, 1);
      assert.equal(closed, true);
      await isAlive();
    });
  }
}

test("a body that never comes is not waited for without end", async () => {
  const { text, closed } = await talk([head("GET", "/", "Content-Length: 1000") + "abc"]);
  assert.deepEqual(statuses(text), [413]);
  assert.equal(closed, true);
});

test("whoever asks with many requests half sent does not keep the others out", async (t) => {
  const sockets = Array.from({ length: 50 }, () => connect(env.port, "127.0.0.1"));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  for (const socket of sockets) {
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
  }
  await isAlive();
  await eventually(() => sockets.every((socket) => socket.destroyed || socket.readyState !== "open"), "their end", 20000);
});
