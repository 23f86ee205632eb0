// SUBSCRIBED is a promise: every change committed after it arrives.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { Env, eventually, jwt, sleep, plugin } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { subscribed, supabase } from "./clients.mjs";

let env, token;

before(async () => {
  env = await Env.start({ seed: false });
  token = jwt(env.secret, { role: "authenticated" });
  await env.db.query("create table public.numbers (n bigint primary key); grant select on public.numbers to authenticated");
});
after(() => env?.stop());

async function connect(t) {
  const phoenix = await Phoenix.connect(env, token);
  t.after(() => phoenix.close());
  return phoenix;
}

// Connections that write numbers at full speed. now() is a number such that all above it are written later.
async function writers(t, count) {
  let n = Number((await env.row("select coalesce(max(n), 0) as n from public.numbers")).n);
  let writing = true;
  const clients = await Promise.all(Array.from({ length: count }, () => env.connect()));
  const done = Promise.all(
    clients.map(async (client) => {
      while (writing) await client.query("insert into public.numbers values ($1)", [++n]);
    }),
  );
  t.after(async () => {
    writing = false;
    await done;
    await Promise.all(clients.map((client) => client.end()));
  });
  return { now: () => n };
}

const config = (topic) => [`realtime:${topic}`, "phx_join", { config: { presence: { enabled: false }, postgres_changes: [{ event: "INSERT", schema: "public", table: "numbers" }] } }];

test("under load: of rows committed after the join's reply none is missing, over and over", async (t) => {
  const load = await writers(t, 4);
  const client = await connect(t);
  let seen, replied;
  client.socket.on("message", (data) => {
    const [, ref, , event, payload] = JSON.parse(data);
    if (event === "postgres_changes") seen.add(Number(payload.data.record.n));
    if (event === "phx_reply" && ref === replied.ref) replied.at = load.now(); // the very moment
  });
  for (let round = 0; round < 60; round++) {
    seen = new Set();
    replied = { ref: client.push(...config(`round ${round}`)) };
    await eventually(() => replied.at !== undefined, "the reply");
    await sleep(20 + (round % 5) * 20);
    const upTo = load.now() - 4; // these are committed
    await eventually(() => seen.has(upTo) || upTo <= replied.at, "the newest row");
    const missing = [];
    for (let n = replied.at + 1; n <= upTo; n++) if (!seen.has(n)) missing.push(n);
    // what four writers had under way may come in any order
    await eventually(() => missing.every((n) => seen.has(n)), `rows ${missing.slice(0, 10)} of round ${round}, subscribed at ${replied.at}`, 5000);
    // nobody follows anything for a moment: rows are not even built
    await client.reply(client.push(`realtime:round ${round}`, "phx_leave", {}));
    client.frames.length = 0;
    if (round % 3 === 0) await sleep(5);
  }
});

test("under load: supabase-js, many channels at once", async (t) => {
  const load = await writers(t, 2);
  const client = supabase(env, token);
  t.after(() => client.removeAllChannels());
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      await sleep(i * 13);
      const seen = new Set();
      const channel = client.channel(`many ${i}`).on("postgres_changes", { event: "*", schema: "public", table: "numbers" }, ({ new: row }) => seen.add(Number(row.n)));
      await subscribed(channel);
      const from = load.now() + 1;
      await sleep(300);
      const upTo = load.now() - 2;
      for (let n = from; n <= upTo; n++) await eventually(() => seen.has(n), `row ${n} in channel ${i}`, 5000);
    }),
  );
});

test("while no changes are received nobody is told that he is subscribed", async (t) => {
  await env.db.query("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", [env.name]);
  const other = spawn("/usr/lib/postgresql/15/bin/pg_recvlogical", ["-d", env.cluster.url(env.name), "-S", env.name, "--start", "-f", "/dev/null", ...(plugin === "pgoutput" ? ["-o", "proto_version=1", "-o", "publication_names=pgherald"] : ["-o", "format-version=2"])], { stdio: "ignore" });
  t.after(() => other.kill());
  await eventually(async () => (await env.row("select application_name from pg_stat_replication join pg_replication_slots on active_pid = pid where slot_name = $1", [env.name]))?.application_name === "pg_recvlogical", "another reader");
  await eventually(async () => (await env.stats()).stream_up === 0, "the stream to be down");
  const client = await connect(t);
  const first = client.push(...config("down"));
  const { payload } = await client.frame(({ event, ref }) => event === "phx_reply" && ref === first, "an answer in time", 9500);
  assert.equal(payload.status, "error");
  assert.match(payload.response.reason, /^InitializingProjectConnection: Changes of the database are not received/);
  other.kill("SIGKILL");
  await eventually(async () => (await env.stats()).stream_up === 1, "the stream to be up again", 20000);
  assert.equal((await client.reply(client.push(...config("up")))).payload.status, "ok");
  await env.db.query("insert into public.numbers values (-1)");
  await eventually(() => client.frames.some(({ event, payload: change }) => event === "postgres_changes" && Number(change.data.record.n) === -1), "the row");
});

test("a join waits for a stream that is only interrupted", async (t) => {
  const client = await connect(t);
  for (let round = 1; round <= 3; round++) {
    await env.db.query("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", [env.name]);
    await eventually(async () => (await env.stats()).stream_up === 0, "the stream to be down");
    // as a client does it, which tries again; a machine under load may take longer than one join waits
    const joined = async () => {
      const ref = client.push(...config(`interrupted ${round}`));
      const { payload } = await client.frame((frame) => frame.event === "phx_reply" && frame.ref === ref, "the reply", 9500);
      if (payload.status !== "ok") assert.match(payload.response.reason, /^InitializingProjectConnection: /);
      return payload.status === "ok";
    };
    await eventually(joined, "the join", 30000);
    await env.db.query("insert into public.numbers values ($1)", [-1 - round]);
    await eventually(() => client.frames.some(({ event, payload: change }) => event === "postgres_changes" && Number(change.data.record.n) === -1 - round), "the row");
  }
});

test("after a slot was made anew clients start over: nobody knows what they missed", async (t) => {
  const client = await connect(t);
  assert.equal((await client.reply(client.push(...config("anew")))).payload.status, "ok");
  await eventually(async () => {
    await env.db.query("select pg_terminate_backend(active_pid), pg_sleep(0.05) from pg_replication_slots where slot_name = $1", [env.name]);
    await env.db.query("select pg_drop_replication_slot($1)", [env.name]);
    return true;
  }, "the slot to be dropped");
  await env.db.query("insert into public.numbers values (-100)");
  await env.init();
  await client.frame(({ event, topic }) => event === "phx_error" && topic === "realtime:anew", "phx_error", 15000);
  assert.equal((await client.reply(client.push(...config("anew")))).payload.status, "ok");
});
