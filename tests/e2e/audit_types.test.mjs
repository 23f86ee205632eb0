// What the audit trail holds equals to_jsonb() of the row, for every type that a column can have. The
// types are read from pg_type, so a type without values here is a failure and not forgotten. Tables are
// made before the transactions of their rows: docs/stream.md says what wal2json loses otherwise.
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
  "odd.rows": [`row(1, 'a "b"', '{"k": 1.50}', null)`, "row(null, null, null, 'x')"],
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
  create table odd.rows (a int, "b b" text, c jsonb, gone int, d text);
  alter table odd.rows drop column gone;
  create type odd.floatrange as range (subtype = float8, multirange_type_name = odd.floatmultirange)`;

// Every type but those that only stand for the rows of a table or view, and the arrays of these: they are
// of one kind, and odd.rows is tried for all.
const allTypes = `
  select t.oid, n.nspname, t.typname, format_type(t.oid, null) as type, t.typtype, e.oid as element, t.typlen, t.typstorage,
    case when en.nspname = 'pg_catalog' then e.typname else quote_ident(en.nspname) || '.' || quote_ident(e.typname) end as element_name,
    case when n.nspname = 'pg_catalog' then t.typname else quote_ident(n.nspname) || '.' || quote_ident(t.typname) end as name,
    quote_ident(n.nspname) || '.' || quote_ident(t.typname) as quoted
  from pg_type t
  join pg_namespace n on n.oid = t.typnamespace
  left join pg_type e on e.typarray = t.oid
  left join pg_namespace en on en.oid = e.typnamespace
  left join pg_class c on c.oid = coalesce(nullif(t.typrelid, 0), nullif(e.typrelid, 0))
  where t.typtype <> 'p' and coalesce(e.typtype, 'b') <> 'p' and (coalesce(c.relkind, 'c') = 'c' or n.nspname = 'odd')
  order by t.oid`;

const valuesOf = (name) => samples[name] ?? made[name];

// The types, each with its values as SQL.
async function typesAndValues(env) {
  const types = await env.rows(allTypes);
  const quoted = new Map(types.map(({ oid, quoted: name }) => [oid, name]));
  for (const type of types) {
    type.elementQuoted = quoted.get(type.element);
    type.values = type.element && !valuesOf(type.name) ? arrayValues(type) : (valuesOf(type.name) ?? (without_input.includes(type.name) ? [] : undefined));
  }
  assert.deepEqual(types.filter(({ values }) => !values).map(({ name }) => name), [], "types without values in this test");
  assert.ok(types.length > 150, `${types.length} types`);
  return types;
}

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
  const types = await typesAndValues(env);
  for (const type of types) {
    const table = `"T ${type.oid}"`;
    const all = [...type.values, "null"];
    try {
      await env.db.query(`
        create table public.${table} (id int primary key, "v ""é""" ${type.quoted}, again ${type.quoted});
        alter table public.${table} replica identity full`);
      await env.db.query(`
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
  }
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
  t.diagnostic(`${types.length} types, ${types.reduce((sum, { values }) => sum + values.length, 0)} values and a NULL each, ${n} entries`);
});

