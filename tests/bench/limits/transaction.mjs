// One transaction of very many rows. The daemon passes them on as they come; the server holds the
// transaction on disk, and once more the transaction by which they are stored, which it filters.
import { caughtUp, measured, sameAsTable } from "./measure.mjs";

export const full = { rows: 10_000_000 };
export const small = { rows: 300_000 };

export const run = (cluster, { rows, settings }) =>
  measured(
    cluster,
    { title: `a transaction of ${rows.toLocaleString("en")} rows`, bound: 64, settings, before: ({ db }) => db.query("create table public.narrow (id int primary key, n int)") },
    async (env, watch) => {
      await env.db.query("insert into public.narrow select -g, g from generate_series(1, 20000) g");
      await caughtUp(env);
      watch.begin();
      await env.db.query("insert into public.narrow select g, g from generate_series(1, $1::int) g", [rows]);
      const written = watch.seconds();
      await caughtUp(env);
      const seconds = watch.seconds() - written;
      await sameAsTable(env, "narrow");
      return { changes: rows, written, seconds };
    },
  );
