// Values are PostgreSQL's own: what the audit trail holds equals to_jsonb() of the row.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Env } from "./harness.mjs";

const types = {
  bool: ["true", "false"],
  int2: ["-32768"],
  int4: ["2147483647"],
  int8: ["9223372036854775807"],
  numeric: ["1234567890123456789012345678901234567890.0123456789", "100.00", "-0.000001", "1e-20"],
  float4: ["1.5"],
  float8: ["1e300", "0.1"],
  money: ["12.34"],
  oid: ["4294967295"],
  text: ["'a \"quoted\" \\ back / é \u{1F600}'", "E'line\\nbreak\\ttab\\u0001'", "''"],
  "varchar(5)": ["'abc'"],
  "char(5)": ["'ab'"],
  name: ["'nm'"],
  bytea: ["'\\xdeadbeef00'"],
  uuid: ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
  date: ["'2026-02-28'", "'infinity'", "'0044-03-15 BC'"],
  time: ["'12:34:56.789'"],
  timetz: ["'12:34:56+02'"],
  timestamp: ["'2026-02-28 12:34:56.7'", "'-infinity'", "'0044-03-15 12:00:00 BC'"],
  timestamptz: ["'2026-02-28 12:34:56.123456+05:30'", "'infinity'", "'0044-03-15 12:00:00+00 BC'"],
  interval: ["'1 year 2 mons 3 days 04:05:06.789'"],
  json: ["'{\"a\": 1.50,  \"a\": [null, \"\\u00e9\"]}'"],
  jsonb: ["'{\"big\": 123456789012345678901234567890.10, \"s\": \"x\\ny\"}'"],
  xml: ["'<a b=\"c\">d</a>'"],
  inet: ["'10.0.0.1/8'"],
  cidr: ["'10.0.0.0/8'"],
  macaddr: ["'08:00:2b:01:02:03'"],
  bit: ["B'1'"],
  "varbit(8)": ["B'1010'"],
  tsvector: ["'a fat cat'"],
  tsquery: ["'fat & cat'"],
  point: ["'(1,2)'"],
  box: ["'(3,4),(1,2)'"],
  path: ["'((1,2),(3,4))'"],
  int4range: ["'[1,5)'"],
  tstzrange: ["'[2026-01-01 00:00+00,2026-02-01 00:00+00)'"],
  int4multirange: ["'{[1,3),[5,7)}'"],
  pg_lsn: ["'16/B374D848'"],
  "int4[]": ["'{1,NULL,3}'", "'{}'", "'{{1,2},{3,4}}'", "'[0:1]={7,8}'"],
  "text[]": ["'{a,\"b c\",NULL,\"NULL\",\"q\\\"x\",\"back\\\\slash\",\"\"}'"],
  "numeric[]": ["'{1.50,NaN,123456789012345678901234567890}'"],
  "jsonb[]": ["array['{\"a\": \"b,c\"}'::jsonb, '[1, 2]']"],
  "timestamptz[]": ["array['2026-01-01 00:00+00'::timestamptz]"],
  "bytea[]": ["array['\\x00ff'::bytea]"],
  "box[]": ["'{(3,4),(1,2);(5,6),(0,0)}'"],
  "public.mood": ["'happy'"],
  "public.amount": ["12.50"],
  "public.pair": ["row(1, 'a \"b\", (c)', '{1,2}', null)"],
  "public.pair[]": ["array[row(1, 'x', null, '2026-01-01 00:00+00')::public.pair]"],
};

test("audit values equal to_jsonb() for every kind of type", async (t) => {
  const env = await Env.start({
    seed: false,
    before: async ({ db }) => {
      await db.query("set timezone to 'UTC'");
      await db.query("create type public.mood as enum ('happy', 'sad')");
      await db.query("create domain public.amount as numeric check (value >= 0)");
    },
  });
  t.after(() => env.stop());
  await env.db.query("set timezone to 'UTC'");
  // made after the daemon has loaded its types
  await env.db.query("create type public.pair as (a int, \"b b\" text, c int[], d timestamptz)");
  const columns = Object.keys(types).map((type, i) => ({ type, column: `c${i}` }));
  await env.db.query(`create table public."odd ""name"" é" (id int primary key, ${columns.map(({ type, column }) => `${column} ${type}`).join(", ")})`);
  await env.db.query(`alter table public."odd ""name"" é" replica identity full`);
  let id = 0;
  for (const { type, column } of columns) {
    for (const value of types[type]) {
      await env.db.query(`insert into public."odd ""name"" é" (id, ${column}) values ($1, cast(${value} as ${type}))`, [++id]);
    }
  }
  await env.db.query(`update public."odd ""name"" é" set id = id + 1000`);
  await env.caughtUp();
  const wrong = await env.rows(`
    select a.action, t.id, j.key, j.value as wanted, a.new_values -> j.key as found
    from public."odd ""name"" é" t
    cross join lateral jsonb_each(to_jsonb(t)) j
    join public.audit_logs a on a.resource_type = 'public.odd "name" é'
     and ((a.action = 'insert' and a.resource_id::int = t.id - 1000) or (a.action = 'update' and a.resource_id::int = t.id))
    where j.key <> 'id' and (a.new_values -> j.key) is distinct from j.value
       or a.action = 'update' and j.key <> 'id' and (a.old_values -> j.key) is distinct from j.value`);
  assert.deepEqual(wrong, []);
  const { n } = await env.row("select count(*)::int as n from public.audit_logs where action in ('insert', 'update')");
  assert.equal(n, 2 * id);
});

test("unchanged TOASTed values: whole with REPLICA IDENTITY FULL, absent without, never invented", async (t) => {
  const env = await Env.start({ seed: false });
  t.after(() => env.stop());
  const long = "x".repeat(20000);
  for (const [table, identity] of [["whole", "full"], ["partial", "default"]]) {
    await env.db.query(`create table public.${table} (id int primary key, title text, body text)`);
    await env.db.query(`alter table public.${table} alter column body set storage external, replica identity ${identity}`);
    await env.db.query(`insert into public.${table} values (1, 'a', $1)`, [long]);
    await env.db.query(`update public.${table} set title = 'b'`);
  }
  await env.caughtUp();
  const rows = Object.fromEntries(
    (await env.rows("select resource_type, old_values, new_values, changed_fields from public.audit_logs where action = 'update'")).map((row) => [row.resource_type, row]),
  );
  assert.equal(rows["public.whole"].new_values.body, long);
  assert.equal(rows["public.whole"].old_values.body, long);
  assert.deepEqual(rows["public.whole"].changed_fields, ["title"]);
  assert.deepEqual(rows["public.partial"].new_values, { id: 1, title: "b" });
  assert.equal(rows["public.partial"].changed_fields, null);
});

test("json that jsonb would refuse is kept as text and poisons nothing", async (t) => {
  const env = await Env.start({ seed: false });
  t.after(() => env.stop());
  await env.db.query("create table public.raw (id int primary key, doc json)");
  await env.db.query(`insert into public.raw values (1, '{"z":"\\u0000"}'), (2, '"\\ud800"'), (3, '1e999999'), (4, '{"fine":true}')`);
  await env.caughtUp();
  const rows = await env.rows("select new_values -> 'doc' as doc from public.audit_logs where resource_type = 'public.raw' order by id");
  assert.deepEqual(rows.map((row) => row.doc), ['{"z":"\\u0000"}', '"\\ud800"', "1e999999", { fine: true }]);
});