// Whatever can be put out of line is: the rows are larger than they may be, and nothing else of them can go.
test("unchanged TOAST of every type: whole with the old row; without it left out, and never invented", async (t) => {
  const env = await Env.start({ seed: false, before: ({ db }) => db.query(setUp) });
  t.after(() => env.stop());
  await env.db.query("set timezone to 'UTC'; set search_path to ''");
  await env.db.query("create temp table expected (type oid, step text, id text, old jsonb, new jsonb)");
  const types = await typesAndValues(env);
  // DDL and rows take turns, each when the other has been read: docs/stream.md says why.
  const all = async (sql) => {
    for (const type of types) {
      await env.db.query(sql(`public."K ${type.oid}"`, type)).catch((error) => assert.fail(`${type.name}: ${error.message}`));
    }
    await env.caughtUp();
  };
  const note = (table, type, step, old, now) => `insert into expected select ${type.oid}, '${step}', x.id::text, ${old}, ${now} from ${table} x`;
  const before = "jsonb_set(to_jsonb(x), '{n}', to_jsonb(x.n - 1))";
  await all((table, type) => `
    create table ${table} (id int primary key, v ${type.quoted}, n int not null default 0, pad text not null default repeat('x', 2100)) with (toast_tuple_target = 128);
    alter table ${table} alter pad set storage plain;
    ${type.typlen === -1 && type.typstorage !== "p" ? `alter table ${table} alter v set storage external` : ""}`);
  await all((table, type) => `
    insert into ${table} (id, v) values ${[...type.values, "null"].map((value, i) => `(${i}, (${value})::${type.quoted})`).join(", ")};
    ${note(table, type, "insert", "null", "to_jsonb(x)")};
    update ${table} set n = 1;
    ${note(table, type, "by key", "null", "to_jsonb(x)")}`);
  await all((table) => `alter table ${table} replica identity full`);
  await all((table, type) => `update ${table} set n = 2; ${note(table, type, "whole", before, "to_jsonb(x)")}`);
  await all((table) => `alter table ${table} replica identity default`);
  await all((table, type) => `${note(table, type, "delete", "jsonb_build_object('id', x.id)", "null")}; delete from ${table}`);
  const compared = `
    from expected e
    left join public.audit_logs a on a.resource_type = 'public.K ' || e.type and a.resource_id = e.id
      and a.action || coalesce(a.new_values ->> 'n', '') = case e.step when 'insert' then 'insert0' when 'by key' then 'update1' when 'whole' then 'update2' else 'delete' end`;
  // Without the old row every column that is told is right, and none but v is not told.
  const wrong = await env.rows(`
    select format_type(e.type, null) as type, e.step, left((e.new - 'pad')::text, 200) as new, left((a.new_values - 'pad')::text, 200) as got_new, left((a.old_values - 'pad')::text, 200) as got_old
    ${compared}
    where a.id is null
      or case e.step
        when 'by key' then a.new_values <> e.new and a.new_values <> e.new - 'v' or a.changed_fields is not null or a.old_values <> jsonb_build_object('id', e.id::int)
        when 'whole' then a.old_values is distinct from e.old or a.new_values is distinct from e.new or a.changed_fields is distinct from '{n}'
        else a.old_values is distinct from e.old or a.new_values is distinct from e.new
      end
    limit 20`);
  assert.deepEqual(wrong, []);
  const left = await env.rows(`select distinct t.typlen, t.typstorage, t.typname ${compared} join pg_catalog.pg_type t on t.oid = e.type where e.step = 'by key' and not a.new_values ? 'v' order by 3`);
  assert.ok(left.every(({ typlen, typstorage }) => typlen === -1 && typstorage !== "p"), "only what can be out of line is left out");
  assert.ok(left.length > 90, `${left.length} types were out of line`);
  t.diagnostic(`${left.length} types out of line`);
});

// Names with all that a parser of names, JSON, SQL or patterns can stumble over; the longest have 63 bytes.
const names = ["UPPER", "a.b", "a,b", "a*b", "a\\b", "it's", 'say "hi"', " lead and trail ", "tab\tnew\nline", "select", "1", "%s {} $1 :x", "ключ", "鍵 \u{1F511}", "é",
  "n".repeat(63), "ü".repeat(31) + "x", '{"a":1}', "null", "/*", "--"];
const quote = (name) => `"${name.replaceAll('"', '""')}"`;

test("names of schemas, tables, columns and types quoted any way", async (t) => {
  const schemas = ["public", "Odd.Schema 'é' * \\"];
  const env = await Env.start({ seed: false, config: { schemas: schemas.join(",") }, before: ({ db }) => db.query(`create schema ${quote(schemas[1])}`) });
  t.after(() => env.stop());
  const tables = schemas.flatMap((schema) => names.map((name, i) => ({ schema, name, other: names[(i + 1) % names.length], sql: `${quote(schema)}.${quote(name)}` })));
  for (const { schema, name, other, sql } of tables) {
    const type = `${quote(schema)}.${quote(`t ${name}`.slice(0, 30))}`;
    await env.db.query(`
      create type ${type} as (${quote(name)} int, ${quote(other)} text);
      create table ${sql} (${quote(name)} int primary key, ${names.filter((column) => column !== name).map((column) => `${quote(column)} text default 'v'`).join(", ")}, "of type" ${type} default row(7, 'x'));
      alter table ${sql} replica identity full`);
    await env.db.query(`
      insert into ${sql} (${quote(name)}) values (1);
      update ${sql} set ${quote(other)} = 'w'`);
  }
  await env.caughtUp();
  for (const { schema, name, other, sql } of tables) {
    const entries = await env.rows(`
      select a.action, a.resource_id, a.new_values = to_jsonb(x) as is_row, a.changed_fields
      from public.audit_logs a, ${sql} x where a.resource_type = $1 order by ordinal`, [`${schema}.${name}`]);
    assert.deepEqual(entries.map((entry) => [entry.action, entry.resource_id, entry.is_row, entry.changed_fields]), [["insert", "1", false, null], ["update", "1", true, [other]]], sql);
  }
});

