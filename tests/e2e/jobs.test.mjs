// Maintenance: run when it is due, by one instance at a time, seen while it runs, and never lost.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import WebSocket from "ws";
import { createClient } from "@supabase/supabase-js";
import { Cluster, Env, binary, eventually, freePort, jwt, sleep } from "./harness.mjs";

let cluster;

before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster?.stop());

async function start(t, options = {}) {
  const env = await Env.start({ cluster, seed: false, ...options, config: { jobs_poll: "100ms", ...options.config } });
  env.others = [];
  t.after(async () => {
    for (const other of env.others) await stopOther(env, other);
    await env.stop();
  });
  return env;
}

// A job of `steps` steps, each of which notes itself in its own transaction and then takes its time.
async function addJob(env, name, { steps = 1, pause = 0, body = "", every = "1 hour", ...columns } = {}) {
  await env.db.query(`
    create table if not exists public.job_steps (id bigserial primary key, job text, pid int, began timestamptz, ended timestamptz);
    create or replace function pgherald.job_${name}(settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
    language plpgsql as $$
    declare
      began constant timestamptz := clock_timestamp();
    begin
      ${body}
      figures := pgherald.add_done(coalesce(figures, '{"total": ${steps}}'), 1);
      perform pg_sleep(${pause / 1000});
      insert into public.job_steps (job, pid, began, ended) values ('${name}', pg_backend_pid(), began, clock_timestamp());
      message := figures ->> 'done';
      is_finished := (figures ->> 'done')::int >= ${steps};
    end $$`);
  const names = Object.keys(columns);
  await env.db.query(
    `insert into pgherald.jobs (name, description, run_every${names.map((c) => `, ${c}`).join("")})
     values ('${name}', 'of a test', '${every}'${names.map((_, i) => `, $${i + 1}`).join("")})`,
    Object.values(columns),
  );
}

const last = (env, name) =>
  env.row("select * from public.job_logs where queue = 'pgherald' and job_type = $1 order by created_at desc limit 1", [name]);

const ended = (env, name, status = "completed", ms = 20000) =>
  eventually(async () => {
    const run = await last(env, name);
    return run?.status === status && run;
  }, `${name} to be ${status}`, ms);

const steps = async (env, name) =>
  (await env.row("select count(*)::int as n from public.job_steps where job = $1", [name])).n;

// A second daemon beside env's, on a slot of its own in the same database.
async function secondDaemon(env) {
  const other = new Env();
  Object.assign(other, { cluster: env.cluster, adminPort: await freePort() });
  other.settings = {
    ...env.settings,
    slot_name: `${env.name}_2`,
    listen: `127.0.0.1:${await freePort()}`,
    admin_listen: `127.0.0.1:${other.adminPort}`,
  };
  await other.init();
  await other.run();
  env.others.push(other);
  return other;
}

async function stopOther(env, other) {
  if (other.daemon.exitCode === null && other.daemon.signalCode === null) assert.equal((await other.kill("SIGTERM")).code, 0);
  await eventually(async () => {
    await env.admin(`select pg_drop_replication_slot('${other.settings.slot_name}')`);
    return true;
  }, "the second slot to be free");
}

test("the daemon runs what is due, and what is due at night not before", async (t) => {
  const env = await start(t);
  await ended(env, "expired_notifications");
  const run = await ended(env, "audit_partitions");
  assert.equal(run.attempts, 1);
  assert.match(run.worker, new RegExp(`/${env.name}/${env.daemon.pid}$`));
  assert.deepEqual(await env.rows("select distinct job_type from public.job_logs order by 1"), [
    { job_type: "audit_partitions" },
    { job_type: "expired_notifications" },
  ]);
  const stats = await env.stats();
  assert.equal(stats.jobs_up, 1);
  assert.equal(stats.jobs_completed_total, 2);
  assert.equal(stats.jobs_failed_total, 0);
  assert.match(env.logText(), /msg="a job is done" job=audit_partitions run=[0-9a-f-]{36} attempt=1 ms=\d+/);

  // two days without a daemon are made up for once
  await env.kill("SIGTERM");
  await env.db.query("update public.job_logs set created_at = created_at - interval '2 days'");
  await env.db.query("update pgherald.jobs set created_at = created_at - interval '2 days'");
  await env.run();
  for (const name of ["api_key_usage", "audit_retention", "old_job_logs", "realtime_messages", "webhook_deliveries"]) await ended(env, name);
  await sleep(500);
  const counts = await env.rows("select job_type, count(*)::int as n from public.job_logs group by 1 order by 1");
  assert.deepEqual(counts.map(({ job_type, n }) => `${job_type} ${n}`), [
    "api_key_usage 1", "audit_partitions 2", "audit_retention 1", "expired_notifications 2", "old_job_logs 1", "realtime_messages 1", "webhook_deliveries 1",
  ]);
});

