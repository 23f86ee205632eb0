// What auditing costs those who write: pgbench on tables of the seed application, four ways in one run
// that take turns. The peer is what people write by hand: a row trigger in plpgsql that fills the same
// columns. The daemon shares the machine, so what it takes from pgbench is in its figures; what it has
// not stored when pgbench ends is waited for and told. The CPU that a transaction takes in all is said as
// well, since it depends less on what else the machine does.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Env } from "../e2e/harness.mjs";
import { pgbench } from "./pgbench.mjs";
import { median, say, secondsSince, size } from "./tools.mjs";

const SECONDS = size("AUDIT_SECONDS", 2, 10);
const ROUNDS = size("AUDIT_ROUNDS", 1, 3);
const CLIENTS = 4;
const MEMORIES = 20000;
const SESSIONS = 2000;
const tables = ["memories", "chat_messages", "chat_sessions"];

// Keys that a script can compute: no row is looked up to find them.
const key = (first, n) => `('${first}0000000-0000-4000-8000-' || lpad((${n})::text, 12, '0'))::uuid`;

// Each script's transactions, in the share that stands behind its name.
const workloads = {
  "a row or two a transaction": {
    "update@6": `\\set n random(1, ${MEMORIES})
update public.memories set access_count = access_count + 1, last_accessed_at = now(), importance = 0.7 where id = ${key("a", ":n")};`,
    "insert@4": `\\set n random(1, ${SESSIONS})
insert into public.chat_messages (session_id, user_id, role, content, model, prompt_tokens)
select id, user_id, 'user', repeat('what was said in a chat ', 10), 'small-1', 60 from public.chat_sessions where id = ${key("b", ":n")};`,
  },
  "20 rows a transaction": {
    "many@1": `\\set n random(1, ${MEMORIES - 20})
update public.memories set access_count = access_count + 1, last_accessed_at = now() where id between ${key("a", ":n")} and ${key("a", ":n + 19")};`,
  },
};

const setUp = `
  insert into public.users (id, email) select ('c0000000-0000-4000-8000-' || lpad(g::text, 12, '0'))::uuid, 'user' || g || '@example.com' from generate_series(1, 100) g;
  insert into public.memories (id, user_id, title, content, tags, metadata)
    select ('a0000000-0000-4000-8000-' || lpad(g::text, 12, '0'))::uuid, ('c0000000-0000-4000-8000-' || lpad((g % 100 + 1)::text, 12, '0'))::uuid,
      'memory ' || g, repeat('what is remembered ', 15), '{red,green}', '{"from": "bench"}' from generate_series(1, ${MEMORIES}) g;
  insert into public.chat_sessions (id, user_id, title)
    select ('b0000000-0000-4000-8000-' || lpad(g::text, 12, '0'))::uuid, ('c0000000-0000-4000-8000-' || lpad((g % 100 + 1)::text, 12, '0'))::uuid, 'chat ' || g
    from generate_series(1, ${SESSIONS}) g;
  create schema by_trigger;
  create table by_trigger.entries (like public.audit_logs including all) partition by range (occurred_at);
  create table by_trigger.entries_all partition of by_trigger.entries default;
  create function by_trigger.note() returns trigger language plpgsql as $$
  declare
    old_row constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    new_row constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
    headers constant jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  begin
    insert into by_trigger.entries (occurred_at, xid, action, resource_type, resource_id, old_values, new_values, changed_fields,
      user_id, ip_address, session_id, user_agent, context)
    values (now(), pg_current_xact_id()::text::bigint, lower(tg_op), tg_table_schema || '.' || tg_table_name, coalesce(new_row, old_row) ->> tg_argv[0],
      old_row, new_row,
      case tg_op when 'UPDATE' then (select array_agg(key) from jsonb_each(new_row) where value is distinct from old_row -> key) end,
      (claims ->> 'sub')::uuid, inet_client_addr(), claims ->> 'session_id', headers ->> 'user-agent',
      jsonb_strip_nulls(jsonb_build_object('source', 'trigger', 'session_user', session_user, 'role', current_user, 'application_name', current_setting('application_name'))));
    return null;
  end $$;`;

const forEach = (template) => tables.map((table) => template.replaceAll("TABLE", `public.${table}`)).join(";\n");
const identity = (how) => forEach(`alter table TABLE replica identity ${how}`);

// How each way is set up and taken back; a table needs its old row in the WAL only for pgherald.
const ways = [
  { name: "plain", begin: identity("default") },
  { name: "pgherald", daemon: true, begin: identity("full") },
  { name: "pgherald, and who did it", daemon: true, begin: `${identity("full")}; ${forEach("select pgherald.track('TABLE')")}`, end: "select pgherald.untrack_all()" },
  {
    name: "row trigger in plpgsql",
    begin: `${identity("default")}; ${forEach("create trigger by_trigger after insert or update or delete on TABLE for each row execute function by_trigger.note('id')")}`,
    end: forEach("drop trigger by_trigger on TABLE"),
  },
];

