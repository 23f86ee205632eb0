// make soak MINUTES=30: everything at once, for long. Mixed writes as fast as they go, browsers, webhooks that
// are delivered; every now and then the daemon is stopped or killed, the server too, and rules change. At the
// end the effects are compared with the truth, and memory with what it was. Keeps build/soak.json and .svg.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { Cluster, Env, eventually, jwt, sleep } from "../e2e/harness.mjs";
import { Journal } from "../e2e/journal.mjs";
import { eventsOf, RULES } from "./soak/events.mjs";
import { Mixed } from "./soak/load.mjs";
import { plotOf } from "./soak/plot.mjs";
import { sample } from "./soak/samples.mjs";
import { Tally } from "./soak/tally.mjs";
import { verdict } from "./soak/verdict.mjs";
import { Witness } from "./soak/witness.mjs";
import { stopWhenTold } from "./tools.mjs";

const SECONDS = Number(process.env.MINUTES ?? 30) * 60;
const SAMPLE_MS = SECONDS < 300 ? 1000 : 5000;
const KEEP = SECONDS < 300 ? "10 seconds" : "1 minute"; // of deliveries that were made
const MOST_PENDING = 20_000; // deliveries; beyond that clients are held back
const MOST_BEHIND = 256 * 1024 * 1024; // bytes of WAL; the same
const READERS = { all: 3, some: 30 };

let begin = Date.now(); // of the load
const seconds = () => (Date.now() - begin) / 1000;
const say = (text) => console.error(`${seconds().toFixed(0).padStart(5)} s  ${text}`);

async function prepare(env, tally) {
  env.bornAt = Date.now();
  const journal = await Journal.start(env, { effects: true, outbox: false });
  await env.db.query("grant select on public.accounts to service_role");
  await env.db.query("update public.webhooks set url = $1 where name = 'ledger'", [tally.url("ledger")]);
  await env.db.query(RULES.replace("URL", tally.url("switched")));
  await env.db.query("update pgherald.jobs set run_every = '20 seconds', run_at = null, settings = jsonb_build_object('keep_delivered', $1::text, 'keep_failed', '1 day') where name = 'webhook_deliveries'", [KEEP]);
  await env.caughtUp();
  return journal;
}

function witnessesOf(env) {
  const token = jwt(env.secret, { role: "service_role", exp: Math.floor(Date.now() / 1000) + SECONDS + 3600 });
  const filters = Array.from({ length: READERS.some }, (_, i) => `id=eq.${i + 1}`);
  return [...Array(READERS.all).fill(undefined), ...filters].map((filter) => new Witness(env, token, filter));
}

// Samples until `over()`; holds the load back while the effects are far behind.
async function watch(env, load, samples, over) {
  let db;
  while (!over()) {
    db ??= await env.connect().catch(() => undefined);
    const born = env.bornAt;
    const found = { at: seconds(), born, age: (Date.now() - born) / 1000, transactions: load.transactions, held_ms: load.held, ...(await sample(env, db)) };
    samples.push(found);
    load.isHeld = found.pending > MOST_PENDING || found.behind_bytes > MOST_BEHIND;
    if (found.behind_bytes === undefined) {
      db?.end().catch(() => {});
      db = undefined; // the server is gone for a moment
    }
    await sleep(SAMPLE_MS);
  }
  await db?.end();
}

async function strike(env, samples) {
  const struck = [];
  for (const { at, name, strike: act } of eventsOf(SECONDS)) {
    await sleep(Math.max(0, at - seconds()) * 1000);
    const from = seconds();
    await act(env);
    struck.push({ at: from, took: seconds() - from, name });
    const last = samples.at(-1);
    say(`${name} (took ${(seconds() - from).toFixed(1)} s); ${last.transactions} transactions, ${last.pss_kb} kB, ${last.pending} deliveries wait, ${last.behind_bytes} bytes behind`);
  }
  await sleep(Math.max(0, SECONDS - seconds()) * 1000);
  return struck;
}

// Everything that was committed has had its effects.
async function settle(env, load) {
  load.isHeld = false;
  await load.stop();
  await eventually(() => env.ready().then(() => true), "the daemon to be ready", 120_000);
  await env.db.query("update public.webhooks set is_active = true where name = 'switched'"); // what waits for it goes out
  await env.caughtUp(600_000);
  say("the stream has been read to its end");
  await eventually(async () => !(await env.row("select exists (select from public.webhook_deliveries where status = 'pending') as any")).any, "all webhooks to be delivered", 600_000);
  say("all webhooks are delivered");
  await sleep(2000); // what was sent to browsers arrives
}

async function soak(env, tally) {
  const journal = await prepare(env, tally);
  const witnesses = witnessesOf(env);
  await eventually(() => witnesses.every((witness) => witness.session), "all clients to have joined");
  begin = Date.now();
  const load = new Mixed(journal, { clients: 4 });
  const samples = [];
  let isOver = false;
  const watching = watch(env, load, samples, () => isOver);
  const struck = await strike(env, samples);
  const working = seconds();
  const { transactions } = load;
  say("the load ends; what is under way is waited for");
  await settle(env, load);
  isOver = true;
  await watching;
  await Promise.all(witnesses.map((witness) => witness.stop()));
  const checks = await verdict({ env, journal, tally, witnesses, samples, seconds: SECONDS });
  return { transactions, changes: await journal.count(), working, settled: seconds() - working, struck, checks, samples };
}

function tell(result, tally) {
  const most = (what) => Math.max(...result.samples.map((s) => s[what] ?? 0));
  const held = result.samples.at(-1).held_ms / 1000 / 4;
  say(`${result.transactions} transactions, ${result.changes} changes in ${result.working.toFixed(0)} s; held back for ${held.toFixed(0)} s of them; settled after ${result.settled.toFixed(0)} s more`);
  say(`webhooks: ${tally.taken} told, ${tally.again} of them again with the same id, ${tally.refused} refused on purpose`);
  say(`at most: ${most("rss_kb")} kB resident (${most("pss_kb")} proportional), ${most("fds")} files, ${most("pending")} deliveries waiting, ${most("outbox_rows")} rows in the outbox, ${most("behind_bytes")} bytes of WAL behind`);
  for (const { what, found, ok } of result.checks) say(`${ok ? "ok    " : "FAILED"}  ${what}: ${found}`);
}

const start = { at: new Date().toISOString(), cores: cpus().length, load: loadavg()[0] };
const cluster = await Cluster.start({ own: true });
stopWhenTold(cluster);
const tally = await Tally.start();
const env = await Env.start({ cluster, config: { jobs_poll: "1s", log_level: "warn", webhook_endpoint_concurrency: "32" } });
try {
  const result = await soak(env, tally);
  tell(result, tally);
  mkdirSync("build", { recursive: true });
  writeFileSync("build/soak.json", JSON.stringify({ ...start, seconds: SECONDS, load_after: loadavg()[0], taken: tally.taken, again: tally.again, refused: tally.refused, ...result }, null, 1));
  writeFileSync("build/soak.svg", plotOf(result, `${start.at}, ${SECONDS / 60} minutes, ${start.cores} cores, load ${start.load.toFixed(1)} at the start and ${loadavg()[0].toFixed(1)} at the end`));
  say("kept in build/soak.json and build/soak.svg");
  process.exitCode = result.checks.every(({ ok }) => ok) ? 0 : 1;
} finally {
  await env.stop();
  await tally.stop();
  cluster.stop();
}