test("partitions: rows under the name of the leaf, wherever they were written; asked for by the root as well", async (t) => {
  const env = await Env.start({ seed: false });
  t.after(() => env.stop());
  await env.db.query(`
    create table public.root (id int, at int, body text, primary key (id, at)) partition by range (at);
    create table public.leaf_1 partition of public.root for values from (0) to (10);
    create table public.mid partition of public.root for values from (10) to (30) partition by list (at);
    create table public."Leaf 2" partition of public.mid for values in (10, 11);
    create table public.rest partition of public.mid default;
    alter table public.leaf_1 replica identity full;
    alter table public."Leaf 2" replica identity full`);
  await env.db.query("insert into public.root values (1, 1, 'a'), (2, 10, 'b'), (3, 20, 'c')");
  await env.db.query("insert into public.leaf_1 values (4, 2, 'd')");
  await env.db.query("update public.root set body = body || '!' where id = 1; update public.mid set body = body || '!' where id = 2");
  await env.db.query("update public.root set at = 11 where id = 1; delete from public.mid where id = 3");
  await env.caughtUp();
  const entries = await env.rows("select action, resource_type, resource_id, old_values ->> 'body' as old, new_values ->> 'body' as new from public.audit_logs where resource_type like 'public.%' order by commit_lsn, ordinal");
  assert.deepEqual(entries.map((entry) => Object.values(entry)), [
    ["insert", "public.leaf_1", "[1,1]", null, "a"], ["insert", "public.Leaf 2", "[2,10]", null, "b"], ["insert", "public.rest", "[3,20]", null, "c"],
    ["insert", "public.leaf_1", "[4,2]", null, "d"],
    ["update", "public.leaf_1", "[1,1]", "a", "a!"], ["update", "public.Leaf 2", "[2,10]", "b", "b!"],
    // a row that moves leaves one leaf and comes to another
    ["delete", "public.leaf_1", "[1,1]", "a!", null], ["insert", "public.Leaf 2", "[1,11]", null, "a!"],
    ["delete", "public.rest", "[3,20]", null, null]]);
  assert.equal((await env.rows("select * from pgherald.audit_history('public.root', '[2,10]')")).length, 2);
  const all = await env.rows("select resource_id from pgherald.table_as_of('public.root', now()) order by 1");
  assert.deepEqual(all.map((row) => row.resource_id), ["[1,11]", "[2,10]", "[4,2]"]);
});

test("TRUNCATE is an entry for each table that it took", async (t) => {
  const env = await Env.start({ seed: false });
  t.after(() => env.stop());
  await env.db.query(`
    create table public.mother (id int primary key);
    create table public.child (id int primary key, mother int references public.mother);
    create table public.grandchild (id int primary key, child int references public.child);
    create table public.stranger (id int primary key);
    create table public.whole (id int) partition by range (id);
    create table public.part_1 partition of public.whole for values from (0) to (10);
    create table public.part_2 partition of public.whole for values from (10) to (20)`);
  const taken = async (sql) => {
    const { last } = await env.row("select coalesce(max(id), 0) as last from public.audit_logs");
    await env.db.query(sql);
    await env.caughtUp();
    const rows = await env.rows("select resource_type, resource_id, old_values, new_values from public.audit_logs where action = 'truncate' and id > $1 order by 1", [last]);
    for (const row of rows) assert.deepEqual([row.resource_id, row.old_values, row.new_values], [null, null, null]);
    return rows.map((row) => row.resource_type);
  };
  assert.deepEqual(await taken("truncate public.mother cascade"), ["public.child", "public.grandchild", "public.mother"]);
  assert.deepEqual(await taken("truncate public.grandchild, public.stranger restart identity"), ["public.grandchild", "public.stranger"]);
  // pgoutput names the partitions alone
  assert.deepEqual(await taken("truncate public.whole"), ["public.part_1", "public.part_2", ...(plugin === "pgoutput" ? [] : ["public.whole"])]);
  assert.deepEqual(await taken("truncate only public.part_2"), ["public.part_2"]);
  assert.deepEqual(await taken("begin; truncate public.stranger; rollback"), []);
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
