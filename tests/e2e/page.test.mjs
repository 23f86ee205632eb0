// The live page in a real browser: a change and its four effects, as a person sees them.
// PGHERALD_SCREENSHOT=FILE keeps the picture that the README shows.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { Env, jwt, sleep } from "./harness.mjs";
import { Receiver } from "./receiver.mjs";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
// Root has no sandbox, and the browser shall talk to nobody but us.
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

let env, receiver, browser, failing;

before(async () => {
  env = await Env.start();
  receiver = await Receiver.start({ behave: () => (failing ? 500 : 200) });
  browser = await chromium.launch({ executablePath, args });
});
after(async () => {
  await browser?.close();
  await receiver?.stop();
  await env?.stop();
});

async function open(t, token) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 760 } });
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(error.message));
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  t.after(() => page.close());
  await page.goto(env.url(token ? `/#token=${token}` : "/"));
  return { page, trouble };
}

test("changes appear with their audit entry, notification, webhook and latency", async (t) => {
  const ann = await env.user("ann");
  await env.db.query("insert into public.webhooks (name, url, events) values ('crm sync', $1, '{memories.*,files.*}')", [receiver.url()]);
  await env.db.query("insert into public.notification_rules (name, table_name, events, recipient, title) values ('memory', 'memories', '{insert}', 'user_id', 'New memory: {{new.title}}')");
  await env.caughtUp();
  const { page, trouble } = await open(t, jwt(env.secret, { role: "service_role" }));
  await page.locator("#state", { hasText: "Live" }).waitFor();
  await sleep(500); // both channels are joined

  const rows = page.locator("#rows tr");
  for (let i = 0; i < 5; i++) {
    failing = i === 2;
    const title = i === 4 ? "<b>not markup</b>" : ["Lunch with Grace", "Flight LH 455", "Offsite ideas", "Reading list"][i];
    const { id } = await env.row("insert into public.memories (user_id, title, content) values ($1, $2, 'first thought') returning id", [ann.id, title]);
    await env.db.query("update public.memories set content = 'second thought' where id = $1", [id]);
    if (i === 3) await env.db.query("delete from public.memories where id = $1", [id]);
    await env.db.query("insert into public.files (user_id, file_name, storage_path, file_size) values ($1, $2, $2, 52311)", [ann.id, `report-${i}.pdf`]);
    await rows.filter({ hasText: `✓ New memory: ${title}` }).waitFor(); // it goes to the newest row that it may be about
  }
  failing = false;
  await page.locator("#rows tr", { hasText: "report-4.pdf" }).waitFor();
  const inserted = page.locator("#rows tr", { hasText: "Flight LH 455" });
  await inserted.filter({ hasText: "✓ 200" }).waitFor();
  assert.match(await inserted.innerText(), /INSERT\s*memories[\s\S]*Flight LH 455[\s\S]*✓ \d+ ms[\s\S]*New memory: Flight[\s\S]*✓ 200[\s\S]*crm sync/);
  await page.locator("#rows tr", { hasText: "500" }).first().waitFor();
  assert.ok((await rows.count()) >= 16);
  assert.ok((await page.locator("#rows").innerText()).includes("<b>not markup</b>"), "data is never markup");
  assert.ok(Number(await page.locator("#n-audit").innerText()) >= 16);
  assert.deepEqual(trouble, []);
  if (process.env.PGHERALD_SCREENSHOT) await page.screenshot({ path: process.env.PGHERALD_SCREENSHOT });
});

test("a user's token shows that user's rows only", async (t) => {
  const [bob, eve] = [await env.user("bob"), await env.user("eve")];
  const { page } = await open(t, bob.token);
  await page.locator("#state", { hasText: "Live" }).waitFor();
  await sleep(500);
  await env.db.query("insert into public.memories (user_id, title, content) values ($1, 'not for bob', 'c'), ($2, 'for bob', 'c')", [eve.id, bob.id]);
  await page.locator("#rows tr", { hasText: "for bob" }).first().waitFor();
  assert.equal(await page.locator("#rows tr", { hasText: "not for bob" }).count(), 0);
});

test("without a token, or with one that has expired, the page says what to do", async (t) => {
  const none = await open(t, "");
  await none.page.locator("#form").waitFor();
  const expired = await open(t, jwt(env.secret, { role: "service_role", exp: Math.floor(Date.now() / 1000) - 60 }));
  await expired.page.locator("#notice", { hasText: /expired/i }).waitFor();
});

test("the page comes with headers that let nothing else in", async () => {
  const response = await fetch(env.url("/"));
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-security-policy"), /default-src 'none'/);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
});
