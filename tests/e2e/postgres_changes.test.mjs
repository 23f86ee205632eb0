// postgres_changes as the protocol has it, through supabase-js of both ages and by hand: which filters
// pass which rows, what a record holds and what it does not, and what is said where nothing can come.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { postgresChangesFilter } from "@supabase/supabase-js";
import { Env, eventually, jwt, sleep } from "./harness.mjs";
import { Phoenix } from "./phoenix.mjs";
import { ages, subscribed, supabase } from "./clients.mjs";

let env, token, service;

before(async () => {
  env = await Env.start({ seed: false, config: { schemas: "public, other" }, before: (e) => e.db.query("create schema other; create type public.mood as enum ('sad', 'ok', 'happy')") });
  token = jwt(env.secret, { role: "authenticated", sub: "aaaaaaaa-0000-4000-8000-000000000001" });
  service = jwt(env.secret, { role: "service_role" });
  await env.db.query("grant usage on schema other to public; create table public.barrier (id int primary key); grant select on public.barrier to public");
});
after(() => env?.stop());

const open = (t, age, name) => {
  const client = supabase(env, token, age);
  t.after(() => client.removeAllChannels());
  return client.channel(name);
};

// A client that has bound `bindings`, and told(): the data of what it was told up to now.
let mark = 0;
async function follow(t, bindings, { as = token, ...options } = {}) {
  const client = await Phoenix.connect(env, as, options);
  t.after(() => client.close());
  await client.join("realtime:barrier", [{ event: "*", schema: "public", table: "barrier" }]);
  const { reply } = await client.join("realtime:f", bindings);
  client.ids = reply.payload.response.postgres_changes.map(({ id }) => id);
  client.told = async () => {
    await env.db.query("insert into public.barrier values ($1)", [++mark]);
    await client.frame(({ topic, event, payload }) => topic === "realtime:barrier" && event === "postgres_changes" && payload.data.record.id === mark, "the barrier");
    return client.frames.splice(0).filter(({ event }) => event === "postgres_changes").map(({ payload }) => payload);
  };
  return client;
}

// ---------------------------------------------------------------- filters

const rows = [
  `'abc', 'abc', 'ab', 1, 1.50, 0.5, true, '2026-01-01 12:00+00', '2026-01-01', 'aaaaaaaa-0000-4000-8000-000000000001', 'ok', '{a,b}'`,
  `'ABC', 'b c', 'abcde', -7, -0.1, -1e10, false, '2025-12-31 23:59:59.999+00', '1999-12-31', 'bbbbbbbb-0000-4000-8000-000000000002', 'sad', '{}'`,
  `'a,b', 'x"y', 'c', 9007199254740993, 12345678901234567890.5, 1e300, null, '2026-06-01 00:00+02', '2030-05-05', 'cccccccc-0000-4000-8000-000000000003', 'happy', '{"a,b"}'`,
  `'(100%)', 'a_c', '', 0, 0, 0, true, 'infinity', 'infinity', null, null, null`,
  `'', '', null, 100, 100, 100, false, null, null, null, null, null`,
  `null, null, null, null, null, null, null, null, null, null, null, null`,
  `'ünïcode ☃', ' padded ', 'abc', 2, 1.5, 1.5, true, '2026-01-01 12:00+00', '2026-01-02', 'AAAAAAAA-0000-4000-8000-000000000001', 'ok', '{a}'`,
  `'back\\slash', 'line' || chr(10) || 'break', 'xyz', 42, 42.0, 42, false, '1969-07-20 20:17+00', '1969-07-20', 'dddddddd-0000-4000-8000-000000000004', 'sad', '{NULL}'`,
];
const columns = "t text, v varchar, c char(5), i int8, n numeric, f float8, b boolean, ts timestamptz, d date, u uuid, e public.mood, a text[]";