// CPU time in ms: of a process, and of those of its children that have ended. Fields as in proc(5), behind the name.
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ").map(Number);
  const [user, system, childUser, childSystem] = fields.slice(11, 15).map((ticks) => ticks * 10);
  return { parent: fields[1], own: user + system, ended: childUser + childSystem };
}

const safely = (work) => {
  try {
    return work();
  } catch {
    return undefined; // it has ended meanwhile
  }
};

// Of the whole server, and of those processes that work for pgherald, which is all of the daemon too.
async function cpuTimes(env, way) {
  const { parent: postmaster } = cpu((await env.row("select pg_backend_pid() as pid")).pid);
  const living = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((pid) => safely(() => cpu(pid))).filter((one) => one?.parent === postmaster);
  const ours = way.daemon ? (await env.rows("select pid from pg_stat_activity where application_name like 'pgherald%'")).map(({ pid }) => safely(() => cpu(pid))?.own ?? 0) : [];
  const daemon = way.daemon ? cpu(env.daemon.pid).own : 0;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const server = cpu(postmaster).own + cpu(postmaster).ended + sum(living.map(({ own }) => own));
  return { total: server + daemon, herald: sum(ours) + daemon };
}

const lsn = async (env) => (await env.row("select (pg_current_wal_lsn() - '0/0')::text as at")).at;

async function measure(env, way, files) {
  await env.db.query(way.begin);
  await env.db.query(`vacuum analyze ${tables.map((table) => `public.${table}`).join(", ")}`);
  await env.db.query("checkpoint");
  if (way.daemon) {
    await env.run(); // it stores what the ways without it have left in the slot
    await env.caughtUp(300000);
    await env.db.query("checkpoint");
  }
  const before = Number(await lsn(env));
  const spent = await cpuTimes(env, way);
  const from = performance.now();
  const { tps, transactions } = await pgbench(env, { files, seconds: SECONDS, clients: CLIENTS });
  const lag = way.daemon ? Number((await env.row("select pg_current_wal_lsn() - confirmed_flush_lsn as bytes from pg_replication_slots where slot_name = $1", [env.name])).bytes) : 0;
  const ended = performance.now();
  if (way.daemon) await env.caughtUp(300000);
  const drain = way.daemon ? secondsSince(ended) : 0;
  const wal = (Number(await lsn(env)) - before) / transactions;
  const sustained = transactions / secondsSince(from);
  const now = await cpuTimes(env, way);
  const each = (key) => ((now[key] - spent[key]) * 1000) / transactions;
  if (way.daemon) await env.kill("SIGTERM");
  if (way.end) await env.db.query(way.end);
  return { tps, wal, lag, drain, sustained, total: each("total"), herald: each("herald") };
}

async function takeTurns(env, scripts, folder) {
  const found = new Map(ways.map(({ name }) => [name, []]));
  const files = Object.entries(scripts).map(([name, sql]) => {
    const [base, share] = name.split("@");
    writeFileSync(join(folder, base), sql);
    return `${join(folder, base)}@${share}`;
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(i + round) % ways.length];
      found.get(way.name).push(await measure(env, way, files));
      say(`${way.name}: ${Math.round(found.get(way.name).at(-1).tps)} tps`);
    }
  }
  return found;
}

function tableOf(workload, found) {
  const of = (name, what) => median(found.get(name).map((one) => one[what]));
  const peer = ways.at(-1).name;
  const rows = [];
  for (const { name, daemon } of ways) {
    const range = found.get(name).map(({ tps }) => Math.round(tps)).join(" ");
    const beside = (what) => (name === peer ? {} : { ratio: of(name, what) / of(peer, what), to: "the trigger" });
    rows.push({ what: `${workload}: ${name}`, value: of(name, "tps"), unit: "tps", ...beside("tps"), ...(daemon && { aim: { ratio: ">= 2" } }), note: range });
    rows.push({ what: "  WAL a transaction, with its entries", value: of(name, "wal"), unit: "bytes", ...beside("wal") });
    rows.push({ what: "  CPU a transaction", value: of(name, "total"), unit: "us", ...beside("total"), note: daemon ? `${Math.round(of(name, "herald"))} of them pgherald's, after the commit` : "" });
    if (!daemon) continue;
    rows.push({ what: "  until all of it was stored", value: of(name, "sustained"), unit: "tps", ...beside("sustained") });
    rows.push({ what: "  behind at the end", value: of(name, "drain"), unit: "s", note: `${Math.round(of(name, "lag") / 1000)} kB of WAL` });
  }
  return rows;
}

export async function run(cluster) {
  const folder = mkdtempSync(join(tmpdir(), "pgherald-bench-"));
  const env = await Env.start({ cluster, daemon: false });
  const rows = [];
  try {
    await env.db.query(setUp);
    for (const [workload, scripts] of Object.entries(workloads)) rows.push(...tableOf(workload, await takeTurns(env, scripts, folder)));
  } finally {
    rmSync(folder, { recursive: true });
    await env.stop();
  }
  return { title: `What auditing costs: pgbench on the seed tables, ${CLIENTS} clients, ${ROUNDS} x ${SECONDS} s each`, rows };
}