test("progress is seen while it runs, by SQL and live; the audit trail and webhooks hear of it once, or not at all", async (t) => {
  const env = await start(t, { config: { jobs: "off" } });
  await env.db.query("insert into public.webhooks (name, url, events) values ('all', 'http://127.0.0.1:9/', '{*}')");
  await env.db.query(`update pgherald.jobs set settings = '{"chunk": 100}' where name = 'expired_notifications'`);
  await env.db.query("insert into public.notifications (user_id, title, expires_at) select gen_random_uuid(), 'n', now() - interval '1 s' from generate_series(1, 2000)");
  await env.db.query("insert into public.notifications (user_id, title) values (gen_random_uuid(), 'stays')");
  // a trigger of the application in the middle of it: what it writes is a change like any other
  await env.db.query(`create table public.trace (id bigserial primary key, n int);
    create function public.slow() returns trigger language plpgsql as $$
    begin
      perform pg_sleep(0.05);
      insert into public.trace (n) select count(*) from gone;
      return null;
    end $$;
    create trigger slow after delete on public.notifications referencing old table as gone for each statement execute function public.slow()`);
  await env.caughtUp();
  await env.kill("SIGTERM");

  env.settings.jobs = "on";
  await env.run();
  const token = jwt(env.secret, { role: "service_role" });
  const supabase = createClient(env.url(), token, { accessToken: async () => token, realtime: { transport: WebSocket } });
  t.after(() => supabase.removeAllChannels());
  const live = [];
  const channel = supabase
    .channel("jobs")
    .on("postgres_changes", { event: "UPDATE", schema: "public", table: "job_logs", filter: "job_type=eq.expired_notifications" }, (payload) => live.push(payload.new));
  await new Promise((done, fail) => channel.subscribe((status, error) => (status === "SUBSCRIBED" ? done() : fail(error ?? status))));
  await sleep(300); // SUBSCRIBED is the join's reply; the system message follows it
  // subscribed while the daemon may have begun: one more run that is seen from its beginning
  await ended(env, "expired_notifications");
  live.length = 0;
  await env.db.query("insert into public.notifications (user_id, title, expires_at) select gen_random_uuid(), 'n', now() - interval '1 s' from generate_series(1, 2000)");
  const watched = await env.connect();
  t.after(() => watched.end());
  const { enqueue_run: id } = await env.row("select pgherald.enqueue_run('expired_notifications')");
  const seen = new Set();
  await eventually(async () => {
    const { rows: [run] } = await watched.query("select status, progress from public.job_logs where id = $1", [id]);
    seen.add(run.progress);
    return run.status === "completed";
  }, "the run to complete");
  const between = [...seen].filter((p) => p > 0 && p < 100);
  assert.ok(between.length >= 5, `seen in between: ${[...seen]}`);

  await eventually(() => live.some(({ id: run, status }) => run === id && status === "completed"), "the end, live");
  const figures = live.filter((run) => run.id === id).map(({ progress }) => progress);
  assert.deepEqual(figures, [...figures].sort((a, b) => a - b), "progress only grows");
  assert.ok(new Set(figures).size >= 15, `live: ${figures}`);
  assert.equal(live.find(({ progress }) => progress === 50).progress_message, "1000 of 2000 expired notifications deleted");

  assert.deepEqual(await env.rows("select title from public.notifications"), [{ title: "stays" }]);
  await env.caughtUp();
  const audit = await env.rows("select action, resource_type, count(*)::int as n from public.audit_logs where resource_type not in ('public.webhooks', 'pgherald.audit_policies') and action <> 'schema_change' and action not like 'pgherald.%' group by 1, 2 order by 1, 2");
  assert.deepEqual(audit.map(({ action, resource_type, n }) => `${action} ${resource_type} ${n}`), [
    "insert public.job_logs 1", // the wish of an operator; those of the schedule are not here
    "insert public.notifications 4001",
    "insert public.trace 42",
    "maintenance pgherald.jobs 2",
    "update pgherald.jobs 1",
  ]);
  const told = await env.rows("select event_type, count(*)::int as n from public.webhook_deliveries where event_type !~ '^webhooks' group by 1 order by 1");
  assert.deepEqual(told.map(({ event_type }) => event_type), ["job_logs.insert", "notifications.insert", "pgherald.jobs.update", "trace.insert"]);
});