// The filter, and what PostgreSQL calls it.
const filters = [
  ["t=eq.abc", "t = 'abc'"],
  ["t=neq.abc", "t <> 'abc'"],
  ["t=eq.ünïcode ☃", "t = 'ünïcode ☃'"],
  ["t=eq.", "t = ''"],
  ['t=eq."a,b"', "t = 'a,b'"],
  ['t=eq."back\\\\slash"', "t = 'back\\slash'"],
  ["t=gt.B", `t collate "C" > 'B'`],
  ["v=lte.b c", `v collate "C" <= 'b c'`],
  ['v=eq."x\\"y"', `v = 'x"y'`],
  ['v=eq." padded "', "v = ' padded '"],
  ["c=eq.ab", "c = 'ab'"],
  ["i=eq.1", "i = 1"],
  ["i=neq.1", "i <> 1"],
  ["i=lt.1", "i < 1"],
  ["i=lte.1", "i <= 1"],
  ["i=gt.9007199254740992", "i > 9007199254740992"],
  ["i=gte.42", "i >= 42"],
  ["i=in.(1,2,100)", "i in (1, 2, 100)"],
  ["n=eq.1.5", "n = 1.5"],
  ["n=eq.12345678901234567890.5", "n = 12345678901234567890.5"],
  ["n=lt.-0.05", "n < -0.05"],
  ["f=gte.1.5", "f >= 1.5"],
  ["f=eq.1e300", "f = 1e300"],
  ["b=eq.true", "b = true"],
  ["b=is.true", "b is true"],
  ["b=is.false", "b is false"],
  ["b=is.unknown", "b is unknown"],
  ["t=is.null", "t is null"],
  ["u=is.null", "u is null"],
  ["ts=eq.2026-01-01T12:00:00Z", "ts = '2026-01-01 12:00+00'"],
  ["ts=gte.2026-01-01T00:00:00+00:00", "ts >= '2026-01-01 00:00+00'"],
  ["d=lt.2026-01-02", "d < '2026-01-02'"],
  ["u=eq.aaaaaaaa-0000-4000-8000-000000000001", "u = 'aaaaaaaa-0000-4000-8000-000000000001'"],
  ["u=in.(BBBBBBBB-0000-4000-8000-000000000002,cccccccc-0000-4000-8000-000000000003)", "u in ('bbbbbbbb-0000-4000-8000-000000000002', 'cccccccc-0000-4000-8000-000000000003')"],
  ["e=eq.ok", "e = 'ok'"],
  ["e=in.(sad,happy)", "e in ('sad', 'happy')"],
  ['a=eq."{a,b}"', "a = '{a,b}'"],
  ['t=in.("a,b",abc,"(100%)")', "t in ('a,b', 'abc', '(100%)')"],
  ["t=like.a%", "t like 'a%'"],
  ["t=ilike.a_c", "t ilike 'a_c'"],
  ["v=like.a\\_c", "v like 'a\\_c'"],
  ["t=match.^[a-c]+$", "t ~ '^[a-c]+$'"],
  ["t=imatch.^[a-c]+$", "t ~* '^[a-c]+$'"],
  ["t=isdistinct.abc", "t is distinct from 'abc'"],
  ["i=isdistinct.null", "i is distinct from null"],
  ["i=gte.0,i=lt.100", "i >= 0 and i < 100"],
  ["b=is.true,t=not.like.a%,n=lt.2", "b is true and t not like 'a%' and n < 2"],
];
// The same value, written in another way: such filters are found by an index of values.
const otherwise = [
  ["u=eq.AAAAAAAA-0000-4000-8000-000000000001", "u = 'aaaaaaaa-0000-4000-8000-000000000001'"],
  ["i=eq.1.0", "i = 1"],
  ["n=eq.150e-2", "n = 1.5"],
  ["b=eq.on", "b"],
  ["ts=eq.2026-01-01T14:00:00+02:00", "ts = '2026-01-01 12:00+00'"],
  ["c=eq.ab   ", "c = 'ab'"],
];
const negated = filters.filter(([filter]) => !filter.includes(",i=") && !filter.includes(",t=")).map(([filter, sql]) => [filter.replace("=", "=not."), `not (${sql})`]);
const every = [...filters, ...otherwise, ...negated];
const values = rows.map((row, i) => `(${i + 1}, ${row})`).join(", ");

