// kill -9 at random moments under load: every committed change is in audit_logs exactly once, in
// commit order, and nothing else is.
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { Env, sleep } from "./harness.mjs";

const SECONDS = Number(process.env.PGHERALD_KILL_SECONDS ?? 20);

// Every change says in the row itself which change it is: a number of its own, drawn inside the
// transaction. A transaction that rolls back draws numbers too, which must not be seen.
const schema = `
  create sequence public.change_no;
  create table public.accounts (id int primary key, balance bigint not null default 0, no bigint not null);
  alter table public.accounts replica identity full;
  insert into public.accounts select g, 0, nextval('public.change_no') from generate_series(1, 200) g;
`;
const script = `
\\set a random(1, 200)
\\set b random(201, 100000)
\\set lost random(1, 10)
begin;
update public.accounts set balance = balance + 1, no = nextval('public.change_no') where id = :a;
insert into public.accounts (id, no) values (:b, nextval('public.change_no')) on conflict (id) do update set balance = accounts.balance + 1, no = excluded.no;
delete from public.accounts where id = :b and :lost > 5;
\\if :lost = 1
rollback;
\\else
commit;
\\endif
`;

test("kill -9 under pgbench loses nothing and repeats nothing", async (t) => {
  const env = await Env.start({ seed: false });
  t.after(() => env.stop());
  await env.db.query(schema);
  // the truth: what each transaction really did, written by a trigger in the same transaction
  await env.db.query(`
    create table public.journal (seq bigserial primary key, xid bigint not null, op text not null, id int not null, no bigint not null);
    create function public.keep_journal() returns trigger language plpgsql as $$
    begin
      insert into public.journal (xid, op, id, no)
      values (pg_current_xact_id()::text::bigint % 4294967296, lower(tg_op), coalesce(new.id, old.id), coalesce(new.no, old.no));
      return null;
    end $$;
    create trigger keep_journal after insert or update or delete on public.accounts for each row execute function public.keep_journal();
    insert into pgherald.audit_policies (table_name, is_enabled) values ('public.journal', false);
  `);
  await env.caughtUp();
  const bench = spawn("pgbench", ["-n", "-c", "4", "-j", "2", "-T", String(SECONDS), "-f", "-", env.cluster.url(env.name)], {
    stdio: ["pipe", "ignore", "inherit"],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/lib/postgresql/15/bin` },
  });
  const benchEnded = new Promise((done) => bench.once("exit", done));
  bench.stdin.end(script);
  let kills = 0;
  let running = true;
  benchEnded.then(() => (running = false));
  while (running) {
    await sleep(50 + Math.random() * 1500);
    await env.kill("SIGKILL");
    kills++;
    await env.run([], { ready: Math.random() < 0.5 });
  }
  await env.ready();
  await env.caughtUp(60000);

  const journal = await env.row("select count(*)::int as n from public.journal");
  assert.ok(kills >= 5, `only ${kills} kills`);
  assert.ok(journal.n > 1000, `only ${journal.n} changes`);
  const differences = await env.rows(`
    select 'missing' as what, xid, op, id, no from (
      select xid, op, id, no from public.journal
      except all
      select xid, action, resource_id::int, (coalesce(new_values, old_values) ->> 'no')::bigint
      from public.audit_logs where resource_type = 'public.accounts'
    ) m
    union all
    select 'extra', xid, op, id, no from (
      select xid, action as op, resource_id::int as id, (coalesce(new_values, old_values) ->> 'no')::bigint as no
      from public.audit_logs where resource_type = 'public.accounts' and (coalesce(new_values, old_values) ->> 'no')::bigint > 200
      except all
      select xid, op, id, no from public.journal
    ) e
    limit 5`);
  assert.deepEqual(differences, []);
  const twice = await env.rows("select commit_lsn, ordinal, count(*) from public.audit_logs where commit_lsn is not null group by 1, 2 having count(*) > 1 limit 5");
  assert.deepEqual(twice, []);
  const disorder = await env.rows(`
    select id, commit_lsn, ordinal from (
      select id, commit_lsn, ordinal, lag((commit_lsn, ordinal)) over (order by id) as before from public.audit_logs where commit_lsn is not null
    ) o where (commit_lsn, ordinal) <= before limit 5`);
  assert.deepEqual(disorder, [], "ids must follow the commit order");
  t.diagnostic(`${journal.n} changes, ${kills} kills`);
});
