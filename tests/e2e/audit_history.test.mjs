// The audit trail read back: 10,000 random operations go through the daemon while a model in this file
// keeps what the tables hold. What the trail says of a moment has to be what the model was then, and
// undoing everything since has to bring it back.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Env, patience, plugin } from "./harness.mjs";

const OPERATIONS = Number(process.env.AUDIT_OPERATIONS ?? 10000);
const MOMENTS = 12;
const seed = Number(process.env.AUDIT_SEED ?? Date.now() % 1e9);

// Small and good enough, and the same again with the same seed (mulberry32).
let random32 = seed;
function random() {
  random32 = (random32 + 0x6d2b79f5) | 0;
  let t = Math.imul(random32 ^ (random32 >>> 15), 1 | random32);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const maybe = (make) => (below(6) === 0 ? null : make());
const words = ["", "a", "Ärger", "it's", 'say "x"', "back\\slash", "a,b", "{}", "NULL", "tab\there", "\u{1f600}", "null", "%s", "line\nbreak"];

// pgoutput has no generated columns before PostgreSQL 18, so there it is one like any other
const generated = plugin === "pgoutput" ? "twice bigint" : "twice bigint generated always as (id * 2) stored";
const schema = `
  create type mood as enum ('sad', 'it''s ok');
  create domain positive as int check (value > 0);
  create type point3 as (x int, "Y y" text);
  create table "Odd ""t"" x" (
    id bigint primary key, "select" text, num numeric, js jsonb, tags text[], grid int[], raw bytea, at timestamptz,
    "local" timestamp, day date, u uuid, ok boolean, f float8, r real, span interval, rng int4range, m mood, p positive,
    c point3, addr inet, ch char(5), ${generated});
  create table pairs (a int, b text, v text, big text, primary key (a, b));
  alter table pairs alter big set storage external;
  create table wide (id int primary key, n int, big text, "Big 2" text);
  alter table wide alter big set storage external, alter "Big 2" set storage external;
  create table parents (id int primary key, name text);
  create table children (id int primary key, parent_id int references parents on delete cascade on update cascade, note text);
  create table toys (id int primary key, child_id int references children on delete cascade, loved_by int references parents on delete set null on update cascade);
  create table loose (a int, b text);
`;
// In none of them a trigger or default would change what is put back.
const tables = ['"Odd ""t"" x"', "pairs", "parents", "children", "toys", "loose", "wide"];
const keyed = tables.filter((t) => t !== "loose");
// Of `wide` the stream has no old row, and of a large value only when it was changed: it can be read
// back, but not undone.
const undone = tables.filter((t) => t !== "wide");
const large = () => pick(words) + pick("xyz").repeat(2500 + below(3000)); // stored apart, as it is

// NaN and Infinity of numbers are not among them: wal2json sends null in their place.
const values = {
  '"select"': () => maybe(() => pick(words)),
  num: () => maybe(() => pick(["0", "-1.50", "123456789012345678901234567890.000000001", "1e-20"])),
  js: () => maybe(() => JSON.stringify(pick([{}, [], { a: [1, null, "x"] }, "text", 1.5, true, { "ä\"": { b: 12345678901234 } }]))),
  tags: () => maybe(() => pick([[], ["a", "b c"], [null, "NULL", 'q"']])),
  grid: () => maybe(() => pick(["{}", "{{1,2},{3,4}}", "{1,NULL,3}"])),
  raw: () => maybe(() => Buffer.from(pick(["", "\0\x01", "abc\\'"]), "latin1")),
  at: () => maybe(() => pick(["2026-01-01 10:00:00.123456+02", "infinity", "0044-03-15 12:00:00+00 BC", "1999-12-31 23:59:59Z"])),
  '"local"': () => maybe(() => pick(["2026-03-29 02:30:00", "-infinity"])),
  day: () => maybe(() => pick(["2026-02-28", "0001-01-01"])),
  u: () => maybe(() => "00000000-0000-4000-8000-" + String(below(1e6)).padStart(12, "0")),
  ok: () => maybe(() => below(2) === 0),
  f: () => maybe(() => pick(["0.1", "1e300", "123456789.123456789"])),
  r: () => maybe(() => pick(["0.1", "3.4e38"])),
  span: () => maybe(() => pick(["1 mon -2 days 03:04:05.6", "00:00:00", "-1 year"])),
  rng: () => maybe(() => pick(["empty", "[1,5)", "(,3)"])),
  m: () => maybe(() => pick(["sad", "it's ok"])),
  p: () => maybe(() => 1 + below(9)),
  c: () => maybe(() => pick(["(1,)", '(,"a b")', '(5,"q""x")'])),
  addr: () => maybe(() => pick(["10.0.0.1/8", "::1"])),
  ch: () => maybe(() => pick(["ab", "abcde", ""])),
};

// A model is a Map of key to the row's jsonb as text; of the table without a key the rows' texts.
class Model {
  constructor() {
    this.rows = Object.fromEntries(tables.map((t) => [t, new Map()]));
  }
  copy() {
    const copy = new Model();
    for (const t of tables) copy.rows[t] = new Map(this.rows[t]);
    return copy;
  }
  // Sorted, so that two of them can be compared.
  list(t) {
    return [...this.rows[t].entries()].map(([k, v]) => (t === "loose" ? v : `${k} ${v}`)).sort();
  }
}

const keyOf = {
  '"Odd ""t"" x"': (row) => String(row.id),
  pairs: (row) => `[${row.a},${JSON.stringify(row.b)}]`,
  wide: (row) => String(row.id),
  parents: (row) => String(row.id),
  children: (row) => String(row.id),
  toys: (row) => String(row.id),
  loose: (row) => JSON.stringify(row),
};

describe(`the audit trail read back (AUDIT_SEED=${seed})`, { timeout: 400000 * patience }, () => {
  let env;
  let model = new Model();
  const moments = [];
  let next = 1;

  // The model is told by the tables themselves what a transaction left, row by row; what cascades
  // is read again.
  async function reload(t) {
    const rows = await env.rows(`select to_jsonb(t)::text as j from ${t} t`);
    model.rows[t] = new Map(rows.map(({ j }, i) => [t === "loose" ? i : keyOf[t](JSON.parse(j)), j]));
  }

  const keys = (t) => [...model.rows[t].values()].map((j) => JSON.parse(j));
  const run = (sql, params) => env.db.query(sql, params);

  async function insert(t) {
    if (t === '"Odd ""t"" x"') {
      const names = Object.keys(values);
      await run(`insert into ${t} (id, ${names.join(", ")}) values ($1, ${names.map((_, i) => "$" + (i + 2)).join(", ")})`, [
        next++,
        ...names.map((n) => values[n]()),
      ]);
    } else if (t === "pairs") {
      await run("insert into pairs values ($1, $2, $3, $4) on conflict do nothing", [below(30), pick(words), pick(words), maybe(large)]);
    } else if (t === "wide") {
      await run("insert into wide values ($1, $2, $3, $4)", [next++, below(9), maybe(large), maybe(large)]);
    } else if (t === "parents") {
      await run("insert into parents values ($1, $2)", [next++, pick(words)]);
    } else if (t === "children") {
      await run("insert into children select $1, (select id from parents order by random() limit 1), $2", [next++, pick(words)]);
    } else if (t === "toys") {
      await run(
        "insert into toys select $1, (select id from children order by random() limit 1), (select id from parents order by random() limit 1)",
        [next++],
      );
    } else {
      await run("insert into loose values ($1, $2)", [maybe(() => below(5)), pick(words)]);
    }
  }

  async function update(t) {
    const id = `(select ${t === "pairs" ? "ctid" : "id"} from ${t} order by random() limit 1)`;
    if (t === '"Odd ""t"" x"') {
      const names = [pick(Object.keys(values)), pick(Object.keys(values))].filter((n, i, all) => all.indexOf(n) === i);
      await run(
        `update ${t} set ${below(8) === 0 ? `id = ${next++}, ` : ""}${names.map((n, i) => `${n} = $${i + 1}`).join(", ")} where id = ${id}`,
        names.map((n) => values[n]()),
      );
    } else if (t === "pairs") {
      await run(`update pairs set v = $1${below(4) === 0 ? ", big = b" : ""} where ctid = ${id}`, [pick(words)]);
      if (below(4) === 0) await run(`update pairs set a = $1 where ctid = ${id}`, [next++]);
    } else if (t === "wide") {
      const [set, params] = pick([["n = $1", [below(9)]], ["big = $1", [large()]], [`"Big 2" = $1`, [null]], ["id = $1", [next++]]]);
      await run(`update wide set ${set} where id = ${id}`, params);
    } else if (t === "parents") {
      await run(`update parents set name = $1${below(4) === 0 ? `, id = ${next++}` : ""} where id = ${id}`, [pick(words)]);
    } else if (t === "children") {
      await run(`update children set note = $1, parent_id = (select id from parents order by random() limit 1) where id = ${id}`, [pick(words)]);
    } else if (t === "toys") {
      await run(`update toys set loved_by = (select id from parents order by random() limit 1) where id = ${id}`);
    } else {
      await run("update loose set a = $1 where ctid = (select ctid from loose order by random() limit 1)", [below(5)]);
    }
  }

  // With all that refers to it. Nothing can be undone before: early only.
  const truncate = (t) => run(`truncate ${t} cascade`);

  const remove = (t) => run(`delete from ${t} where ctid = (select ctid from ${t} order by random() limit 1)`);

  before(async () => {
    env = await Env.start({ seed: false, daemon: false, init: false });
    await env.db.query("set timezone = 'UTC'");
    await env.db.query(schema);
    for (const t of undone) await env.db.query(`alter table ${t} replica identity full`);
    await env.init();
    await env.run();
  });
  after(() => env?.stop());

  async function transaction(size, early) {
    await run("begin");
    for (let i = 0; i < size; i++) {
      const t = pick(tables);
      const kind = below(10);
      if (below(40) === 0) {
        await run("savepoint s");
        await insert(t);
        await run("rollback to s");
      }
      if (early && below(150) === 0) await truncate(t);
      else await (kind < 4 ? insert(t) : kind < 8 ? update(t) : remove(t));
    }
    await run(below(12) === 0 ? "rollback" : "commit");
  }

  async function note() {
    for (const t of tables) await reload(t);
    const { at } = await env.row("select clock_timestamp()::text as at");
    moments.push({ at, model: model.copy() });
  }

  test(`${OPERATIONS} random operations`, async () => {
    let done = 0;
    let noted = 0;
    while (done < OPERATIONS) {
      const size = 1 + below(12);
      await transaction(size, done < OPERATIONS / 2);
      done += size;
      if (done >= ((noted + 1) * OPERATIONS) / (MOMENTS + 1)) {
        await note();
        noted++;
      }
    }
    await note();
    await env.caughtUp(120000);
    const { n } = await env.row("select count(*)::int as n from audit_logs");
    assert.ok(n > OPERATIONS / 2, `${n} entries`);
    const { keys, pieces, truncated, unchanged } = await env.row(`
      select count(*) filter (where old_resource_id is not null)::int as keys, count(*) filter (where resource_id like '[%')::int as pieces,
        count(*) filter (where action = 'truncate')::int as truncated,
        count(*) filter (where resource_type = 'public.wide' and action = 'update' and not new_values ? 'big')::int as unchanged
      from audit_logs`);
    assert.ok(Math.min(keys, pieces, truncated, unchanged) > OPERATIONS / 1000, JSON.stringify({ keys, pieces, truncated, unchanged }));
  });

  test("tables are as they were", async () => {
    for (const { at, model: then } of moments.filter((_, i) => i % 5 === 2)) // each asks for thousands of rows
      for (const t of keyed) {
        const rows = await env.rows("select resource_id || ' ' || row_values as line from pgherald.table_as_of($1, $2)", [t, at]);
        assert.deepEqual(rows.map((r) => r.line).sort(), then.list(t), `${t} at ${at}`);
      }
  });

  test("single rows are as they were", async () => {
    for (const t of keyed) {
      const all = [...new Set(moments.flatMap(({ model: m }) => [...m.rows[t].keys()]))];
      for (let i = 0; i < 40; i++) {
        const { at, model: then } = pick(moments);
        const key = pick(all);
        const { j } = await env.row("select pgherald.row_as_of($1, $2, $3)::text as j", [t, key, at]);
        assert.equal(j, then.rows[t].get(key) ?? null, `${t} ${key} at ${at}`);
      }
    }
  });

  test("the last version of a history is the row, each version begins where the one before ended", async () => {
    for (const t of keyed)
      for (const key of [...model.rows[t].keys()].slice(0, 30)) {
        const versions = await env.rows("select old_values::text, new_values::text, old_key, new_key from pgherald.audit_history($1, $2)", [t, key]);
        assert.equal(versions.at(-1).new_values, model.rows[t].get(key), `${t} ${key}`);
        versions.forEach((v, i) => {
          if (i > 0 && v.old_key === key && versions[i - 1].new_key === key) assert.equal(v.old_values, versions[i - 1].new_values);
        });
      }
  });

  async function revertTo({ at, model: then }) {
    const started = Date.now();
    const problems = await env.rows(
      "select * from pgherald.audit_revert(p_tables => $1, p_since => $2) where problem is not null or conflict is not null",
      [undone, at],
    );
    assert.deepEqual(problems, []);
    const { n } = await env.row("select pgherald.audit_revert_apply(p_tables => $1, p_since => $2) as n", [undone, at]);
    for (const t of undone) {
      await reload(t);
      assert.deepEqual(model.list(t), then.list(t), `${t} at ${at}`);
    }
    await env.caughtUp(120000);
    return `${n} statements, ${Date.now() - started} ms`;
  }

  test("undoing everything since a moment gives the state of that moment", async (t) => {
    t.diagnostic(await revertTo(moments.at(-3)));
    t.diagnostic(await revertTo(moments.at(-5))); // what the first one did is undone again
  });
});