const expected = async (table) =>
  (await env.row(`select ${every.map(([, sql], i) => `array(select id from ${table} where ${sql} order by id) as f${i}`).join(", ")}`));

for (const age of ages) {
  test(`supabase-js of ${age}: ${every.length} filters pass the rows that WHERE passes`, async (t) => {
    const table = `filtered_${ages.indexOf(age)}`;
    await env.db.query(`create table public.${table} (id int primary key, ${columns}); alter table public.${table} replica identity full; grant select on public.${table} to authenticated`);
    const told = every.map(() => ({ INSERT: [], UPDATE: [], DELETE: [] }));
    const channel = open(t, age, table);
    every.forEach(([filter], i) =>
      channel.on("postgres_changes", { event: "*", schema: "public", table, filter }, ({ eventType, new: row, old }) => told[i][eventType].push(row.id ?? old.id)),
    );
    let last;
    channel.on("postgres_changes", { event: "*", schema: "public", table }, ({ eventType, old }) => (last = `${eventType} ${old.id}`));
    await subscribed(channel);
    await env.db.query(`insert into public.${table} values ${values}`);
    const wanted = await expected(`public.${table}`);
    await env.db.query(`update public.${table} set id = id`);
    await env.db.query(`delete from public.${table} where id = any ($1)`, [rows.map((_, i) => i + 1)]);
    await eventually(() => last === `DELETE ${rows.length}`, "the last row");
    every.forEach(([filter], i) => {
      for (const event of ["INSERT", "UPDATE", "DELETE"]) assert.deepEqual(told[i][event].sort(), wanted[`f${i}`], `${filter}, ${event}`);
    });
  });
}

test("supabase-js of today: what its filter builder writes is what it means", async (t) => {
  await env.db.query(`create table public.built (id int primary key, ${columns}); grant select on public.built to authenticated`);
  const build = postgresChangesFilter;
  const built = [
    [build().eq("t", "a,b"), "t = 'a,b'"],
    [build().eq("t", "back\\slash"), "t = 'back\\slash'"],
    [build().in("t", ["(100%)", "a,b", ""]), "t in ('(100%)', 'a,b', '')"],
    [build().eq("v", 'x"y'), `v = 'x"y'`],
    [build().eq("v", " padded "), "v = ' padded '"],
    [build().like("t", "(%)"), "t like '(%)'"],
    [build().match("t", "^(abc|ABC)$"), "t ~ '^(abc|ABC)$'"],
    [build().imatch("t", "^\\w+\\\\"), "t ~* '^\\w+\\\\'"],
    [build().gt("i", 0).lte("i", 42).not("b", "is", null), "i > 0 and i <= 42 and b is not null"],
    [build().not("e", "in", ["ok", "sad"]), "e not in ('ok', 'sad')"],
    [build().isDistinct("e", null), "e is distinct from null"],
    [build().is("b", "unknown"), "b is unknown"],
    [build(), "true"],
  ];
  const told = built.map(() => []);
  const channel = open(t, "today", "built");
  built.forEach(([filter], i) => channel.on("postgres_changes", { event: "INSERT", schema: "public", table: "built", filter }, ({ new: row }) => told[i].push(row.id)));
  await subscribed(channel);
  await env.db.query(`insert into public.built values ${values}`);
  await eventually(() => told.at(-1).length === rows.length, "all rows");
  for (const [i, [filter, sql]] of built.entries()) {
    assert.deepEqual(told[i], (await env.rows(`select id from public.built where ${sql} order by id`)).map(({ id }) => id), String(filter));
  }
});

