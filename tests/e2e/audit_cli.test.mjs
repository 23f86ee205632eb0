// pgherald audit: log, history, show, revert and export, as an operator types them.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Env, binary, patience, spareMemory, temporaryFolder } from "./harness.mjs";
import { checkEntityManagement } from "./ocsf.mjs";

describe("pgherald audit", { timeout: 120000 * patience }, () => {
  let env;
  let middle; // a moment between two changes
  let rename; // the transaction that renamed note 1

  before(async () => {
    env = await Env.start({
      seed: false,
      before: (e) =>
        e.db.query(`
          create table notes (id int primary key, title text, rank numeric, secret text);
          alter table notes replica identity full;
          create table pairs (a int, b text, v text, primary key (a, b));
          alter table pairs replica identity full;`),
    });
    await env.db.query("insert into pgherald.audit_policies (table_name, redact) values ('public.notes', '{secret}')");
    await env.db.query("insert into notes values (1, 'first', 1.00000000000000000000000000000001, 's'), (2, 'it''s, \"quoted\"', 2, 's')");
    await env.caughtUp();
    middle = (await env.row("select clock_timestamp()::text as at")).at;
    await env.db.query("begin");
    await env.db.query("update notes set title = 'renamed' where id = 1");
    rename = (await env.row("select pg_current_xact_id()::xid::text as xid")).xid;
    await env.db.query("commit");
    await env.db.query("insert into pairs values (1, 'x', 'v')");
    await env.db.query("delete from notes where id = 2");
    await env.caughtUp();
  });
  after(() => env?.stop());

  const audit = async (...args) => {
    const answer = await env.command("audit", ...args);
    return answer;
  };
  const json = async (...args) => {
    const { code, stdout, stderr } = await audit(...args, "--json");
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };

  test("log: the newest first, and each filter", async () => {
    const all = await json("log", "--table", "notes");
    assert.deepEqual(all.map((e) => [e.action, e.key]), [["delete", "2"], ["update", "1"], ["insert", "2"], ["insert", "1"]]);
    assert.equal(all[1].new_values.title, "renamed");
    assert.match((await audit("log", "--table", "notes", "--json")).stdout, /"rank": 1\.00000000000000000000000000000001/, "each digit");
    const keys = async (...args) => (await json("log", ...args)).map((e) => `${e.table} ${e.action} ${e.key}`);
    assert.deepEqual(await keys("--table", "public.notes", "--key", "1"), ["public.notes update 1", "public.notes insert 1"]);
    assert.deepEqual(await keys("--table", "pairs", "--key", '[1, "x"]'), ['public.pairs insert [1,"x"]']);
    assert.deepEqual(await keys("--table", "notes", "--action", "delete,update"), ["public.notes delete 2", "public.notes update 1"]);
    assert.deepEqual(await keys("--table", "notes", "--action", " INSERT , login", "--limit", "1"), ["public.notes insert 2"]);
    assert.deepEqual(await keys("--table", "notes", "--until", middle), ["public.notes insert 2", "public.notes insert 1"]);
    assert.deepEqual(await keys("--table", "notes", "--since", middle, "--limit", "1"), ["public.notes delete 2"]);
    assert.deepEqual(await keys("--user", "00000000-0000-4000-8000-000000000000"), []);
  });

  test("log --where: the one grammar, on the values of their time", async () => {
    const keys = async (where) => (await json("log", "--where", where)).map((e) => `${e.action} ${e.key}`);
    assert.deepEqual(await keys("rank=gt.1.00000000000000000000000000000001"), ["delete 2", "insert 2"]);
    assert.deepEqual(await keys("old.title=eq.first,title=like.ren*"), ["update 1"]);
    assert.deepEqual(await keys("title=eq.nothing"), []);
    await env.db.query("alter table notes add extra int");
    assert.deepEqual((await audit("log", "--table", "notes", "--where", "titel=is.null,extra=eq.1")).stderr, 'pgherald: public.notes has no column "titel" now\n');
    await env.db.query("alter table notes drop extra");
    const { code, stderr } = await audit("log", "--where", "title");
    assert.equal(code, 64);
    assert.match(stderr, /--where/);
  });

  test("log as a table, and its mistakes", async () => {
    const { stdout } = await audit("--table", "notes", "--limit", "2");
    assert.match(stdout, /^time +action +table +key/);
    assert.equal(stdout.trim().split("\n").length, 3);
    for (const [args, code, says = ""] of [
      [["log", "--key", "1"], 64],
      [["log", "--since", "yesterday"], 64],
      [["log", "--since", "1h", "--until", "2h"], 64],
      [["log", "--user", "ann"], 64],
      [["log", "--limit", "0"], 64],
      [["log", "--where", "title=is.what"], 64],
      [["log", "--table", "notes", "--where", "rank=eq.first"], 1, '"first" is no value of column "rank" of public.notes'],
      [["log", "--table", "nots"], 1, "neither the database nor the audit trail has nots"],
      [["export", "--format", "csv", "--table", "nots"], 1, "has nots"],
      [["revert", "--table", "notes,nots", "--since", "1h"], 1, "has nots"],
      [["history", "nots", "1"], 1, "has nots"],
      [["show", "--as-of", "2100-01-01", "notes", "1"], 64, "in the future"],
      [["show", "--as-of", "1h", "nots", "1"], 1, "has nots"],
      [["log", "--apply"], 64],
      [["history", "notes"], 64],
      [["show", "notes", "1"], 64],
      [["revert"], 64],
      [["revert", "word"], 64],
      [["revert", "--table", "notes"], 64],
      [["revert", "5", "--force"], 64],
      [["revert", "5", "--table", "notes"], 64],
      [["export"], 64],
      [["export", "--format", "xml"], 64],
      [["export", "--format", "csv", "--output", "/nowhere/file"], 1, "/nowhere/file: No such file"],
    ]) {
      const answer = await audit(...args);
      assert.equal(answer.code, code, `${args}: ${answer.stderr}`);
      assert.match(answer.stderr, /^pgherald: /);
      assert.ok(answer.stderr.includes(says), answer.stderr);
    }
  });

  test("where nothing is installed, how to is said", async () => {
    const { code, stderr } = await new Promise((done) => {
      const child = spawn(binary, ["audit"], { env: { ...env.environment, PGHERALD_DATABASE_URL: env.cluster.url("postgres") } });
      let text = "";
      child.stderr.on("data", (chunk) => (text += chunk));
      child.once("close", (status) => done({ code: status, stderr: text }));
    });
    assert.deepEqual([code, stderr.split("\n")[1]], [1, "  hint: run pgherald init"]);
  });

  test("history: versions as a diff", async () => {
    const { code, stdout } = await audit("history", "notes", "1");
    assert.equal(code, 0);
    assert.match(stdout, /^version 1 .* insert\n  \+ id: 1\n  \+ rank: 1\.00000000000000000000000000000001\n/);
    assert.match(stdout, /version 2 .* update\n  - title: "first"\n  \+ title: "renamed"\n$/);
    assert.doesNotMatch(stdout, /\x1b/, "no colours where nobody sees them");
    const versions = await json("history", "notes", "1");
    assert.deepEqual(versions[1].diff, { title: { old: "first", new: "renamed" } });
    assert.equal((await json("history", "notes", "77")).length, 0);
    assert.match((await audit("history", "pairs", "1")).stderr, /has 2 columns: give it as a JSON array/);
  });

  test("show --as-of", async () => {
    assert.equal((await json("show", "--as-of", middle, "notes", "1")).title, "first");
    assert.equal((await json("show", "notes", "1", "--as-of", "0s")).title, "renamed");
    assert.equal(await json("show", "--as-of", "1w", "notes", "1"), null);
    assert.equal((await json("show", "--as-of", middle, "public.notes", "2")).title, 'it\'s, "quoted"');
  });

  test("revert prints what undoes, and psql can run it", async () => {
    const { code, stdout } = await audit("revert", rename);
    assert.equal(code, 0);
    assert.match(stdout, /^begin;\n/);
    assert.match(stdout, /\nupdate public.notes t set title = 'first' where t.id = '1' and t.title = 'renamed';\n/);
    await env.db.query(stdout.replace(/commit;\s*$/, ""));
    assert.equal((await env.row("select title from notes where id = 1")).title, "first");
    await env.db.query("rollback");
  });

  test("revert says what cannot be undone, and does nothing then", async () => {
    const printed = await audit("revert", "--table", "notes", "--since", middle);
    assert.equal(printed.code, 1);
    assert.match(printed.stdout, /CANNOT BE UNDONE: .*secret/);
    assert.match(printed.stderr, /1 of 2 changes cannot be undone/);
    const applied = await audit("revert", "--table", "notes", "--since", middle, "--apply", "--force");
    assert.equal(applied.code, 1);
    assert.match(applied.stderr, /secret[\s\S]*Nothing was changed/);
    assert.equal((await env.row("select title from notes where id = 1")).title, "renamed");
  });

  test("revert --apply, conflicts, and --force", async () => {
    await env.db.query("update notes set rank = 100 where id = 1");
    const one = await audit("revert", rename, "--apply");
    assert.equal(one.code, 0, one.stderr);
    assert.deepEqual(await env.row("select title, rank from notes where id = 1"), { title: "first", rank: "100" });
    const again = await audit("revert", rename, "--apply");
    assert.equal(again.code, 1);
    assert.match(again.stderr, /changed since: title/);
    await env.db.query("update notes set title = 'other' where id = 1");
    assert.equal((await audit("revert", rename, "--apply", "--force")).code, 0);
    assert.equal((await env.row("select title from notes where id = 1")).title, "first");
  });

  test("export: ndjson, csv to a file, ocsf", async () => {
    const { code, stdout, stderr } = await audit("export", "--format", "ndjson", "--table", "notes", "--until", middle);
    assert.equal(code, 0);
    assert.match(stderr, /2 entries exported/);
    const lines = stdout.trim().split("\n").map((l) => JSON.parse(l));
    assert.deepEqual(lines.map((l) => l.new_values.secret), ["[redacted]", "[redacted]"]);

    const file = join(temporaryFolder("export"), "trail.csv");
    assert.equal((await audit("export", "--format", "csv", "--output", file, "--table", "notes", "--until", middle)).code, 0);
    const rows = readFileSync(file, "utf8").split("\r\n");
    assert.match(rows[0], /^id,occurred_at,/);
    assert.ok(rows[2].includes('""title"": ""it\'s, \\""quoted\\""""'), rows[2]);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  test("ocsf: what the schema asks of the class, for each kind of entry", async () => {
    await env.db.query("select create_audit_log('login', 'session', '7', p_user_id => '00000000-0000-4000-8000-000000000001', p_ip_address => '10.0.0.1', p_session_id => 's', p_user_agent => 'ua')");
    await env.db.query("insert into audit_logs (action, resource_type, context) values ('read', '/notes', '{\"method\": \"get\", \"path\": \"/notes\"}'), ('gap', 'pgherald.slot', null)");
    const { stdout } = await audit("export", "--format", "ocsf");
    const events = stdout.trim().split("\n").map((l) => JSON.parse(l));
    events.forEach(checkEntityManagement);
    assert.deepEqual([...new Set(events.map((e) => e.activity_id))].sort((a, b) => a - b), [1, 2, 3, 4, 99]);
    const update = events.find((e) => e.activity_id === 3 && e.entity.type === "public.notes");
    assert.deepEqual([update.entity.uid, update.entity_result.data.title, update.unmapped.old_values.title], ["1", "renamed", "first"]);
    const login = events.find((e) => e.activity_name === "login");
    assert.deepEqual([login.actor.user.uid, login.actor.session.uid, login.src_endpoint.ip, login.http_request.user_agent], ["00000000-0000-4000-8000-000000000001", "s", "10.0.0.1", "ua"]);
    assert.equal(events.find((e) => e.entity.name === "/notes").http_request.http_method, "GET");
    assert.ok(events.some((e) => e.metadata.event_code === "audit_revert" && e.status_id === 2), "an undoing that was refused");
  });

  test("reading is an entry too: who asked for what", async () => {
    const last = (action) => env.row("select * from audit_logs where action = $1 order by id desc limit 1", [action]);
    for (const [args, action, asked] of [
      [["history", "notes", "1", "--since", "1d"], "audit_read", { command: "audit history", words: ["notes", "1"], since: "1d" }],
      [["log", "--where", "rank=gt.1", "--action", "insert", "--until", "1s", "--limit", "3"], "audit_read", { command: "audit log", where: "rank=gt.1", action: "insert", until: "1s" }],
      [["show", "notes", "1", "--as-of", "1h"], "audit_read", { command: "audit show", words: ["notes", "1"], as_of: "1h" }],
      [["revert", "1"], "audit_read", { command: "audit revert", words: ["1"] }],
      [["export", "--format", "csv", "--table", "notes", "--user", "00000000-0000-4000-8000-000000000001"], "audit_export", { command: "audit export", format: "csv", table: "notes", user: "00000000-0000-4000-8000-000000000001" }],
      [["log", "--table", "nots"], "audit_read", { command: "audit log", table: "nots" }],
    ]) {
      await audit(...args);
      const { resource_type, resource_id, user_agent, context } = await last(action);
      assert.deepEqual([resource_type, resource_id, user_agent], ["public.audit_logs", null, "pgherald audit"]);
      const { source, session_user, connection, os_user, host, role, application_name, ...rest } = context;
      assert.deepEqual(rest, asked);
      assert.deepEqual({ source, session_user, connection, application_name }, { source: "pgherald", session_user: "postgres", connection: "127.0.0.1", application_name: "pgherald audit" });
      assert.equal(typeof os_user, "string");
    }
  });

  test("undoing is an entry too, in the transaction that did it; and so is what was refused", async () => {
    await env.db.query("update notes set title = 'undo me' where id = 1");
    await env.caughtUp();
    const { xid: last } = await env.row("select xid from audit_logs where resource_type = 'public.notes' order by id desc limit 1");
    assert.equal((await audit("revert", last, "--apply")).code, 0);
    assert.equal((await audit("revert", last, "--apply")).code, 1);
    await env.caughtUp();
    const entries = await env.rows("select action, context -> 'apply' as apply, context -> 'application' as why, new_values, xid from audit_logs where action in ('audit_revert', 'update') order by id desc limit 3");
    const [refused, done] = entries.filter((e) => e.action === "audit_revert");
    assert.match(refused.new_values.error, /changed since: title/);
    assert.deepEqual([done.new_values, done.apply], [{ rows: 1 }, true]);
    const { xid: undone, why } = entries.find((e) => e.action === "update");
    assert.deepEqual([undone, why], [done.xid, { command: "pgherald audit revert" }], "what it changed has the same number, and says why");
  });

  test("who is no owner: what he may, as far as he may", async () => {
    const role = `${env.name}_auditor`;
    await env.db.query(`create role ${role} login; grant service_role to ${role}`);
    try {
      const url = env.cluster.url(env.name).replace("postgres@", `${role}@`);
      const child = { ...env.environment, PGHERALD_DATABASE_URL: url };
      const run = (...args) => execFileSync(binary, ["audit", ...args], { env: child, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
      assert.throws(() => run("log"), /row level security hides entries of the audit trail from this login/);
      await env.db.query(`alter role ${role} bypassrls`);
      assert.equal(JSON.parse(run("history", "notes", "1", "--json"))[0].diff.title.new, "first");
      assert.equal((await env.row("select context ->> 'session_user' as u from audit_logs where action = 'audit_read' order by id desc limit 1")).u, role);
      await env.db.query(`revoke service_role from ${role}`);
      assert.throws(() => run("history", "notes", "1"), /permission denied/);
    } finally {
      await env.db.query(`drop owned by ${role}; drop role ${role}`);
    }
  });

  test("| head ends quietly, a full disk does not", async () => {
    const shell = (line) => {
      try {
        return { code: 0, out: execFileSync("bash", ["-c", `set -o pipefail; trap '' PIPE; ${line}`], { env: { ...env.environment, P: binary }, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }), err: "" };
      } catch (error) {
        return { code: error.status, out: error.stdout, err: error.stderr };
      }
    };
    await env.db.query("insert into audit_logs (action, resource_type, new_values) select 'many', 'many', jsonb_build_object('n', repeat('x', 1000)) from generate_series(1, 3000)");
    for (const line of ['"$P" audit export --format ndjson | head -n 1', '"$P" audit log --action many --limit 3000 --json | head -n 1', '"$P" audit log --action many --limit 3000 | head -n 1']) {
      const { code, err } = shell(line);
      assert.deepEqual([code, err], [141, ""], line);
    }
    for (const line of ['"$P" audit log > /dev/full', '"$P" audit export --format csv > /dev/full', '"$P" audit history notes 1 > /dev/full']) {
      const { code, err } = shell(line);
      assert.equal(code, 1, line);
      assert.match(err, /^pgherald: cannot write to stdout: No space left on device\n$/);
    }
  });

  // The most memory that a command had, in MB.
  function peak(...args) {
    return new Promise((done, fail) => {
      const child = spawn(binary, ["audit", ...args], { env: env.environment, stdio: ["ignore", "ignore", "pipe"] });
      let most = 0;
      let stderr = "";
      const timer = setInterval(() => {
        try {
          most = Math.max(most, Number(readFileSync(`/proc/${child.pid}/status`, "utf8").match(/VmHWM:\s+(\d+) kB/)?.[1] ?? 0) / 1024);
        } catch {} // it is gone
      }, 5);
      child.stderr.on("data", (chunk) => (stderr += chunk));
      child.once("error", fail);
      child.once("close", (code) => {
        clearInterval(timer);
        done({ code, stderr, most });
      });
    });
  }

  test("300,000 entries and large ones pass in constant memory", async (t) => {
    await env.db.query(`insert into audit_logs (action, resource_type, resource_id, old_values, new_values, changed_fields)
      select 'update', 'public.notes', n, jsonb_build_object('id', n, 'title', 'a'), jsonb_build_object('id', n, 'title', 'b'), '{title}' from generate_series(1, 300000) n`);
    await env.db.query(`insert into audit_logs (action, resource_type, new_values) select 'large', 'large', jsonb_build_object('n', repeat('x', 1000000)) from generate_series(1, 40)`);
    const limit = spareMemory() > 1 ? 800 : 40; // MB; a sanitizer's own memory is in the way
    for (const args of [
      ["export", "--format", "ndjson", "--action", "update"],
      ["export", "--format", "csv", "--action", "large"],
      ["export", "--format", "ocsf", "--action", "large"],
      ["log", "--limit", "10000", "--action", "update"],
      ["log", "--where", "n=eq.never", "--action", "large"],
      ["log", "--json", "--action", "large", "--limit", "100"],
    ]) {
      const started = Date.now();
      const { code, stderr, most } = await peak(...args);
      t.diagnostic(`${args.join(" ")}: ${Math.round(most)} MB, ${Date.now() - started} ms`);
      assert.equal(code, 0, stderr);
      assert.ok(most > 1 && most < limit, `${args}: ${most} MB`);
      if (args[2] === "ndjson") assert.match(stderr, /^pgherald: 30000\d entries exported/);
    }
  });
});
