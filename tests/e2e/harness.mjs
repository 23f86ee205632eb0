// What every end-to-end test stands on: a private PostgreSQL, a database of its own, the daemon.
//
// tests/e2e/run.sh starts one cluster for the whole run and says where it is in
// PGHERALD_TEST_CLUSTER; a test started alone starts one itself. Every test file has its own
// database, slot and ports.
import { spawn, execFileSync } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { readFileSync, mkdtempSync, openSync, closeSync, rmSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";

export const top = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
// The output plugin that this run tries: PGHERALD_PLUGIN=pgoutput tests/e2e/run.sh
export const plugin = process.env.PGHERALD_PLUGIN || "wal2json";
export const binary = resolve(process.env.PGHERALD_BINARY ?? join(top, "build/pgherald"));

// How much more memory a program may use than one that is not sanitized: the address sanitizer keeps
// what is freed for a while, the thread sanitizer remembers who touched what.
export const spareMemory = () => (/__[at]san_init/.test(readFileSync(binary, "latin1")) ? 10 : 1);

// Values as the text PostgreSQL sends: nothing may lose a digit on the way into a test either.
pg.types.setTypeParser(20, (text) => text);
pg.types.setTypeParser(1700, (text) => text);
pg.types.setTypeParser(1184, (text) => text);

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// A folder that is gone when all has gone well.
const folders = [];
process.once("exit", (code) => {
  if (code === 0) for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
export function temporaryFolder(name) {
  folders.push(mkdtempSync(join(tmpdir(), `pgherald-${name}-`)));
  return folders.at(-1);
}

// A library of our own, from tests/e2e/NAME.c, for LD_PRELOAD: everybody may read it.
export function preloadable(name) {
  const folder = temporaryFolder(name);
  chmodSync(folder, 0o755);
  const library = join(folder, `${name}.so`);
  execFileSync("cc", ["-shared", "-fPIC", "-o", library, join(top, `tests/e2e/${name}.c`), "-ldl"]);
  return library;
}

// Below those that the system lends to clients and to listen(0), since a port that is only looked at may be taken
// meanwhile. Each lane of a run has a range of its own, so that no other looks there.
const PORTS = 3000;
const firstPort = Number(process.env.PGHERALD_TEST_PORTS || 10_000);
let ports = Math.floor(Math.random() * PORTS);

export async function freePort() {
  for (;;) {
    const port = firstPort + (ports++ % PORTS);
    const probe = createServer();
    const isFree = await new Promise((done) => probe.once("error", () => done(false)).listen(port, "127.0.0.1", () => done(true)));
    if (!isFree) continue;
    await new Promise((done) => probe.close(done));
    return port;
  }
}

// How much longer than usual a thing that is awaited may take: sanitizers and other work on the machine slow it down.
export const patience = Number(process.env.PGHERALD_TEST_PATIENCE || 1);

// Asks until `question` gives something true, and says what was awaited if it never does.
export async function eventually(question, what, usual = 15000) {
  const ms = usual * patience;
  const deadline = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const answer = await question();
      if (answer) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${ms} ms for: ${what}${last ? ` (${last.message})` : ""}`);
    }
    await sleep(25);
  }
}

const base64url = (value) => Buffer.from(value).toString("base64url");

export function jwt(secret, claims) {
  const now = Math.floor(Date.now() / 1000);
  const head = base64url(JSON.stringify({ alg: "HS256", typ: "JWT" }));
  const body = base64url(JSON.stringify({ iat: now, exp: now + 3600, ...claims }));
  const signature = createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url");
  return `${head}.${body}.${signature}`;
}

// A private cluster: the shared one of the run, or one of its own (`own`), which may be stopped,
// killed and started again.
export class Cluster {
  // `environment` is what its processes get on top.
  static async start({ own = false, environment = {} } = {}) {
    if (!own && process.env.PGHERALD_TEST_CLUSTER) {
      return new Cluster(Number(process.env.PGHERALD_TEST_CLUSTER), null);
    }
    const folder = temporaryFolder("e2e");
    const cluster = new Cluster(await freePort(), folder, environment);
    cluster.script("start");
    return cluster;
  }

  constructor(port, folder, environment) {
    this.port = port;
    this.folder = folder;
    this.environment = environment;
  }

  script(verb, ...rest) {
    return execFileSync(join(top, "scripts/cluster.sh"), [verb, this.folder, String(this.port), ...rest], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...this.environment },
    });
  }

  url(database) {
    return `postgresql://postgres@127.0.0.1:${this.port}/${database}`;
  }

  // As a machine that loses power: the postmaster is gone, its children follow.
  async crash() {
    const [pid] = readFileSync(join(this.folder, "data/postmaster.pid"), "utf8").split("\n");
    process.kill(Number(pid), "SIGKILL");
    const isGone = () => {
      try {
        process.kill(Number(pid), 0);
        return false;
      } catch {
        return true;
      }
    };
    await eventually(isGone, "the postmaster's end");
  }

  // After a crash the old shared memory may be held for a moment.
  start() {
    return eventually(() => this.script("start"), "PostgreSQL to start again");
  }

  stop() {
    if (this.folder) this.script("stop");
  }
}

// A database of the shared cluster with the schema in it and without a publication, made once. Files of one
// cluster run one after another.
async function template(cluster, args) {
  const name = args.length ? "template_seed" : "template_sidecar";
  const env = new Env();
  env.cluster = cluster;
  env.name = `${name}_new`;
  env.settings = { database_url: cluster.url(env.name), slot_name: env.name };
  env.db = await env.connect("postgres");
  if (!(await env.row("select 1 from pg_database where datname = $1", [name]))) {
    await env.db.query(`create database ${env.name}`);
    await env.init(args);
    await env.db.query("select pg_drop_replication_slot($1)", [env.name]);
    const inside = await env.connect();
    await inside.query("drop publication pgherald");
    await inside.end();
    await env.db.query(`alter database ${env.name} rename to ${name}`);
  }
  await env.db.end();
  return name;
}

export class Env {
  // options: cluster, seed (the application's tables), config (settings), daemon (start it)
  static async start(options = {}) {
    const env = new Env();
    env.ownsCluster = !options.cluster; // who brings a cluster also stops it
    env.cluster = options.cluster ?? (await Cluster.start());
    env.name = `e2e_${randomBytes(5).toString("hex")}`;
    env.secret = randomBytes(32).toString("hex");
    env.port = await freePort();
    env.adminPort = await freePort();
    env.settings = {
      database_url: env.cluster.url(env.name),
      slot_name: env.name,
      listen: `127.0.0.1:${env.port}`,
      admin_listen: `127.0.0.1:${env.adminPort}`,
      jwt_secret: env.secret,
      webhook_allow_private: "on",
      plugin, // what the run is about, else the default
      ...options.config,
    };
    const withSeed = options.seed === false ? [] : ["--with-seed-app"];
    // A copy has the same schema in a tenth of the time; what the database has before init needs init's own.
    const copied = options.init !== false && !options.before && !env.cluster.folder;
    await env.admin(`create database ${env.name} ${copied ? `template ${await template(env.cluster, withSeed)}` : ""}`);
    env.db = await env.connect();
    try {
      if (options.before) await options.before(env);
      if (options.init !== false) await env.init(withSeed);
      if (options.daemon !== false) await env.run();
    } catch (error) {
      await env.stop().catch(() => {});
      throw error;
    }
    return env;
  }

  url(path = "") {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  get environment() {
    const environment = { ...process.env, ...this.preloaded };
    for (const [key, value] of Object.entries(this.settings)) {
      environment[`PGHERALD_${key.toUpperCase()}`] = value;
    }
    return environment;
  }

  // Runs a subcommand to its end: { code, stdout, stderr }.
  command(...args) {
    return new Promise((done, fail) => {
      const child = spawn(binary, args, { env: this.environment, cwd: tmpdir() });
      const out = { stdout: "", stderr: "" };
      child.stdout.on("data", (chunk) => (out.stdout += chunk));
      child.stderr.on("data", (chunk) => (out.stderr += chunk));
      child.once("error", fail);
      child.once("close", (code) => done({ code, ...out }));
    });
  }

  // A slot that is being made may wait for the server's next note of running transactions, which
  // comes every 15 s, and with each checkpoint.
  async init(args = []) {
    const hurry = setInterval(() => this.admin("checkpoint").catch(() => {}), 500);
    const { code, stderr } = await this.command("init", ...args);
    clearInterval(hurry);
    if (code !== 0) throw new Error(`pgherald init exited with ${code}: ${stderr}`);
  }

  // Starts the daemon and waits until it says that it is ready.
  async run(args = [], { ready = true } = {}) {
    this.log = join(temporaryFolder("log"), "log");
    const fd = openSync(this.log, "a");
    this.daemon = spawn(binary, ["run", ...args], { env: this.environment, cwd: tmpdir(), stdio: ["ignore", fd, fd] });
    closeSync(fd);
    this.exited = new Promise((done) => this.daemon.once("exit", (code, signal) => done({ code, signal })));
    if (!ready) return;
    const gone = this.exited.then((how) => {
      throw new Error(`the daemon ended early (${JSON.stringify(how)}):\n${this.logText()}`);
    });
    gone.catch(() => {});
    await Promise.race([this.ready(), gone]);
  }

  async ready() {
    await eventually(async () => (await fetch(`http://127.0.0.1:${this.adminPort}/readyz`)).status === 200, "/readyz");
  }

  logText() {
    return readFileSync(this.log, "utf8");
  }

  // One that goes on regardless ends with a SIGABRT. Told to stop it has to end well: a sanitizer's complaint is an
  // exit code too.
  async kill(signal = "SIGKILL") {
    this.daemon.kill(signal);
    const late = setTimeout(() => this.daemon.kill("SIGABRT"), 60_000 * patience);
    const how = await this.exited;
    clearTimeout(late);
    if (signal === "SIGTERM" && how.code !== 0) throw new Error(`the daemon ended with ${how.code ?? how.signal}:\n${this.logText()}`);
    return how;
  }

  async connect(database = this.name) {
    const client = new pg.Client({ connectionString: this.cluster.url(database), connectionTimeoutMillis: 10_000 });
    client.on("error", () => {}); // a server that is stopped on purpose
    await client.connect();
    return client;
  }

  async admin(sql) {
    const client = await this.connect("postgres");
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  }

  async rows(sql, params) {
    return (await this.db.query(sql, params)).rows;
  }

  async row(sql, params) {
    return (await this.rows(sql, params))[0];
  }

  // A user of the seed application, with a token of his own.
  async user(name = randomBytes(4).toString("hex")) {
    const { id } = await this.row("insert into public.users (id, email) values (gen_random_uuid(), $1) returning id", [
      `${name}@example.com`,
    ]);
    return { id, token: jwt(this.secret, { role: "authenticated", sub: id }) };
  }

  async stats() {
    return (await fetch(`http://127.0.0.1:${this.adminPort}/status.json`)).json();
  }

  // Everything committed before this call is durable in the effects after it.
  async caughtUp(ms = 30000) {
    const { lsn } = await this.row("select pg_current_wal_lsn()::text as lsn");
    await eventually(
      async () => (await this.row("select confirmed_flush_lsn >= $1::pg_lsn as done from pg_replication_slots where slot_name = $2", [lsn, this.name])).done,
      `the slot to pass ${lsn}`,
      ms,
    );
  }

  async stop() {
    if (this.daemon && this.daemon.exitCode === null && this.daemon.signalCode === null) await this.kill("SIGTERM");
    await this.db.end().catch(() => {});
    await eventually(async () => {
      await this.admin(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '${this.name}'`);
      return true;
    }, "the slot to be free");
    await this.admin(`drop database if exists ${this.name} with (force)`);
    if (this.ownsCluster) this.cluster.stop();
  }
}