test("wildcards, events in any case, and what is missing in a binding", async (t) => {
  await env.db.query(`create table public.wild (id int primary key); create table other.wild (id int primary key); create table other.more (id int primary key);
    grant select on public.wild, other.wild, other.more to authenticated`);
  const bindings = [
    { event: "*", schema: "*" },
    { event: "*", schema: "other", table: "*" },
    { event: "INSERT", schema: "*", table: "wild" },
    { event: "insert", table: "wild" },
    { event: "dElEtE", schema: "public", table: "wild" },
    { event: "anything", schema: "public", table: "wild" },
    { schema: "public", table: "wild" },
  ];
  const client = await follow(t, bindings);
  const tell = async (sql) => {
    await env.db.query(sql);
    return (await client.told()).filter(({ data }) => data.table !== "barrier").map(({ ids }) => client.ids.flatMap((id, i) => (ids.includes(id) ? [i] : [])).join(""));
  };
  assert.deepEqual(await tell("insert into public.wild values (1)"), ["02356"]);
  assert.deepEqual(await tell("update public.wild set id = 2"), ["056"]);
  assert.deepEqual(await tell("delete from public.wild"), ["0456"]);
  assert.deepEqual(await tell("insert into other.wild values (1)"), ["012"]);
  assert.deepEqual(await tell("insert into other.more values (1)"), ["01"]);
});

// ---------------------------------------------------------------- what a record holds

test("supabase-js of today: select brings those columns and the key", async (t) => {
  await env.db.query("create table public.chosen (id int, part int, a text, b text, c text, primary key (part, id)); alter table public.chosen replica identity full; grant select on public.chosen to authenticated");
  const seen = { some: [], all: [], none: [] };
  const channel = open(t, "today", "chosen");
  const on = (name, select, filter) => channel.on("postgres_changes", { event: "*", schema: "public", table: "chosen", select, filter }, (payload) => seen[name].push(payload));
  on("some", ["b"]);
  on("all");
  on("none", ["c", "id"], "a=eq.one"); // a filter may look at what is not selected
  await subscribed(channel);
  await env.db.query("insert into public.chosen values (1, 2, 'one', 'two', 'three'); update public.chosen set b = 'four'; delete from public.chosen");
  await eventually(() => seen.all.length === 3, "three changes");
  assert.deepEqual(seen.some.map(({ eventType, new: now, old }) => [eventType, now, old]), [
    ["INSERT", { id: 1, part: 2, b: "two" }, {}],
    ["UPDATE", { id: 1, part: 2, b: "four" }, { id: 1, part: 2, b: "two" }],
    ["DELETE", {}, { id: 1, part: 2, b: "four" }],
  ]);
  assert.deepEqual(seen.none[0].new, { id: 1, part: 2, c: "three" });
  assert.deepEqual(seen.all[0].new, { id: 1, part: 2, a: "one", b: "two", c: "three" });
  assert.deepEqual(seen.all.map(({ errors }) => errors), [null, null, null]);
});

test("what an old record holds: the key; the row with REPLICA IDENTITY FULL", async (t) => {
  await env.db.query(`create table public.old (id int primary key, v text);
    create table public.old_rls (id int primary key, v text); alter table public.old_rls enable row level security; create policy p on public.old_rls using (v <> 'hidden');
    grant select on public.old, public.old_rls to authenticated`);
  const client = await follow(t, [{ event: "*", schema: "public", table: "old" }, { event: "*", schema: "public", table: "old_rls" }]);
  const tell = async (table) => {
    await env.db.query(`insert into public.${table} values (1, 'a'); update public.${table} set v = 'b'; update public.${table} set id = 2; delete from public.${table}`);
    return (await client.told()).map(({ data: { type, record, old_record } }) => [type, record, old_record]);
  };
  assert.deepEqual(await tell("old"), [
    ["INSERT", { id: 1, v: "a" }, undefined],
    ["UPDATE", { id: 1, v: "b" }, { id: 1 }],
    ["UPDATE", { id: 2, v: "b" }, { id: 1 }],
    ["DELETE", undefined, { id: 2 }],
  ]);
  await env.db.query("alter table public.old replica identity full; alter table public.old_rls replica identity full");
  assert.deepEqual(await tell("old"), [
    ["INSERT", { id: 1, v: "a" }, undefined],
    ["UPDATE", { id: 1, v: "b" }, { id: 1, v: "a" }],
    ["UPDATE", { id: 2, v: "b" }, { id: 1, v: "b" }],
    ["DELETE", undefined, { id: 2, v: "b" }],
  ]);
  assert.deepEqual((await tell("old_rls")).at(-1), ["DELETE", undefined, { id: 2 }], "of a row that is gone only the key where row level security is on");
  await env.db.query("insert into public.old_rls values (3, 'hidden'); delete from public.old_rls");
  assert.deepEqual(await client.told(), []);
});

