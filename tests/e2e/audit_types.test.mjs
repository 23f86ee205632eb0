// What the audit trail holds equals to_jsonb() of the row, for every type that a column can have. The
// types are read from pg_type, so a type without values here is a failure and not forgotten.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Env, plugin } from "./harness.mjs";

// Values of each type as SQL; arrays, domains and the types of `made` are put together from these.
const samples = {
  bool: ["true", "false"],
  bytea: ["'\\xdeadbeef00'", "''"],
  char: [`'x'`, "''"],
  name: ["'nm'", `'quote " back \\'`],
  int2: ["-32768", "32767"],
  int4: ["-2147483648", "2147483647"],
  int8: ["-9223372036854775808", "9223372036854775807"],
  float4: ["1.5", "-0", "3.4e38", "1e-37"],
  float8: ["0.1", "-0", "1.7976931348623157e308", "5e-324", "123456789.123456789"],
  numeric: ["1234567890123456789012345678901234567890.0123456789", "100.00", "-0.000001", "1e-20", "0", `'${"9".repeat(131072)}'`, `'0.${"1".repeat(16383)}'`],
  money: ["12.34", "-0.01"],
  int2vector: ["'1 -2 3'", "''"],
  oidvector: ["'1 4294967295'", "''"],
  oid: ["4294967295"],
  tid: ["'(1,2)'"],
  xid: ["'7'"],
  xid8: ["'18446744073709551615'"],
  cid: ["'7'"],
  regproc: ["'now'"],
  regprocedure: ["'abs(numeric)'"],
  regoper: ["'||/'"],
  regoperator: ["'+(integer,integer)'"],
  regclass: ["'pg_class'", `'public."a ""b"" é"'`],
  regtype: ["'numeric(10,2)'"],
  regrole: ["'postgres'"],
  regnamespace: ["'public'"],
  regconfig: ["'english'"],
  regdictionary: ["'simple'"],
  regcollation: [`'"C"'`],
  text: [`'a "quoted" \\ back / é \u{1F600}'`, "E'line\\nbreak\\ttab\\u0001\\u007f'", "''", "'null'", "'NULL'", "repeat('long ', 60000)"],
  bpchar: ["'ab '", "''"],
  varchar: ["'abc'", "' '"],
  json: [`'{"a": 1.50,  "a": [null, "\\u00e9", 1e400], "":{}}'`, "'null'", "'\"x\"'"],
  jsonb: [`'{"big": 123456789012345678901234567890.10, "s": "x\\ny\\u20ac"}'`, "'null'", "'[]'"],
  jsonpath: [`'$.a[*] ? (@.x > 1)'`],
  xml: [`'<a b="c">d &amp; e</a>'`],
  uuid: ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
  date: ["'2026-02-28'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'5874897-12-31'"],
  time: ["'12:34:56.789'", "'24:00'"],
  timetz: ["'12:34:56+02'", "'00:00:00.000001-15:59'"],
  timestamp: ["'2026-02-28 12:34:56.7'", "'-infinity'", "'0044-03-15 12:00:00 BC'", "'294276-12-31 23:59:59.999999'"],
  timestamptz: ["'2026-02-28 12:34:56.123456+05:30'", "'infinity'", "'0044-03-15 12:00:00+00 BC'"],
  interval: ["'1 year 2 mons 3 days 04:05:06.789'", "'-1 mon +1 day -00:00:00.000001'", "'0'"],
  inet: ["'10.0.0.1/8'", "'::1'"],
  cidr: ["'10.0.0.0/8'", "'2001:db8::/32'"],
  macaddr: ["'08:00:2b:01:02:03'"],
  macaddr8: ["'08:00:2b:01:02:03:04:05'"],
  bit: ["B'1'"],
  varbit: ["B'1010'", "B''"],
  tsvector: [`'a:1A fat:2B,4C cat'`, `$$'it''s "x" \\\\'$$`],
  tsquery: ["'fat & (rat | cat:ab)'"],
  refcursor: ["'cursor'"],
  aclitem: ["'postgres=arwdDxt/postgres'"],
  pg_lsn: ["'16/B374D848'"],
  txid_snapshot: ["'10:20:10,14,15'"],
  pg_snapshot: ["'10:20:10,14,15'"],
  point: ["'(1,2.5)'"],
  lseg: ["'[(1,2),(3,4)]'"],
  path: ["'((1,2),(3,4))'", "'[(1,2),(3,4)]'"],
  box: ["'(3,4),(1,2)'"],
  polygon: ["'((1,2),(3,4),(5,6))'"],
  line: ["'{1,-1,0}'"],
  circle: ["'<(1,2),3>'"],
  int4range: ["'[1,5)'", "'empty'", "'(,)'"],
  int8range: ["'[1,)'"],
  numrange: ["'[1.50,NaN)'", "'(,2]'"],
  daterange: ["'[2026-01-01,infinity]'"],
  tsrange: [`'["2026-01-01 00:00","2026-02-01 00:00")'`],
  tstzrange: ["'[2026-01-01 00:00+00,2026-02-01 00:00+00)'"],
  int4multirange: ["'{[1,3),[5,7)}'", "'{}'"],
  int8multirange: ["'{[1,3)}'"],
  nummultirange: ["'{[1.5,2],(3,)}'"],
  datemultirange: ["'{[2026-01-01,2026-02-01)}'"],
  tsmultirange: [`'{["2026-01-01 00:00","2026-02-01 00:00")}'`],
  tstzmultirange: [`'{["2026-01-01 00:00+00",)}'`],
  "information_schema.cardinal_number": ["7"],
  "information_schema.character_data": ["'c'"],
  "information_schema.sql_identifier": ["'i'"],
  "information_schema.time_stamp": ["'2026-01-01 00:00:00.12+00'"],
  "information_schema.yes_or_no": ["'YES'"],
};
const made = {
  'odd."Mood \'é\'"': [`'sad "x"'`, "'a,b'", "'{}'"],
  'odd."Amount"': ["12.50", "'NaN'", "'Infinity'"], // the plugin shows a domain's text: nothing is lost
  "odd.stamp": ["'2026-01-01 12:00+02'"],
  "odd.many": ["'{1,NULL,3}'", "'{{1,2},{3,4}}'"],
  "odd.doc": [`'{"a": "b,(c)"}'`],
  "odd.pair": [`row(1, 'a "b", (c) \\ x', '{1,2}', null, true, 'NaN')`, "row(null, null, null, null, null, null)", `row(2, '', '{}', '2026-01-01 00:00+00', false, 1.50)`],
  "odd.nest": [`row(row(1, 'x"y', '{NULL}', null, null, 7), array[row(1, ',', null, null, null, null)::odd.pair, null], '{"k": [1]}', '\\xff', 'sad "x"')`],
  "odd.emptiness": ["row()::odd.emptiness"],
  "odd.floatrange": ["'[1.5,2.5)'"],
  "odd.floatmultirange": ["'{[1.5,2.5)}'"],
};
// No value of these can be written down: only NULL is tried.
const without_input = ["pg_node_tree", "gtsvector", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary"];

const setUp = `
  create table public."a ""b"" é" (id int primary key);
  create schema odd;
  create type odd."Mood 'é'" as enum ('sad "x"', 'a,b', '{}');
  create domain odd."Amount" as numeric;
  create domain odd.stamp as timestamptz;
  create domain odd.many as int[];
  create domain odd.doc as jsonb;
  create type odd.pair as (a int, "b b" text, "c,""c""" int[], d timestamptz, e bool, f float8);
  create type odd.nest as (p odd.pair, ps odd.pair[], j json, b bytea, m odd."Mood 'é'");
  create type odd.emptiness as ();
  create type odd.floatrange as range (subtype = float8, multirange_type_name = odd.floatmultirange)`;

// Every type but those that only stand for the rows of a table or view, and the arrays of these.
const allTypes = `
  select t.oid, n.nspname, t.typname, format_type(t.oid, null) as type, t.typtype, e.oid as element, coalesce(e.typname = t.typname, false) as odd,
    case when en.nspname = 'pg_catalog' then e.typname else quote_ident(en.nspname) || '.' || quote_ident(e.typname) end as element_name,
    case when n.nspname = 'pg_catalog' then t.typname else quote_ident(n.nspname) || '.' || quote_ident(t.typname) end as name,
    quote_ident(n.nspname) || '.' || quote_ident(t.typname) as quoted
  from pg_type t
  join pg_namespace n on n.oid = t.typnamespace
  left join pg_type e on e.typarray = t.oid
  left join pg_namespace en on en.oid = e.typnamespace
  left join pg_class c on c.oid = coalesce(nullif(t.typrelid, 0), nullif(e.typrelid, 0))
  where t.typtype <> 'p' and coalesce(e.typtype, 'b') <> 'p' and coalesce(c.relkind, 'c') = 'c'
  order by t.oid`;

const valuesOf = (name) => samples[name] ?? made[name];

// As columns of arrays want them: NULL, an empty array, several dimensions, other bounds.
function arrayValues(row) {
  const elements = (valuesOf(row.element_name) ?? []).map((value) => `(${value})::${row.elementQuoted}`);
  const of = (list) => `array[${list.join(", ")}]::${row.quoted}`;
  if (elements.length === 0) return ["'{}'", "'{NULL}'"];
  const [first] = elements;
  return ["'{}'", of([...elements, "null"]), `array[array[${first}, null], array[null, ${first}]]::${row.quoted}`, `array_fill(${first}, '{2}', '{0}')`];
}

test("old and new values equal to_jsonb() for every type that a column can have", async (t) => {
  const env = await Env.start({ seed: false, before: ({ db }) => db.query(setUp) });
  t.after(() => env.stop());
  // as the stream has it: names of tables and functions in regclass and the like are then complete
  await env.db.query("set timezone to 'UTC'; set search_path to ''");
  await env.db.query("create temp table expected (resource text, action text, id text, old jsonb, new jsonb)");
  const types = await env.rows(allTypes);
  const quoted = new Map(types.map(({ oid, quoted }) => [oid, quoted]));
  const missing = [];
  const tried = { types: 0, values: 0 };
  for (const type of types) {
    type.elementQuoted = quoted.get(type.element);
    const values = type.element && !valuesOf(type.name) ? arrayValues(type) : (valuesOf(type.name) ?? (without_input.includes(type.name) ? [] : undefined));
    if (!values) {
      missing.push(type.name);
      continue;
    }
    const table = `"T ${type.oid}"`;
    const all = [...values, "null"];
    try {
      await env.db.query(`
        create table public.${table} (id int primary key, "v ""é""" ${type.quoted}, again ${type.quoted});
        alter table public.${table} replica identity full;
        insert into public.${table} (id, "v ""é""") values ${all.map((value, i) => `(${i}, (${value})::${type.quoted})`).join(", ")};
        insert into expected select 'public.T ${type.oid}', 'insert', x.id::text, null, to_jsonb(x) from public.${table} x;
        create temp table before as select id, to_jsonb(x) as row from public.${table} x;
        update public.${table} set again = "v ""é""", "v ""é""" = null;
        insert into expected select 'public.T ${type.oid}', 'update', x.id::text, b.row, to_jsonb(x) from public.${table} x join before b using (id);
        insert into expected select 'public.T ${type.oid}', 'delete', x.id::text, to_jsonb(x), null from public.${table} x;
        delete from public.${table};
        drop table before`);
    } catch (error) {
      throw new Error(`${type.name}: ${error.message}`);
    }
    tried.types += 1;
    tried.values += values.length;
  }
  assert.deepEqual(missing, [], "types without values in this test");
  await env.caughtUp();
  const wrong = await env.rows(`
    select format_type(replace(e.resource, 'public.T ', '')::oid, null) as type, e.action, left(e.old::text, 200) as old, left(e.new::text, 200) as new,
      left(a.old_values::text, 200) as got_old, left(a.new_values::text, 200) as got_new
    from expected e
    left join public.audit_logs a on a.resource_type = e.resource and a.action = e.action and a.resource_id = e.id
    where a.id is null or a.old_values is distinct from e.old or a.new_values is distinct from e.new
    limit 20`);
  assert.deepEqual(wrong, []);
  const { n } = await env.row("select count(*)::int as n from public.audit_logs a where a.resource_type like 'public.T %'");
  assert.equal(n, Number((await env.row("select count(*)::int as n from expected")).n));
  assert.ok(tried.types > 150, `${tried.types} types`);
  t.diagnostic(`${tried.types} types, ${tried.values} values and a NULL each, ${n} entries`);
});

test("generated columns, and NaN where no NULL can be", async (t) => {
  const env = await Env.start({ seed: false });
  t.after(() => env.stop());
  await env.db.query(`
    create table public.g (id int primary key, a float8 not null, b numeric not null, c float4 not null, d float8,
      twice numeric generated always as (b * 2) stored, e int generated always as identity);
    alter table public.g replica identity full;
    insert into public.g (id, a, b, c, d) values (1, 'NaN', 'Infinity', '-Infinity', 'NaN'), (2, 1.5, 2.50, 3, null);
    update public.g set a = 7, b = 1 where id = 1;
    update public.g set a = 'NaN' where id = 2;
    create table public.k (id numeric primary key);
    insert into public.k values ('NaN');
    delete from public.k`);
  await env.caughtUp();
  // pgoutput has NaN and the infinities, but generated columns only from PostgreSQL 18 on
  const exact = plugin === "pgoutput";
  const lost = (value) => (exact ? value : "[not in the stream: NaN or Infinity]");
  const [nan, inf, minusInf, maybe] = [lost("NaN"), lost("Infinity"), lost("-Infinity"), exact ? "NaN" : null];
  const twice = (value) => (exact ? {} : { twice: value });
  const rows = await env.rows("select action, old_values, new_values, changed_fields from public.audit_logs where resource_type = 'public.g' order by ordinal");
  assert.deepEqual(rows.map((row) => [row.action, row.old_values, row.new_values, row.changed_fields]), [
    // d may be NULL, and then nobody can tell
    ["insert", null, { id: 1, a: nan, b: inf, c: minusInf, d: maybe, ...twice(null), e: 1 }, null],
    ["insert", null, { id: 2, a: 1.5, b: 2.5, c: 3, d: null, ...twice(5), e: 2 }, null],
    [
      "update",
      { id: 1, a: nan, b: inf, c: minusInf, d: maybe, ...twice(null), e: 1 },
      { id: 1, a: 7, b: 1, c: minusInf, d: maybe, ...twice(2), e: 1 },
      exact ? ["a", "b"] : ["a", "b", "twice"],
    ],
    ["update", { id: 2, a: 1.5, b: 2.5, c: 3, d: null, ...twice(5), e: 2 }, { id: 2, a: nan, b: 2.5, c: 3, d: null, ...twice(5), e: 2 }, ["a"]],
  ]);
  assert.deepEqual(
    (await env.rows("select action, old_values, new_values from public.audit_logs where resource_type = 'public.k' order by id")).map((row) => [row.action, row.old_values, row.new_values]),
    [["insert", null, { id: nan }], ["delete", { id: nan }, null]],
  );
});

// What differs, and how: docs/audit-retention.md lists these. It is never another value.
test("the exceptions: json too deep for the daemon is its text, a type with a cast to json is its own text", async (t) => {
  const env = await Env.start({ seed: false });
  t.after(() => env.stop());
  await env.db.query(`
    create type public.cast_to_json as enum ('a');
    create function public.to_json(public.cast_to_json) returns json language sql immutable as $$ select '{"cast": true}'::json $$;
    create cast (public.cast_to_json as json) with function public.to_json(public.cast_to_json);
    create table public.casting (id int primary key, v public.cast_to_json);
    insert into public.casting values (1, 'a')`);
  const deep = `${"[".repeat(2000)}${"]".repeat(2000)}`;
  await env.db.query("create table public.deep (id int primary key, doc json)");
  await env.db.query("insert into public.deep values (1, $1)", [deep]);
  await env.caughtUp();
  const { doc } = await env.row("select new_values ->> 'doc' as doc from public.audit_logs where resource_type = 'public.deep'");
  assert.equal(doc, deep);
  const { v, wanted } = await env.row(`select a.new_values -> 'v' as v, to_jsonb(c) -> 'v' as wanted
    from public.audit_logs a, public.casting c where a.resource_type = 'public.casting'`);
  assert.deepEqual([v, wanted], ["a", { cast: true }]);
});
