// supabase-js as a page has it, in a real browser, from an origin that is not ours: of today and of a year
// ago, through rows, broadcast, presence and REST.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { Env, eventually, jwt } from "./harness.mjs";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const bundles = { today: "@supabase/supabase-js", "a year ago": "supabase-js-of-2025" };

let env, browser, token, site;

before(async () => {
  env = await Env.start({ seed: false, before: (fresh) => fresh.db.query("create table public.notes (id int primary key, title text)") });
  await env.db.query("grant select on public.notes to authenticated");
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

// A page of an application, with a channel that hears everything.
async function open(t, age, key) {
  const page = await browser.newPage();
  t.after(() => page.close());
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(error.message));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.addScriptTag({ content: readFileSync(new URL(`node_modules/${bundles[age]}/dist/umd/supabase.js`, import.meta.url), "utf8") });
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