test("columns that the role may not read are in no part of a change, and satisfy no filter", async (t) => {
  const bindings = [{ event: "*", schema: "public", table: "partly" }, { event: "*", schema: "public", table: "partly", filter: "pay=gt.0" }, { event: "*", schema: "public", table: "partly", filter: "v=eq.a" }, { event: "*", schema: "public", table: "partly", select: ["pay", "v"] }];
  await env.db.query(`create table public.partly (id int primary key, v text, pay int); alter table public.partly replica identity full; alter table public.partly enable row level security;
    create policy p on public.partly using (pay < 100); grant select (id, v) on public.partly to authenticated; grant select on public.partly to anon`);
  for (const [as, sees] of [["authenticated", false], ["anon", true]]) {
    const client = await follow(t, bindings, { as: jwt(env.secret, { role: as }) });
    await env.db.query("insert into public.partly values (1, 'a', 5); update public.partly set v = 'b'; update public.partly set pay = 100; insert into public.partly values (2, 'a', 6); delete from public.partly");
    const pay = (value) => (sees ? { pay: value } : {});
    const told = await client.told();
    assert.deepEqual(told.filter(({ ids }) => ids.includes(client.ids[0])).map(({ data: { type, record, old_record, left } }) => [left ? "LEFT" : type, record, old_record]), [
      ["INSERT", { id: 1, v: "a", ...pay(5) }, undefined],
      ["UPDATE", { id: 1, v: "b", ...pay(5) }, { id: 1, v: "a", ...pay(5) }],
      ["LEFT", undefined, { id: 1 }],
      ["INSERT", { id: 2, v: "a", ...pay(6) }, undefined],
      ["DELETE", undefined, { id: 2 }],
    ]);
    assert.equal(told.filter(({ ids }) => ids.includes(client.ids[1])).length, sees ? 5 : 0, "the filter on a hidden column");
    assert.deepEqual(told.filter(({ ids }) => ids.includes(client.ids[2])).map(({ data: { type, left } }) => (left ? "LEFT" : type)), ["INSERT", "LEFT", "INSERT", "DELETE"]);
    if (!sees) for (const { data } of told) assert.doesNotMatch(JSON.stringify(data), /pay/);
  }
});

test("a TOASTed value that did not change: absent, or taken from the old row where that came whole", async (t) => {
  await env.db.query("create table public.toasted (id int primary key, v int, body text); alter table public.toasted alter column body set storage external; grant select on public.toasted to authenticated");
  const client = await follow(t, [
    { event: "*", schema: "public", table: "toasted" },
    { event: "*", schema: "public", table: "toasted", filter: "body=like.x%" },
  ]);
  const body = "x".repeat(50000);
  await env.db.query("insert into public.toasted values (1, 1, $1)", [body]);
  assert.deepEqual((await client.told())[0].ids, client.ids);
  await env.db.query("update public.toasted set v = 2");
  const [partial] = await client.told();
  assert.deepEqual(partial.data.record, { id: 1, v: 2 });
  assert.deepEqual(partial.data.columns.map(({ name }) => name), ["id", "v"]);
  assert.deepEqual(partial.ids, [client.ids[0]], "a column that did not come matches nothing");
  await env.db.query("alter table public.toasted replica identity full; update public.toasted set v = 3");
  const [whole] = await client.told();
  assert.deepEqual(whole.data.record, { id: 1, v: 3, body });
  assert.deepEqual(whole.ids, client.ids);
});

