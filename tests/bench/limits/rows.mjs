// Rows of 100 MB: bytea, which comes as text of twice the length, and text. An UPDATE with REPLICA IDENTITY
// FULL has the row twice. What is too large for jsonb has its size in its place.
import assert from "node:assert/strict";
import { caughtUp, eventually, measured, sameAsTable } from "./measure.mjs";

const MB = 1e6;
export const full = { megabytes: 100, rows: 5 };
export const small = { megabytes: 8, rows: 2 };

// Random, so that nothing compresses it: the stored row is as large as the value.
const setUp = `
  create table public.large_bytes (id int primary key, data bytea);
  create table public.large_text (id int primary key, body text);
  alter table public.large_bytes alter data set storage external, replica identity full;
  alter table public.large_text alter body set storage external, replica identity full;
  create function public.some_text(n int) returns text language sql as $$
    select left(repeat(string_agg(md5(random()::text), ''), n / 32000 + 1), n) from generate_series(1, 1000) $$`;

// The lower estimate of what goes through the daemon at once: the message in libpq's buffer and a copy of it,
// the entry, and the entry in libpq's buffer; in an UPDATE each holds the row twice.
const boundOf = (textMb, images) => 64 + Math.ceil(4.5 * images * textMb);

const text = (cluster, { megabytes, rows, settings }) =>
  measured(
    cluster,
    { title: `rows of ${megabytes} MB of text`, bound: boundOf(megabytes, 1), settings, before: ({ db }) => db.query(setUp) },
    async (env, watch) => {
      for (let id = 1; id <= rows; id++) await env.db.query("insert into public.large_text values ($1, public.some_text($2))", [id, megabytes * MB]);
      const written = watch.seconds();
      await caughtUp(env);
      const seconds = watch.seconds();
      assert.equal(await sameAsTable(env, "large_text"), rows);
      return { changes: rows, seconds, written };
    },
  );

const bytes = (cluster, { megabytes, rows, settings }) =>
  measured(
    cluster,
    { title: `rows of ${megabytes} MB of bytea, updated`, bound: boundOf(2 * megabytes, 2), settings, before: ({ db }) => db.query(setUp) },
    async (env, watch) => {
      for (let id = 1; id <= rows; id++)
        await env.db.query("insert into public.large_bytes values ($1, convert_to(public.some_text($2), 'UTF8'))", [id, megabytes * MB]);
      await caughtUp(env);
      assert.equal(await sameAsTable(env, "large_bytes"), rows);
      await env.db.query("update public.large_bytes set id = id + 1000");
      await caughtUp(env);
      const seconds = watch.seconds();
      assert.equal(await sameAsTable(env, "large_bytes", { action: "update" }), rows);
      const { n } = await env.row("select count(*)::int as n from public.audit_logs where action = 'update' and old_values - 'id' = new_values - 'id' and changed_fields = '{id}'");
      assert.equal(n, rows, "old and new are the same but for the key");
      return { changes: 2 * rows, seconds };
    },
  );

export const run = async (cluster, size) => [await text(cluster, size), await bytes(cluster, size)];
