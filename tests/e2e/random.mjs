// Random transactions over tables of every kind, and what their entries are compared by.
import { eventually } from "./harness.mjs";

export function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// A second slot beside the environment's own.
export async function secondSlot(env, plugin, slot = `${env.name}_2`) {
  const own = { ...env.settings };
  Object.assign(env.settings, { slot_name: slot, plugin });
  await env.init();
  Object.assign(env.settings, own);
  return slot;
}
export const dropSlot = (env, slot) =>
  eventually(async () => {
    await env.admin(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '${slot}'`);
    return true;
  }, `slot ${slot} to be free`);

export const setUp = `
  create type public.mood as enum ('sad', 'happy');
  create type public.pair as (a int, b text);
  create domain public.amount as numeric;
  create table public.keyed (id int primary key, t text, n numeric, f float8, b bool, j jsonb, bin bytea, at timestamptz);
  create table public.whole (id int primary key, t text, big text, m public.mood, p public.pair, d public.amount, list text[]);
  alter table public.whole replica identity full;
  alter table public.whole alter big set storage external;
  create table public.whole_without_key (a int, t text);
  alter table public.whole_without_key replica identity full;
  create table public.by_index (id int primary key, u int not null unique, t text);
  alter table public.by_index replica identity using index by_index_u_key;
  create table public.two (a int, b text, t text, primary key (b, a));
  create table public.bare (a int, t text);
  create table public.nothing (id int primary key, t text);
  alter table public.nothing replica identity nothing;
  create table public.parted (id int, k int, t text, primary key (id, k)) partition by list (k);
  create table public.parted_0 partition of public.parted for values in (0);
  create table public.parted_1 partition of public.parted for values in (1);
  alter table public.parted_1 replica identity full;
  create table public."Odd "" näme, x" ("id é" int primary key, "a.b" text);
  create schema aside;
  create table aside.unseen (id int primary key, t text)`;

// One statement; `$` stands for values, which differ each time.
export function statements(random) {
  const int = (n) => Math.floor(random() * n);
  const pick = (list) => list[int(list.length)];
  const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
  const text = () => pick(["null", "''", quoted('say "hi"\n\t\\ é \u{1F600}'), quoted("'; drop"), `'${int(1000)}'`, `repeat('x', ${int(50)})`]);
  const big = () => pick([`repeat('${int(10)}', 5000)`, "null", text()]);
  const number = () => pick(["null", "0", "-1.50", "1234567890123456789012345678901234567890.0100", "1e-20", String(int(1e9))]);
  const id = () => int(40);
  const keyed = () =>
    `${text()}, ${number()}, ${pick(["null", "1e300", "0.1", "-0"])}, ${pick(["true", "false", "null"])}, ${pick(["null", `'{"a": [1.50, "x\\ny"]}'`, "'null'"])}, ${pick(["null", "''", "'\\xdeadbeef00'"])}, ${pick(["null", "'infinity'", "'2026-02-28 12:34:56.123456+05:30'", "'0044-03-15 12:00:00+00 BC'"])}`;
  const whole = () => `${text()}, ${big()}, ${pick(["null", "'sad'"])}, ${pick(["null", "row(1, 'a \"b\"')"])}, ${number()}, ${pick(["null", "'{}'", "array['a,b', null, 'NULL']"])}`;
  const again = "on conflict do nothing";
  return () =>
    pick([
      () => `insert into public.keyed values (${id()}, ${keyed()}) ${again}`,
      () => `update public.keyed set (t, n, f, b, j, bin, at) = row(${keyed()}) where id = ${id()}`,
      () => `update public.keyed set id = id + 100 where id = ${id()}`,
      () => `delete from public.keyed where id % 7 = ${int(7)}`,
      () => `insert into public.whole values (${id()}, ${whole()}) ${again}`,
      () => `update public.whole set t = ${text()} where id < ${id()}`,
      () => `update public.whole set (t, big, m, p, d, list) = row(${whole()}) where id = ${id()}`,
      () => `delete from public.whole where id = ${id()}`,
      () => `insert into public.whole_without_key values (${id()}, ${text()})`,
      () => `update public.whole_without_key set t = ${text()} where a = ${id()}`,
      () => `delete from public.whole_without_key where a = ${id()}`,
      () => `insert into public.by_index values (${id()}, ${id()}, ${text()}) ${again}`,
      () => `update public.by_index set t = ${text()} where id = ${id()}`,
      () => `update public.by_index set u = u + 1000 where id = ${id()}`,
      () => `delete from public.by_index where id = ${id()}`,
      () => `insert into public.two values (${id()}, '${id()}', ${text()}) ${again}`,
      () => `update public.two set a = a + 1000, t = ${text()} where a = ${id()}`,
      () => `delete from public.two where a = ${id()}`,
      () => `insert into public.bare values (${id()}, ${text()})`,
      () => `update public.bare set t = ${text()} where a = ${id()}`,
      () => `delete from public.bare where a = ${id()}`,
      () => `insert into public.nothing values (${id()}, ${text()}) ${again}`,
      () => `update public.nothing set t = ${text()} where id = ${id()}`,
      () => `insert into public.parted values (${id()}, ${int(2)}, ${text()}) ${again}`,
      () => `update public.parted set t = ${text()} where id < ${id()}`,
      () => `update public.parted p set k = 1 - k where id = ${id()} and not exists (select from public.parted o where o.id = p.id and o.k = 1 - p.k)`,
      () => `delete from public.parted where id = ${id()}`,
      () => `insert into public."Odd "" näme, x" values (${id()}, ${text()}) ${again}`,
      () => `update public."Odd "" näme, x" set "a.b" = ${text()} where "id é" = ${id()}`,
      () => `insert into aside.unseen values (${id()}, ${text()}) ${again}`,
      () => `truncate ${pick(["public.bare", "public.two, public.bare, aside.unseen", "public.keyed", "public.parted_0", "public.whole, public.by_index"])}`,
      () => `select pg_logical_emit_message(${pick(["true", "false"])}, '${pick(["pgherald:context", "of another program"])}', ${pick(["'{}'", "'no context'", "E'\\\\x00ff'::bytea"])})`,
      () => `savepoint s; insert into public.keyed values (${id() + 1000}, 'lost'); rollback to s`,
      // DDL in the middle of it all
      () => `do $$ begin create table public.made_${int(4)} (id int primary key, v int2); exception when duplicate_table then null; end $$`,
      () => `do $$ begin insert into public.made_${int(4)} values (${id()}) ${again}; exception when undefined_table or undefined_column then null; end $$`,
      () => `drop table if exists public.made_${int(4)}`,
      () => `alter table public.keyed add column if not exists more text default 'm'`,
      () => `alter table public.keyed drop column if exists more`,
      () => `alter table public.two replica identity ${pick(["full", "default"])}`,
      () => `do $$ begin alter table public.bare add primary key (a); exception when others then null; end $$`,
    ])();
}

export const entries = `
  select commit_lsn, ordinal, xid, occurred_at, action, resource_type, resource_id, old_resource_id, old_values::text, new_values::text,
    changed_fields, user_id, context::text
  from public.audit_logs where id > $1 and commit_lsn > $2::pg_lsn order by commit_lsn, ordinal`;
