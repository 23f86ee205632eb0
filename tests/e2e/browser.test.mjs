// supabase-js as a page has it, in a real browser, from an origin that is not ours: of today and of a year
// ago, through rows and their security, broadcast, presence, private channels, SQL, REST, tokens and restarts.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { Env, eventually, jwt } from "./harness.mjs";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const bundles = { today: "@supabase/supabase-js", "a year ago": "supabase-js-of-2025" };

const [ANN, BOB] = ["aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"];
let env, browser, token, site;

before(async () => {
  env = await Env.start({ seed: false, config: { realtime_idle_timeout: "6s" }, before: (fresh) => fresh.db.query("create table public.notes (id int primary key, title text)") });
  await env.db.query(`grant select on public.notes to authenticated;
    create table public.own (id int primary key, user_id uuid, status text, body text, secret text);
    alter table public.own enable row level security, replica identity full;
    create policy own on public.own using (user_id = auth.uid());
    grant select (id, user_id, status, body) on public.own to authenticated;
    create function public.tell() returns trigger language plpgsql as $$
      begin perform realtime.broadcast_changes('room of ' || new.user_id, tg_op, tg_op, tg_table_name, tg_table_schema, new, old); return null; end $$;
    create trigger tell after insert on public.own for each row execute function public.tell();
    create policy read on realtime.messages for select to authenticated using (realtime.topic() = 'room of ' || auth.uid());
    create policy write on realtime.messages for insert to authenticated with check (realtime.topic() = 'room of ' || auth.uid())`);
  token = jwt(env.secret, { role: "authenticated", sub: "00000000-0000-0000-0000-000000000001" });
  browser = await chromium.launch({ executablePath, args });
  site = createServer((request, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"));
  await new Promise((done) => site.listen(0, "127.0.0.1", done));
});
after(async () => {
  await browser?.close();
  site?.close();
  await env?.stop();
});

// A page with the library, and nothing more.
async function blank(t, age) {
  const page = await browser.newPage();
  t.after(() => page.close());
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(error.message));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.addScriptTag({ content: readFileSync(new URL(`node_modules/${bundles[age]}/dist/umd/supabase.js`, import.meta.url), "utf8") });
  return { page, trouble };
}

// A page of an application, with a channel that hears everything.
async function open(t, age, key) {
  const { page, trouble } = await blank(t, age);
  await page.evaluate(
    async ({ url, token, key }) => {
      const client = globalThis.supabase.createClient(url, token, { accessToken: async () => token });
      globalThis.client = client;
      globalThis.heard = [];
      globalThis.rows = [];
      const plain = (payload) => (payload instanceof ArrayBuffer ? [...new Uint8Array(payload)] : payload);
      globalThis.channel = client
        .channel("page", { config: { broadcast: { ack: true }, presence: { key } } })
        .on("broadcast", { event: "*" }, ({ event, payload }) => globalThis.heard.push([event, plain(payload)]))
        .on("presence", { event: "sync" }, () => {})
        .on("postgres_changes", { event: "*", schema: "public", table: "notes" }, ({ eventType, new: row }) => globalThis.rows.push([eventType, row.title]));
      await new Promise((done, fail) => globalThis.channel.subscribe((status, error) => (status === "SUBSCRIBED" ? done() : fail(error ?? new Error(status)))));
      await client.realtime.setAuth();
    },
    { url: env.url(), token, key },
  );
  return { page, trouble };
}

test("two pages, one of each age", async (t) => {
  const now = await open(t, "today", "now"), then = await open(t, "a year ago", "then");
  const both = [now, then];
  const send = ({ page }, event, payload) => page.evaluate(([event, payload]) => globalThis.channel.send({ type: "broadcast", event, payload }), [event, payload]);
  const value = ({ page }, name) => page.evaluate((name) => globalThis[name], name);

  assert.equal(await send(now, "a", { n: 1 }), "ok");
  assert.equal(await send(then, "b", { n: 2 }), "ok");
  assert.equal(await now.page.evaluate(() => globalThis.channel.send({ type: "broadcast", event: "bytes", payload: new Uint8Array([1, 255]).buffer })), "ok");
  for (const side of both) {
    const { page } = side;
    const done = await page.evaluate((name) => globalThis.client.channel("page").httpSend(name, { rest: true }), "rest");
    assert.deepEqual(done, { success: true });
  }
  const rest = ["rest", { rest: true }];
  await eventually(async () => (await value(now, "heard")).length >= 3 && (await value(then, "heard")).length >= 3, "broadcasts");
  assert.deepEqual(await value(now, "heard"), [["b", { n: 2 }], rest, rest]);
  assert.deepEqual(await value(then, "heard"), [["a", { n: 1 }], rest, rest], "bytes have no form for it");

  for (const { page } of both) assert.equal(await page.evaluate(() => globalThis.channel.track({ page: true })), "ok");
  const present = ({ page }) => page.evaluate(() => Object.keys(globalThis.channel.presenceState()).sort());
  for (const side of both) await eventually(async () => (await present(side)).join() === "now,then", "both to be present");

  await env.db.query("insert into public.notes values (1, 'one'); update public.notes set title = 'two'; delete from public.notes");
  for (const side of both) {
    await eventually(async () => (await value(side, "rows")).length >= 3, "rows");
    assert.deepEqual((await value(side, "rows")).map(([type]) => type), ["INSERT", "UPDATE", "DELETE"]);
  }
  await then.page.close();
  await eventually(async () => (await present(now)).join() === "now", "the closed page to be gone", 2000);
  for (const { trouble } of both) assert.deepEqual(trouble, []);
});

test("bytes from page to page", async (t) => {
  const one = await open(t, "today", "one"), two = await open(t, "today", "two");
  assert.equal(await one.page.evaluate(() => globalThis.channel.send({ type: "broadcast", event: "bytes", payload: new Uint8Array([0, 128, 255]).buffer })), "ok");
  await eventually(async () => (await two.page.evaluate(() => globalThis.heard)).length === 1, "bytes");
  assert.deepEqual(await two.page.evaluate(() => globalThis.heard), [["bytes", [0, 128, 255]]]);
});

// What an application does on a page, as functions there.
const application = ({ url, token, age }) => {
  const heartbeatIntervalMs = 60000; // as in the background, where its timers are held back
  const client = globalThis.supabase.createClient(url, token, { accessToken: async () => globalThis.token, realtime: { heartbeatIntervalMs } });
  Object.assign(globalThis, { client, token, changes: [], messages: [], statuses: {} });
  // Resolves with the first status, and why.
  globalThis.subscribe = (name, channel) =>
    new Promise((done) =>
      channel.subscribe((status, error) => {
        (globalThis.statuses[name] ??= []).push(status);
        done(error ? `${status}: ${error.message}` : status);
      }),
    );
  globalThis.follow = (name, bindings) => {
    const channel = client.channel(name);
    for (const [what, binding] of Object.entries(bindings)) {
      channel.on("postgres_changes", { event: "*", schema: "public", table: "own", ...binding }, ({ eventType, new: now, old, errors }) => globalThis.changes.push([what, eventType, eventType === "DELETE" ? old : now, errors]));
    }
    channel.on("system", {}, ({ status, message }) => (globalThis.said = `${status}: ${message}`));
    return globalThis.subscribe(name, channel);
  };
  globalThis.enter = (name, config) => {
    globalThis.room = client.channel(name, { config: { private: true, ...config } });
    globalThis.room.on("broadcast", { event: "*" }, ({ event, payload, meta }) => globalThis.messages.push([event, payload.n ?? payload.record?.id, meta?.replayed ?? false]));
    return globalThis.subscribe(name, globalThis.room);
  };
  return client.realtime.setAuth().then(() => age);
};

for (const age of Object.keys(bundles)) {
  test(`an application of ${age}, on one page`, async (t) => {
    const { page, trouble } = await blank(t, age);
    const as = (sub) => jwt(env.secret, { role: "authenticated", sub });
    const call = (name, ...args) => page.evaluate(([name, args]) => globalThis[name](...args), [name, args]);
    const list = (name) => page.evaluate((name) => globalThis[name], name);
    const until = async (name, wanted, what) => {
      await eventually(async () => (await list(name)).length >= wanted.length, what).catch(() => {});
      assert.deepEqual((await page.evaluate((name) => globalThis[name].splice(0), name)).sort(), wanted.sort(), what);
    };
    await page.evaluate(application, { url: env.url(), token: as(ANN), age });
    await env.db.query("delete from public.own; delete from realtime.messages");

    const select = age === "today" ? { some: { select: ["body"] } } : {};
    assert.equal(await call("follow", "rows", { all: {}, open: { filter: "status=eq.open" }, many: { filter: "status=not.in.(closed,lost),id=gt.1" }, ...select }), "SUBSCRIBED");
    await env.db.query(`insert into public.own values (1, '${ANN}', 'open', 'one', 's'), (2, '${BOB}', 'open', 'two', 's'), (3, '${ANN}', 'new', 'three', 's')`);
    const row = (id, status, body) => ({ id, user_id: ANN, status, body });
    const some = (...rows) => (age === "today" ? rows.map(([type, record]) => ["some", type, record, null]) : []);
    const one = row(1, "open", "one"), three = row(3, "new", "three");
    await until("changes", [["all", "INSERT", one, null], ["open", "INSERT", one, null], ["all", "INSERT", three, null], ["many", "INSERT", three, null], ...some(["INSERT", { id: 1, body: "one" }], ["INSERT", { id: 3, body: "three" }])], "her rows, without the secret");
    await env.db.query(`update public.own set status = 'closed' where id = 1`);
    const closed = row(1, "closed", "one");
    await until("changes", [["all", "UPDATE", closed, null], ["open", "DELETE", { id: 1 }, null], ...some(["UPDATE", { id: 1, body: "one" }])], "a row that leaves a filter");
    await env.db.query(`update public.own set user_id = '${BOB}', body = 'his' where id = 3`);
    await until("changes", [["all", "DELETE", { id: 3 }, null], ["many", "DELETE", { id: 3 }, null], ...some(["DELETE", { id: 3 }])], "a row that leaves her view");

    assert.equal(await call("follow", "mistake", { wrong: { filter: "user_id=eq.undefined" } }), "SUBSCRIBED");
    await eventually(async () => /^error: .*"undefined" is no uuid/.test(await list("said")), "what is wrong with a filter");
    assert.match(await call("enter", `room of ${BOB}`, {}), /^CHANNEL_ERROR: .*Unauthorized: You do not have permissions to read/);

    await env.db.query(`select realtime.send('{"n": 1}', 'stored', 'room of ${ANN}')`);
    await env.caughtUp();
    assert.equal(await call("enter", `room of ${ANN}`, { broadcast: { self: true, ack: true, replay: { since: Date.now() - 60000, limit: 10 } } }), "SUBSCRIBED");
    await until("messages", [["INSERT", 1, true], ["INSERT", 3, true], ["stored", 1, true]], "what was sent before");
    await env.db.query(`select realtime.send('{"n": 2}', 'sql', 'room of ${ANN}'); insert into public.own values (4, '${ANN}', 'lost', 'four', 's')`);
    assert.equal(await page.evaluate(() => globalThis.room.send({ type: "broadcast", event: "own", payload: { n: 3 } })), "ok");
    assert.deepEqual(await page.evaluate(() => globalThis.room.httpSend("rest", { n: 4 })), { success: true });
    await until("messages", [["sql", 2, false], ["INSERT", 4, false], ["own", 3, false], ["rest", 4, false]], "messages from SQL, from itself and by REST");
    await page.evaluate(() => globalThis.changes.splice(0));

    await page.evaluate(async (token) => {
      globalThis.token = token;
      await globalThis.client.realtime.setAuth();
    }, as(BOB));
    await eventually(async () => (await list("statuses"))[`room of ${ANN}`].includes("CLOSED"), "the room that is not his to be closed");
    await env.db.query(`insert into public.own values (5, '${ANN}', 'lost', 'five', 's'), (6, '${BOB}', 'lost', 'six', 's')`);
    await until("changes", [["all", "INSERT", { id: 6, user_id: BOB, status: "lost", body: "six" }, null], ...some(["INSERT", { id: 6, body: "six" }])], "his rows, with his token");

    await env.kill("SIGKILL");
    await env.run();
    await eventually(async () => (await list("statuses")).rows.filter((status) => status === "SUBSCRIBED").length === 2, "the page to come back by itself", 40000);
    await env.db.query(`insert into public.own values (7, '${BOB}', 'lost', 'seven', 's')`);
    await until("changes", [["all", "INSERT", { id: 7, user_id: BOB, status: "lost", body: "seven" }, null], ...some(["INSERT", { id: 7, body: "seven" }])], "rows after a restart");

    await new Promise((done) => setTimeout(done, 8000)); // no heartbeat in that time; its browser answers pings
    assert.equal((await list("statuses")).rows.filter((status) => status === "SUBSCRIBED").length, 2, "still the same connection");
    assert.equal((await env.stats()).clients_idle_total, 0);
    assert.ok((await page.evaluate(() => globalThis.client.removeAllChannels())).every((answer) => answer === "ok"));
    await eventually(async () => (await env.stats()).channels === 0, "all channels to be left");
    assert.deepEqual(trouble, []);
  });
}