for (const age of ages) {
  test(`supabase-js of ${age}: 413, 400, 401, and no word of TRUNCATE`, async (t) => {
    const n = ages.indexOf(age);
    await env.db.query(`create table public.large${n} (id int primary key, short text, edge text, over text, body text); grant select on public.large${n} to authenticated;
      create table public.keyless${n} (v int); alter table public.keyless${n} replica identity full; grant select on public.keyless${n} to authenticated;
      create table public.secret${n} (id int primary key, v int); grant select (v) on public.secret${n} to authenticated`);
    const seen = { large: [], keyless: [], secret: [] };
    const channel = open(t, age, `faults ${n}`);
    for (const name in seen) channel.on("postgres_changes", { event: "*", schema: "public", table: `${name}${n}` }, ({ eventType, new: now, old, errors }) => seen[name].push([eventType, now, old, errors]));
    await subscribed(channel);
    await env.db.query(`insert into public.large${n} values (1, 's', repeat('e', 64), repeat('o', 65), repeat('x', 1100000))`);
    await env.db.query(`insert into public.large${n} values (2, 's', 'e', 'o', repeat('x', 1000000)); update public.large${n} set short = 't' where id = 1`);
    await env.db.query(`insert into public.keyless${n} values (1); update public.keyless${n} set v = 2; insert into public.secret${n} values (1, 1); update public.secret${n} set v = 2`);
    await env.db.query(`truncate public.large${n}, public.keyless${n}, public.secret${n}`);
    await env.db.query(`insert into public.large${n} values (3, 'end')`);
    await eventually(() => seen.large.some(([, now]) => now.id === 3), "the last row", 20000);
    assert.deepEqual(seen.large[0], ["INSERT", { id: 1, short: "s", edge: "e".repeat(64) }, {}, ["Error 413: Payload Too Large"]]);
    assert.equal(seen.large[1][3], null);
    assert.equal(seen.large[1][1].body.length, 1000000);
    assert.deepEqual(seen.large[2].slice(0, 2), ["UPDATE", { id: 1, short: "t", edge: "e".repeat(64), over: "o".repeat(65) }]);
    assert.equal(seen.large.length, 4);
    assert.deepEqual(seen.keyless, [["INSERT", {}, {}, ["Error 400: Bad Request, no primary key"]], ["UPDATE", {}, {}, ["Error 400: Bad Request, no primary key"]]]);
    assert.deepEqual(seen.secret, [["INSERT", {}, {}, ["Error 401: Unauthorized"]], ["UPDATE", {}, {}, ["Error 401: Unauthorized"]]]);
  });
}

// ---------------------------------------------------------------- joins of old

test("legacy topics: schema public, all schemas, a table, a filter; in both versions", async (t) => {
  await env.db.query("create table public.bare (id int primary key, v text); create table other.bare (id int primary key, v text); grant select on public.bare, other.bare to authenticated");
  const topics = ["realtime:*", "realtime:public", "realtime:public:bare", "realtime:public:bare:v=eq.b", "realtime:other:bare:id=in.(2,3)"];
  for (const vsn of ["1.0.0", "2.0.0"]) {
    const client = await Phoenix.connect(env, token, { vsn });
    t.after(() => client.close());
    for (const topic of topics) {
      assert.equal((await client.reply(client.push(topic, "phx_join", {}))).payload.status, "ok", topic);
      await client.frame((frame) => frame.event === "system" && frame.topic === topic && frame.payload.status === "ok", "the system message");
    }
    await env.db.query(`delete from public.bare; delete from other.bare`);
    await env.caughtUp();
    await sleep(100);
    client.frames.length = 0;
    await env.db.query("insert into public.bare values (1, 'a'), (2, 'b'); insert into other.bare values (1, 'a'), (2, 'b'); update public.bare set v = 'c'; delete from public.bare");
    const told = (topic) => client.frames.filter((frame) => frame.topic === topic).map(({ event, payload }) => `${event} ${payload.schema} ${payload.record?.id ?? payload.old_record.id}`);
    const wanted = {
      "realtime:public": ["INSERT public 1", "INSERT public 2", "UPDATE public 1", "UPDATE public 2", "DELETE public 1", "DELETE public 2"],
      "realtime:public:bare:v=eq.b": ["INSERT public 2"],
      "realtime:other:bare:id=in.(2,3)": ["INSERT other 2"],
    };
    wanted["realtime:public:bare"] = wanted["realtime:public"];
    wanted["realtime:*"] = [...wanted["realtime:public"].slice(0, 2), "INSERT other 1", "INSERT other 2", ...wanted["realtime:public"].slice(2)];
    await eventually(() => told("realtime:*").length === 8, "all of them");
    for (const topic of topics) assert.deepEqual(told(topic), wanted[topic], `${vsn} ${topic}`);
  }
});

