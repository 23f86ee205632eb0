// What has to hold at the end of a soak: nothing lost, nothing twice, nothing that grows.
import { breaksOf } from "./witness.mjs";
import { keyOf } from "./tally.mjs";
import { median } from "../tools.mjs";

const PAGE = 50_000; // rows read at a time
const WARM_UP_S = 60; // of a daemon's life; what it takes by then it may keep
const SHORT_S = 300; // a soak that is shorter says nothing of memory
// A session keeps what a burst made its buffers grow to until it ends: that of store_buffer, and libpq's.
const PROMISE = { memory: 1.1, spare_kb: 6 * 1024, fds: 4, outbox: 0.25 };

// Where each change stands in the trail, by its key, counted from 1; and how many there are.
async function placesOf(env, keys) {
  const places = new Int32Array(keys);
  let last = 0, count = 0;
  for (;;) {
    const rows = await env.rows(
      `select id, action, coalesce(new_values, old_values) ->> 'no' as no from public.audit_logs
       where id > $1 and resource_type = 'public.accounts' and action in ('insert', 'update', 'delete') order by id limit ${PAGE}`, [last]);
    if (rows.length === 0) return { places, count };
    for (const { action, no } of rows) places[keyOf(action, no)] = ++count;
    last = rows.at(-1).id;
  }
}

// Changes of the journal that no webhook told.
async function untold(env, tally) {
  let last = 0, missing = 0, total = 0;
  for (;;) {
    const rows = await env.rows(`select seq, op, no from public.journal where seq > $1 order by seq limit ${PAGE}`, [last]);
    if (rows.length === 0) return { missing, extra: tally.taken - (total - missing), total };
    for (const { op, no } of rows) if (tally.ids[keyOf(op, no)] === 0) missing++;
    total += rows.length;
    last = rows.at(-1).seq;
  }
}

// The samples of the daemon that lived longest, once it had warmed up: of its first third and its last.
function thirds(samples) {
  const known = samples.filter((s) => s.pss_kb);
  const lives = [...new Set(known.map((s) => s.born))].map((born) => known.filter((s) => s.born === born));
  const longest = lives.reduce((a, b) => (b.length > a.length ? b : a), []);
  const grown = longest.filter((s) => s.age > WARM_UP_S);
  const third = Math.floor(grown.length / 3);
  return { first: grown.slice(0, third), last: grown.slice(-third), seconds: longest.at(-1)?.age };
}

function memoryChecks(samples, seconds) {
  const { first, last, seconds: age } = thirds(samples);
  if (seconds < SHORT_S || first.length < 5) return [];
  const of = (part, what) => median(part.map((s) => s[what]));
  return ["pss_kb", "rss_kb"].map((what) => ({ what: `${what} after ${Math.round(age)} s of life, median of the last third beside the first`, found: `${of(last, what)} beside ${of(first, what)}`, ok: of(last, what) <= of(first, what) * PROMISE.memory + PROMISE.spare_kb }))
    .concat({ what: "open files, the same", found: `${of(last, "fds")} beside ${of(first, "fds")}`, ok: of(last, "fds") <= of(first, "fds") + PROMISE.fds });
}

export async function verdict({ env, journal, tally, witnesses, samples, seconds }) {
  const checks = [];
  const check = (what, found, ok) => checks.push({ what, found: typeof found === "string" ? found : JSON.stringify(found), ok });
  const changes = await journal.count();
  check("trail and notifications beside the journal, row by row, and the order of the trail", `${changes} changes`, await journal.check().then(() => true, (error) => { console.error(error.message); return false; }));
  const { missing, extra } = await untold(env, tally);
  check("changes that no webhook told, told though they were none, told with two ids, strange", [missing, extra, tally.otherIds.length, tally.strange.length], missing + extra + tally.otherIds.length + tally.strange.length === 0);
  const { places } = await placesOf(env, tally.ids.length);
  const breaks = witnesses.map((witness) => breaksOf(witness, places)).reduce((a, b) => ({ missing: a.missing + b.missing, twice: a.twice + b.twice }));
  check(`what clients were told within their ${witnesses.reduce((n, w) => n + w.sessions.length, 0)} sessions`, { told: witnesses.reduce((n, w) => n + w.told, 0), ...breaks }, breaks.missing + breaks.twice === 0);
  const rows = Math.max(...samples.map((s) => s.outbox_rows ?? 0));
  if (seconds >= SHORT_S) check("rows of the outbox at most, of all that were made", `${rows} of ${tally.taken}`, rows <= tally.taken * PROMISE.outbox);
  return checks.concat(memoryChecks(samples, seconds));
}
