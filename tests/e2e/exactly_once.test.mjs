// kill -9 at random moments under load: every committed change is in audit_logs exactly once, in
// commit order, and nothing else is.
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { Env, sleep } from "./harness.mjs";
import { Journal } from "./journal.mjs";

const SECONDS = Number(process.env.PGHERALD_KILL_SECONDS ?? 20);

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
  const journal = await Journal.start(env);
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
  const changes = await journal.count();
  assert.ok(kills >= 5, `only ${kills} kills`);
  assert.ok(changes > 1000, `only ${changes} changes`);
  await journal.check();
  t.diagnostic(`${changes} changes, ${kills} kills`);
});