// ---------------------------------------------------------------- what cannot work is said

test("a binding that can never be told of anything is said, with the reason; the others work", async (t) => {
  await env.db.query("create table public.told (id int primary key, v int, hidden text); grant select (id, v) on public.told to authenticated");
  const wrong = {
    "v=nonsense": /operator/,
    "v=gte": /operator/,
    "v=in.1,2": /in takes a list/,
    "v=is.maybe": /is takes null, true, false/,
    [`v=in.(${Array.from({ length: 101 }, (_, i) => i)})`]: /at most 100 values/,
    'v=eq."1': /quote/,
    "v=match.(": /parenthesis/,
  };
  for (const [filter, why] of Object.entries(wrong)) {
    const client = await Phoenix.connect(env, token);
    t.after(() => client.close());
    const bindings = [{ event: "*", schema: "public", table: "told", filter }, { event: "*", schema: "public", table: "told" }];
    const { payload } = await client.reply(client.push("realtime:w", "phx_join", { config: { postgres_changes: bindings } }));
    assert.equal(payload.status, "ok");
    assert.equal(payload.response.postgres_changes.length, 2, "both are echoed, or supabase-js leaves");
    const system = await client.frame(({ event }) => event === "system", "the system message");
    assert.equal(system.payload.status, "error");
    assert.equal(system.payload.extension, "postgres_changes");
    assert.match(system.payload.message, why);
    await env.db.query("delete from public.told; insert into public.told values (1, 1)");
    const change = await client.change();
    assert.deepEqual(change.payload.ids, [payload.response.postgres_changes[1].id]);
  }
});

