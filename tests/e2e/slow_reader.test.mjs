// A client that reads in fits and starts: what its socket could not take at once comes later, whole
// and in order, and nothing else gets in between.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Env, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";

const ROWS = 60;
const BYTES = 100_000; // a row; all of them are more than a socket holds, and less than its buffer

test("frames that a socket took in parts are whole, in order, and never mixed with pongs", async (t) => {
  const env = await Env.start();
  t.after(() => env.stop());
  const ann = await env.user("ann");
  const client = await Phoenix.connect(env, ann.token);
  t.after(() => client.close());
  const problems = [];
  client.socket.on("error", (error) => problems.push(error.message));
  let pongs = 0;
  client.socket.on("pong", () => pongs++);
  await client.join("realtime:room", [{ event: "INSERT", schema: "public", table: "memories" }]);

  client.socket.pause();
  for (let i = 0; i < ROWS; i++) {
    await env.db.query("insert into public.memories (user_id, title, content) values ($1, $2, repeat($3, $4))", [ann.id, String(i), "abcdefghij"[i % 10], BYTES]);
    client.socket.ping();
  }
  await env.caughtUp();
  await sleep(300);
  for (let turn = 0; turn < 20; turn++) {
    client.socket.resume();
    await sleep(3);
    client.socket.pause();
    client.socket.ping();
    await sleep(3);
  }
  client.socket.resume();

  for (let i = 0; i < ROWS; i++) {
    const { record } = (await client.change(15_000)).payload.data;
    assert.equal(record.title, String(i));
    assert.equal(record.content, "abcdefghij"[i % 10].repeat(BYTES));
  }
  assert.deepEqual(problems, []);
  assert.ok(pongs > 0, "pings are answered");
});
