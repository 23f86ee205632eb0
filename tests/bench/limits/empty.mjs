// Transactions that are nothing to us, 10,000 a second: each is a BEGIN and a COMMIT of the stream at most.
// They write to a schema that is not followed, and then they are messages of another program. Nothing is
// stored, and yet the slot has to move.
import assert from "node:assert/strict";
import { caughtUp, cpuSeconds, measured, sleep } from "./measure.mjs";

export const full = { rate: 10_000, duration: 60, writers: 4 };
export const small = { rate: 1_000, duration: 3, writers: 2 };

// So many a second in batches of a tenth of a second, in one session without waiting for the disk.
async function write(env, statement, { rate, duration, writers }) {
  const each = Math.round(rate / writers / 10);
  const sessions = await Promise.all(Array.from({ length: writers }, () => env.connect()));
  const from = Date.now();
  await Promise.all(
    sessions.map(async (db) => {
      await db.query("set synchronous_commit to off");
      for (let batch = 0; batch < duration * 10; batch++) {
        await db.query(`do $$ begin for i in 1..${each} loop ${statement}; commit; end loop; end $$`);
        await sleep(from + (batch + 1) * 100 - Date.now());
      }
      await db.end();
    }),
  );
  return { transactions: each * writers * duration * 10, seconds: (Date.now() - from) / 1000 };
}

const kinds = {
  "rows of a schema that is not followed": "insert into aside.things default values",
  "messages of another program": "perform pg_logical_emit_message(true, 'other', 'x')",
};

const one = (cluster, size, [what, statement]) =>
  measured(
    cluster,
    {
      title: `${size.rate.toLocaleString("en")} transactions a second, ${what}`,
      bound: 64,
      settings: size.settings,
      before: ({ db }) => db.query("create schema aside; create table aside.things (id bigint generated always as identity)"),
    },
    async (env, watch) => {
      const before = await cpuSeconds(env);
      const slot = () => env.row("select (confirmed_flush_lsn - '0/0')::float8 as at from pg_replication_slots where slot_name = $1", [env.name]);
      const trail = () => env.row("select count(*)::int as n from public.audit_logs");
      const [from, entries] = [await slot(), await trail()];
      let moves = 0, ended = false, at = from.at, longest = 0, last = Date.now();
      const looking = (async () => {
        while (!ended) {
          const now = await slot();
          if (now.at > at) [moves, longest, last] = [moves + 1, Math.max(longest, Date.now() - last), Date.now()];
          at = now.at;
          await sleep(50);
        }
      })();
      watch.begin();
      const { transactions, seconds } = await write(env, statement, size);
      const drain = Date.now();
      await caughtUp(env);
      const behind = (Date.now() - drain) / 1000;
      ended = true;
      await looking;
      const cpu = await cpuSeconds(env);
      assert.ok(moves > 0, "the slot did not move");
      assert.deepEqual(await trail(), entries, "something was stored");
      const share = (key) => ((cpu[key] - before[key]) / (seconds + behind)) * 100;
      return {
        changes: transactions,
        seconds: seconds + behind,
        notes: [
          `written at ${(transactions / seconds).toFixed(0)} a second, all passed ${behind.toFixed(2)} s after the last; the slot stood still for ${longest} ms at most`,
          `CPU of the daemon ${share("daemon").toFixed(0)} % of a core, of the server for it ${share("server").toFixed(0)} %`,
        ],
      };
    },
  );

export async function run(cluster, size) {
  const results = [];
  for (const kind of Object.entries(kinds)) results.push(await one(cluster, size, kind));
  return results;
}