test("a table, a column or a value that cannot be is said at once, and not whether it is hidden or not there", async (t) => {
  await env.db.query(`create domain public.short as int; create table public.asked (id int primary key, v public.short, at timestamptz, ok boolean, u uuid, word text, secret text);
    grant select (id, v, at, ok, u, word) on public.asked to authenticated; create table public.closed (id int primary key)`);
  const client = await Phoenix.connect(env, token);
  t.after(() => client.close());
  let n = 0;
  const said = async (binding, as = token) => {
    const topic = `realtime:said ${++n}`;
    const ref = client.push(topic, "phx_join", { config: { presence: { enabled: false }, postgres_changes: [{ event: "*", schema: "public", table: "asked", ...binding }] }, access_token: as });
    assert.equal((await client.reply(ref)).payload.status, "ok");
    const { payload } = await client.frame((frame) => frame.event === "system" && frame.topic === topic, "the system message");
    await client.reply(client.push(topic, "phx_leave", {}));
    if (payload.status === "ok") return "ok";
    assert.match(payload.message, /^Unable to subscribe to changes with given parameters\. /);
    return /\[event: .*?\] \((.*)\)$/.exec(payload.message)[1];
  };
  const none = (column) => `there is no column "${column}" that role authenticated may read`;
  const unread = "no such table is followed, or role authenticated may not read it";
  for (const [binding, answer] of [
    [{}, "ok"],
    [{ table: "closed" }, unread],
    [{ table: "nowhere" }, unread],
    [{ filter: "oops=eq.1" }, none("oops")],
    [{ filter: "secret=eq.1" }, none("secret")],
    [{ filter: "id=eq.1,oops=eq.1" }, none("oops")],
    [{ filter: `${"x".repeat(64)}=eq.1` }, none("a longer name than there can be")],
    [{ select: ["id", "oops"] }, none("oops")],
    [{ select: ["id", "secret"], filter: "v=eq.1" }, none("secret")],
    [{ filter: "u=eq.undefined" }, '"undefined" is no uuid, as column "u" is'],
    [{ filter: "id=eq.abc" }, '"abc" is no number, as column "id" is'],
    [{ filter: "v=not.in.(1,x)" }, '"x" is no number, as column "v" is'],
    [{ filter: "ok=eq.maybe" }, '"maybe" is no boolean, as column "ok" is'],
    [{ filter: "at=gt.yesterday" }, '"yesterday" is no timestamp, as column "at" is'],
    [{ filter: "id=lt.5,v=gte.1.5,at=gte.2026-01-01,ok=is.true,u=isdistinct.null,word=eq.undefined", select: ["word"] }, "ok"],
    [{ table: "*", filter: "oops=eq.1" }, "ok"], // what each table has is nobody's guess
  ]) assert.equal(await said(binding), answer, JSON.stringify(binding));
  assert.equal(await said({ filter: "secret=eq.1", table: "asked" }, service), 'no such table is followed, or role service_role may not read it');
  assert.match(env.logText(), /reason="grant select on public.closed to authenticated"/);

  await env.db.query("create publication supabase_realtime for table public.asked (id, v)");
  t.after(() => env.db.query("drop publication if exists supabase_realtime"));
  assert.equal(await said({ filter: "v=eq.1" }), "ok");
  assert.equal(await said({ filter: "word=eq.a" }), none("word"), "a column that is not published");
  assert.equal(await said({ table: "closed" }), "no such table is followed, or it is not in publication supabase_realtime, or role authenticated may not read it");
  await env.db.query("drop publication supabase_realtime");

  // the binding stays, for the day on which it can be
  const later = await follow(t, [{ event: "*", schema: "public", table: "asked", filter: "oops=eq.1" }, { event: "*", schema: "public", table: "closed" }]);
  await env.db.query("alter table public.asked rename secret to oops; grant select on public.asked, public.closed to authenticated; insert into public.asked (id, oops) values (1, '1'); insert into public.closed values (1)");
  assert.deepEqual((await later.told()).map(({ data }) => data.table), ["asked", "closed"]);
});

test("many wishes of many roles and columns, in one go", async (t) => {
  await env.db.query("create table public.many (id int primary key, a int, b int); grant select (id, a) on public.many to authenticated; grant select on public.many to anon");
  const client = await Phoenix.connect(env, token), other = await Phoenix.connect(env, jwt(env.secret, { role: "anon" }));
  t.after(() => Promise.all([client.close(), other.close()]));
  const bindings = Array.from({ length: 90 }, (_, i) => ({ event: "*", schema: "public", table: "many", filter: `a=eq.${i},id=gt.${i}`, select: ["id", ...(i % 2 ? ["a"] : [])] }));
  const join = async (who, i, postgres_changes) => {
    const topic = `realtime:many ${i}`;
    who.push(topic, "phx_join", { config: { presence: { enabled: false }, postgres_changes } });
    return (await who.frame((frame) => frame.event === "system" && frame.topic === topic, "the system message", 10000)).payload.status;
  };
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => [join(client, i, bindings), join(client, i + 100, [...bindings.slice(0, 9), { table: "many", filter: `b=eq.${i}` }]), join(other, i, [{ table: "many", filter: `b=eq.${i}` }])]).flat());
  answers.forEach((answer, i) => assert.equal(answer, i % 3 === 1 ? "error" : "ok", i));
});
