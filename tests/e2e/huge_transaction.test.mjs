// A transaction of one million rows passes in constant memory.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Env, spareMemory } from "./harness.mjs";

const isSanitized = spareMemory() > 1;
const ROWS = Number(process.env.PGHERALD_HUGE_ROWS ?? (isSanitized ? 100_000 : 1_000_000));
const LIMIT_MB = 64;

const memory = (pid, field) => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(new RegExp(`${field}:\\s+(\\d+) kB`))[1]) / 1024;

test(`${ROWS} rows in one transaction ${isSanitized ? "arrive; the memory of a sanitized daemon is not judged" : `grow the daemon by at most ${LIMIT_MB} MB`}`, async (t) => {
  const env = await Env.start({ seed: false });
  t.after(() => env.stop());
  await env.db.query(`
    create table public.big (id bigint primary key, user_id uuid, title text, amount numeric, done boolean, created_at timestamptz);
    insert into public.notification_rules (name, table_name, events, condition, recipient, title)
    values ('every thousandth', 'big', '{insert}', 'amount=eq.0', 'user_id', 'row {{new.id}}');
  `);
  await env.db.query("insert into public.big select g, gen_random_uuid(), 'warm ' || g, 1, true, now() from generate_series(-20000, -1) g");
  await env.caughtUp();
  const before = memory(env.daemon.pid, "VmHWM");
  await env.db.query(`insert into public.big select g, gen_random_uuid(), 'title ' || g, g % 1000, g % 2 = 0, now() from generate_series(1, ${ROWS}) g`);
  await env.caughtUp(300000);
  const peak = memory(env.daemon.pid, "VmHWM");
  const { n, xids } = await env.row("select count(*)::int as n, count(distinct xid)::int as xids from public.audit_logs where resource_type = 'public.big' and resource_id::bigint > 0");
  assert.equal(n, ROWS);
  assert.equal(xids, 1);
  const told = await env.row("select count(*)::int as n from public.notifications");
  assert.equal(told.n, Math.floor(ROWS / 1000));
  // A sanitizer keeps what was freed for a while, so its figure says nothing of ours.
  if (!isSanitized) assert.ok(peak - before <= LIMIT_MB, `grew from ${before.toFixed(1)} to ${peak.toFixed(1)} MB`);
  t.diagnostic(`peak resident memory ${before.toFixed(1)} MB before, ${peak.toFixed(1)} MB after`);
});