test("two daemons and a command share the work, and never do the same run at once", async (t) => {
  const env = await start(t);
  const names = ["one", "two", "three", "four"];
  await env.db.query("update pgherald.jobs set is_enabled = false");
  for (const name of names) await addJob(env, name, { steps: 5, pause: 40, every: "1 second" });
  await secondDaemon(env);
  for (let i = 0; i < 4; i++) {
    const { code, stderr } = await env.command("jobs", "run", "--all");
    assert.equal(code, 0, stderr);
  }
  await env.db.query("update pgherald.jobs set is_enabled = false");
  await eventually(async () => !(await last(env, "one")) || (await env.rows("select from public.job_logs where status in ('pending', 'running')")).length === 0, "the end of all runs");
  const runs = await env.rows("select job_type, worker, attempts, status from public.job_logs where queue = 'pgherald' and job_type = any($1)", [names]);
  assert.ok(runs.length >= 16, `${runs.length} runs`);
  assert.ok(runs.every(({ status, attempts }) => status === "completed" && attempts === 1), JSON.stringify(runs));
  assert.equal(new Set(runs.map(({ worker }) => worker.replace(/command.*/, "command"))).size, 3, "all three took part");
  assert.equal((await env.row("select count(*)::int as n from public.job_steps")).n, runs.length * 5, "no step was done twice");
  const { rows: overlaps } = await env.db.query(
    "select a.job from public.job_steps a join public.job_steps b on a.job = b.job and a.id < b.id and a.began < b.ended and b.began < a.ended");
  assert.deepEqual(overlaps, []);
});

test("kill -9 in the middle of a run: another daemon goes on with it, and nothing is done twice", async (t) => {
  const env = await start(t);
  const other = await secondDaemon(env); // first, since its start may take longer than the run
  await addJob(env, "long", { steps: 40, pause: 50 });
  const { worker } = await eventually(async () => {
    const run = await last(env, "long");
    return run?.progress >= 20 && run;
  }, "a part of the run");
  const [dies, lives] = worker.endsWith(`/${env.daemon.pid}`) ? [env, other] : [other, env];
  await dies.kill("SIGKILL");
  const run = await ended(env, "long");
  assert.equal(run.attempts, 2);
  assert.ok(run.worker.endsWith(`/${lives.daemon.pid}`), run.worker);
  assert.deepEqual(run.result, { done: 40, total: 40 });
  assert.equal(await steps(env, "long"), 40);
  assert.equal((await lives.stats()).jobs_lost_total, 1);
  assert.match(lives.logText(), new RegExp(`is gone; going on in its place" job=long run=\\S+ lost_by=${worker}`));
  if (dies === env) await env.run();
});

test("kill -9 of the only daemon, at its last attempt: the run has failed", async (t) => {
  const env = await start(t);
  await addJob(env, "long", { steps: 40, pause: 50, max_attempts: 1 });
  await eventually(async () => (await last(env, "long"))?.progress >= 20, "a part of the run");
  await env.kill("SIGKILL");
  assert.equal((await last(env, "long")).status, "running", "nobody is there to tell");
  await env.run();
  const run = await ended(env, "long", "failed");
  assert.match(run.error, /was working on it and is gone$/);
  assert.equal((await env.stats()).jobs_failed_total, 1);
});

test("SIGTERM in the middle: the run is given back, and goes on after the next start as the same attempt", async (t) => {
  const env = await start(t);
  await addJob(env, "long", { steps: 20, pause: 100 });
  await eventually(async () => (await last(env, "long"))?.progress >= 20, "a part of the run");
  const { code } = await env.kill("SIGTERM");
  assert.equal(code, 0);
  const waiting = await last(env, "long");
  assert.equal(waiting.status, "pending");
  assert.equal(waiting.attempts, 0);
  assert.equal(waiting.result.done, await steps(env, "long"), "the step that was under way is done");
  await env.run();
  const run = await ended(env, "long");
  assert.equal(run.attempts, 1);
  assert.equal(await steps(env, "long"), 20);
});

test("a lost connection: the run is taken up again", async (t) => {
  const env = await start(t);
  await addJob(env, "long", { steps: 20, pause: 50 });
  await eventually(async () => (await last(env, "long"))?.progress >= 20, "a part of the run");
  await env.db.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'pgherald jobs'");
  const run = await ended(env, "long");
  assert.equal(run.attempts, 2);
  assert.equal(await steps(env, "long"), 20);
});

