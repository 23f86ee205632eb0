// A consumer that is down for an hour of writes, and comes back while they go on. The hour is written as fast
// as the machine writes it: what waits is the same.
import assert from "node:assert/strict";
import { caughtUp, measured, sleep } from "./measure.mjs";

export const full = { rate: 500, hour: 3600 };
export const small = { rate: 200, hour: 20 };

const setUp = `
  create table public.orders (id bigint generated always as identity primary key, customer uuid not null default gen_random_uuid(),
    state text not null default 'new', amount numeric(12, 2) not null, note text, changed_at timestamptz not null default now());
  alter table public.orders replica identity full;
  create procedure public.work(transactions int) language plpgsql as $$
  begin
    for i in 1..transactions loop
      if i % 3 = 0 then
        update public.orders set state = 'paid', changed_at = now() where id = (select max(id) - i % 50 from public.orders);
      else
        insert into public.orders (amount, note) values (i % 1000 + 0.25, repeat('what was ordered ', 5));
      end if;
      commit;
    end loop;
  end $$;`;

// Each change is an entry; of each row the newest entry is the row, the first is how it began.
async function compare(env, transactions) {
  const { n } = await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.orders'");
  assert.equal(n, transactions);
  const wrong = await env.row(`
    with trail as (select distinct on (resource_id) resource_id, new_values from public.audit_logs
      where resource_type = 'public.orders' order by resource_id, commit_lsn desc, ordinal desc)
    select count(*)::int as n from public.orders o full join trail t on t.resource_id = o.id::text where to_jsonb(o) is distinct from t.new_values`);
  assert.equal(wrong.n, 0, "rows whose newest entry is not the row");
  const torn = await env.row(`
    with trail as (select action, old_values, lag(new_values) over (partition by resource_id order by commit_lsn, ordinal) as before
      from public.audit_logs where resource_type = 'public.orders')
    select count(*)::int as n from trail where old_values is distinct from before`);
  assert.equal(torn.n, 0, "entries whose old row is not the new row of the one before");
}

export const run = (cluster, { rate, hour, settings }) =>
  measured(cluster, { title: `away for ${hour} s of ${rate} transactions a second`, bound: 64, settings, before: ({ db }) => db.query(setUp) }, async (env, watch) => {
    await env.db.query("set synchronous_commit to off");
    await env.db.query("insert into public.orders (amount) select 1 from generate_series(1, 100)");
    await caughtUp(env);
    await env.kill("SIGTERM");
    watch.begin();
    await env.db.query("call public.work($1)", [rate * hour]);
    const written = watch.seconds();
    await env.run();
    watch.begin();
    const { at } = await env.row("select pg_current_wal_lsn()::text as at");
    // new ones keep arriving, at the same rate
    const db = await env.connect();
    await db.query("set synchronous_commit to off");
    let going = true, more = 0;
    const writing = (async () => {
      for (let from = Date.now(), beat = 1; going; beat++) {
        await db.query("call public.work($1)", [rate / 10]);
        more += rate / 10;
        await sleep(from + beat * 100 - Date.now());
      }
    })();
    const passed = () => env.row("select confirmed_flush_lsn >= $2::pg_lsn as done from pg_replication_slots where slot_name = $1", [env.name, at]);
    while (!(await passed()).done) await sleep(50);
    const seconds = watch.seconds();
    await caughtUp(env); // what was written meanwhile
    const level = watch.seconds();
    going = false;
    await writing;
    await db.end();
    await caughtUp(env);
    await compare(env, 100 + rate * hour + more);
    return {
      changes: rate * hour,
      seconds,
      notes: [`the hour was written in ${written.toFixed(0)} s; ${more.toLocaleString("en")} more came while it was read; level with the writers after ${level.toFixed(1)} s`],
    };
  });
