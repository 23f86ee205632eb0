// What the daemon gives up and what it does not tell: root, the database's certificate unchecked, secrets.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync, mkdirSync, chownSync, chmodSync } from "node:fs";
import { join } from "node:path";
import { Cluster, Env, eventually, temporaryFolder } from "./harness.mjs";

const isRoot = process.getuid() === 0;
const facts = (pid) => Object.fromEntries(readFileSync(`/proc/${pid}/status`, "utf8").split("\n").map((line) => line.split(":\t")).filter(([key]) => key));

test("run_as: root is given up before anything is read, and nothing of it is left", { skip: !isRoot && "only root can give root up" }, async (t) => {
  const env = await Env.start({ seed: false, config: { run_as: "nobody" } });
  t.after(() => env.stop());
  const nobody = execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }).trim();
  for (const task of execFileSync("ls", [`/proc/${env.daemon.pid}/task`], { encoding: "utf8" }).trim().split("\n")) {
    const status = facts(task);
    assert.deepEqual(status.Uid.split("\t"), [nobody, nobody, nobody, nobody]);
    assert.match(status.CapEff, /^0+$/);
    assert.match(status.CapPrm, /^0+$/);
    assert.equal(status.NoNewPrivs, "1");
    assert.doesNotMatch(` ${status.Groups ?? ""} `, / 0 /, "not in root's group");
  }
  await env.db.query("create table public.things (id int primary key)");
  await env.db.query("insert into public.things values (1)");
  await env.caughtUp();
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.things'")).n, 1);
});

test("run_as: a user that is not there, or is root, is a wrong setting", { skip: !isRoot && "only root is asked" }, async (t) => {
  const env = await Env.start({ seed: false, daemon: false });
  t.after(() => env.stop());
  for (const [user, reason] of [["no-such-user", /run_as: there is no user "no-such-user" on this machine/], ["root", /run_as: user "root" is root/]]) {
    env.settings.run_as = user;
    const { code, stderr } = await env.command("run");
    assert.equal(code, 78);
    assert.match(stderr, reason);
  }
});

test("sslmode=verify-full: the right certificate is taken, another one is refused and said", async (t) => {
  const cluster = await Cluster.start({ own: true });
  const folder = temporaryFolder("pgtls");
  const authority = (name) => {
    const at = join(folder, name);
    mkdirSync(at);
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", join(at, "key"), "-out", join(at, "cert"), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], { stdio: "ignore" });
    return at;
  };
  const [ours, foreign] = [authority("ours"), authority("foreign")];
  const env = await Env.start({ cluster, seed: false, daemon: false });
  t.after(async () => {
    await env.stop();
    cluster.stop();
  });
  const { dir } = await env.row("select current_setting('data_directory') as dir");
  const owner = Number(execFileSync("stat", ["-c", "%u", dir], { encoding: "utf8" }));
  for (const [from, to] of [["cert", "server.crt"], ["key", "server.key"]]) {
    writeFileSync(join(dir, to), readFileSync(join(ours, from)));
    if (isRoot) chownSync(join(dir, to), owner, owner);
    chmodSync(join(dir, to), 0o600);
  }
  await env.db.query("alter system set ssl = on");
  await env.db.query("select pg_reload_conf()");
  const url = (root) => `postgresql://postgres@localhost:${cluster.port}/${env.name}?sslmode=verify-full&sslrootcert=${join(root, "cert")}`;

  env.settings.database_url = url(foreign);
  await env.run([], { ready: false });
  await eventually(() => /certificate verify failed/.test(env.logText()), "the foreign certificate to be refused");
  await env.kill("SIGTERM");
  env.settings.database_url = url(ours);
  await env.run();
  const plain = await env.rows("select a.application_name from pg_stat_activity a join pg_stat_ssl s using (pid) where a.application_name like 'pgherald%' and not s.ssl");
  assert.deepEqual(plain, [], "every connection is encrypted");
});

test("secrets are in nobody's sight: not in argv, not in the log at debug, not in status, not in config", async (t) => {
  const env = await Env.start({ seed: false, config: { log_level: "debug" } });
  t.after(() => env.stop());
  const password = "open-sesame-31337";
  env.settings.database_url = env.settings.database_url.replace("postgres@", `postgres:${password}@`);
  await env.kill("SIGTERM");
  await env.run();
  const said = [
    readFileSync(`/proc/${env.daemon.pid}/cmdline`, "utf8"),
    env.logText(),
    JSON.stringify(await env.stats()),
    ...(await Promise.all([["status"], ["status", "--json"], ["config"], ["doctor"]].map(async (words) => JSON.stringify(await env.command(...words))))),
  ];
  for (const text of said) {
    assert.ok(!text.includes(env.secret), "the secret of tokens");
    assert.ok(!text.includes(password), "the database's password");
  }
  env.settings.database_url = `postgresql://postgres:${password}@127.0.0.1:1/${env.name}`;
  const { stdout, stderr } = await env.command("doctor");
  assert.ok(!(stdout + stderr).includes(password), "nor in an error");
});