test("a job that fails is tried again, ends failed with the server's words, and status names it until it works", async (t) => {
  const env = await start(t);
  await env.db.query("insert into public.webhooks (name, url, events, filter) values ('alarm', 'http://127.0.0.1:9/', '{job_logs.update}', 'queue=eq.pgherald,status=eq.failed')");
  await addJob(env, "broken", { body: "raise exception 'no disk left: größer' using detail = 'of 3', hint = 'buy one';", max_attempts: 2, retry_in: "1 second" });
  const waiting = await eventually(async () => {
    const run = await last(env, "broken");
    return run?.error && run;
  }, "the first attempt to fail");
  assert.equal(waiting.status, "pending");
  const run = await ended(env, "broken", "failed");
  assert.equal(run.attempts, 2);
  assert.match(run.error, /^no disk left: größer; of 3; hint: buy one; in: PL\/pgSQL function pgherald\.job_broken/);
  assert.match(run.error, /SQLSTATE P0001$/);
  await env.caughtUp();
  const stats = await env.stats();
  assert.equal(stats.jobs_failed_total, 1);
  assert.equal(stats.jobs_attempts_failed_total, 2);
  assert.ok(Math.abs(Number(stats.jobs_last_failure_time_us) / 1000 - Date.now()) < 60000);
  const { code, stdout } = await env.command("status", "--json");
  const status = JSON.parse(stdout);
  assert.equal(code, 1);
  assert.equal(status.jobs.failed[0].name, "broken");
  assert.match(status.problems.join(), /job broken failed at \S+ after 2 attempts: no disk left/);
  // failing is no secret: the audit trail has it, and a webhook can tell somebody
  assert.equal((await env.row("select count(*)::int as n from public.webhook_deliveries")).n, 1);
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.job_logs' and new_values ->> 'status' = 'failed'")).n, 1);

  const again = await env.command("jobs", "run", "broken");
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^pgherald: broken will be tried again after 1 of 2 attempts: no disk left: größer; of 3; hint: buy one/);
  await env.db.query("delete from pgherald.jobs where name = 'broken'");
  await addJob(env, "broken", {});
  const mended = await env.command("jobs", "run", "broken");
  assert.equal(mended.code, 0, mended.stderr);
  assert.equal((await env.command("status")).code, 0);
});

test("a step that waits for a lock beyond the job's time-out fails, and the next attempt works", async (t) => {
  const env = await start(t);
  await ended(env, "expired_notifications");
  await env.db.query("update pgherald.jobs set timeout = '1 second', retry_in = '500 ms' where name = 'expired_notifications'");
  const locker = await env.connect();
  t.after(() => locker.end());
  await locker.query("begin; lock table public.notifications in access exclusive mode");
  await env.db.query("select pgherald.enqueue_run('expired_notifications')");
  const { error } = await eventually(async () => {
    const run = await last(env, "expired_notifications");
    return run.error && run;
  }, "the attempt to fail");
  assert.match(error, /canceling statement due to statement timeout/);
  await locker.query("rollback");
  const run = await ended(env, "expired_notifications");
  assert.ok(run.attempts >= 2);
  assert.equal(run.error, null);
});

test("pgherald jobs: lists, runs, waits, tells the history, enables and disables", async (t) => {
  const env = await start(t, { config: { jobs: "off" } });
  await env.db.query("insert into public.notifications (user_id, title, expires_at) select gen_random_uuid(), 'n', now() - interval '1 s' from generate_series(1, 7)");
  const jobs = async (...args) => {
    const { code, stdout, stderr } = await env.command("jobs", ...args);
    return { code, stderr, stdout, json: args.includes("--json") && stdout ? JSON.parse(stdout) : undefined };
  };
  const fresh = await jobs("list", "--json");
  assert.deepEqual(fresh.json.map(({ name }) => name), [
    "api_key_usage", "audit_partitions", "audit_retention", "expired_notifications", "old_job_logs", "realtime_messages", "stale_jobs", "webhook_deliveries"]);
  assert.ok(fresh.json.every(({ status, last_run }) => status === null && last_run === null), "off is off");
  assert.match((await jobs("history")).stdout, /no job has run yet/);

  const run = await jobs("run", "expired_notifications", "audit_partitions", "--json");
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(run.json.map(({ name, status, progress, attempts }) => [name, status, progress, attempts]), [
    ["expired_notifications", "completed", 100, 1], ["audit_partitions", "completed", 100, 1]]);
  assert.deepEqual(run.json[0].result, { done: 7, total: 7 });
  assert.match(run.json[0].worker, /\/command\/\d+$/);
  const listed = (await jobs("--json")).json.find(({ name }) => name === "expired_notifications");
  assert.equal(listed.status, "completed");
  assert.ok(listed.duration_ms >= 0);
  assert.equal(new Date(listed.next_run) - new Date(listed.last_run), 600000);
  assert.match((await jobs()).stdout, /^expired_notifications +yes +every 00:10:00 +\S+Z +completed +100 /m);

  // the same one twice: one does it, the other waits for it
  await addJob(env, "slow", { steps: 5, pause: 200 });
  const both = await Promise.all([jobs("run", "slow", "--json"), jobs("run", "slow", "--json")]);
  assert.deepEqual(both.map(({ code }) => code), [0, 0], both.map(({ stderr }) => stderr).join());
  assert.equal(both[0].json[0].run, both[1].json[0].run);
  assert.equal(await steps(env, "slow"), 5);

  const history = await jobs("history", "slow", "--json");
  assert.deepEqual(history.json.map(({ name, status }) => [name, status]), [["slow", "completed"]]);
  assert.equal((await jobs("history", "--limit", "2", "--json")).json.length, 2);

  const unknown = await jobs("run", "nix");
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /there is no job "nix"; there are: api_key_usage, .*, webhook_deliveries$/m);
  assert.equal((await jobs("history", "nix")).code, 64);
  assert.equal((await jobs("enable", "old_job_logs", "nix")).code, 64);
  assert.equal((await jobs("run")).code, 64);

  const off = await jobs("disable", "old_job_logs", "--json");
  assert.deepEqual(off.json.filter(({ enabled }) => !enabled).map(({ name, next_run }) => [name, next_run]), [["old_job_logs", null], ["stale_jobs", null]]);
  assert.equal((await jobs("run", "old_job_logs")).code, 0, "by hand it runs all the same");
  const on = await jobs("enable", "old_job_logs", "stale_jobs", "--json");
  assert.ok(on.json.every(({ enabled }) => enabled));
  // how long things are kept, and what runs, is on record
  await env.caughtUp();
  const { n } = await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'pgherald.jobs' and action = 'update' and changed_fields @> '{is_enabled}' and old_values ->> 'is_enabled' <> new_values ->> 'is_enabled'");
  assert.equal(n, 3);
});

test("pgherald jobs run kills nothing and leaves a run that can go on when it is killed itself", async (t) => {
  const env = await start(t, { config: { jobs: "off" } });
  await addJob(env, "slow", { steps: 30, pause: 100 });
  const child = spawn(binary, ["jobs", "run", "slow"], { env: env.environment, cwd: tmpdir(), stdio: "ignore" });
  await eventually(async () => (await last(env, "slow"))?.progress >= 10, "a part of the run");
  child.kill("SIGKILL");
  const { code, stderr } = await env.command("jobs", "run", "slow");
  assert.equal(code, 0, stderr);
  const run = await last(env, "slow");
  assert.equal(run.attempts, 2);
  assert.equal(await steps(env, "slow"), 30);
});

test("an application's own jobs, with the same functions, are its own", async (t) => {
  const env = await start(t);
  await env.db.query("update pgherald.jobs set is_enabled = true, run_every = '1 second' where name = 'stale_jobs'");
  const worker = await env.connect();
  t.after(() => worker.end());
  await worker.query("set role service_role");
  const { rows: [{ id }] } = await worker.query("select public.enqueue_job('import', '{\"file\": 7}', 'imports') as id");
  const { rows: [job] } = await worker.query("select * from public.claim_job('imports', 'worker-1')");
  assert.equal(job.id, id);
  assert.deepEqual(job.payload, { file: 7 });
  await worker.query("select public.update_job_progress($1, 40, 'half')", [id]);
  await ended(env, "stale_jobs");
  const { jobs_completed_total: before } = await env.stats();
  await eventually(async () => (await env.stats()).jobs_completed_total > before + 1, "a few more looks of the daemon");
  const running = await env.row("select status, attempts, progress, worker from public.job_logs where id = $1", [id]);
  assert.deepEqual(running, { status: "running", attempts: 1, progress: 40, worker: "worker-1" });
  await worker.query("select public.finish_job($1, '{\"rows\": 3}')", [id]);
  await env.caughtUp();
  const { n } = await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.job_logs' and resource_id = $1", [id]);
  assert.equal(n, 4, "and are audited like any other row");

  // the queue pgherald is the daemon's: an application can ask for maintenance there
  const { rows: [{ id: wish }] } = await worker.query("select public.enqueue_job('old_job_logs', p_queue => 'pgherald') as id");
  await eventually(async () => (await env.row("select status from public.job_logs where id = $1", [wish])).status === "completed", "what the application asked for");
});
