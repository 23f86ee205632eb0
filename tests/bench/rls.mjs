// Changes a second to clients that each read only their own rows, by row level security, beside the
// same rows and clients on a table without it, where each client has a filter instead.
import { randomUUID } from "node:crypto";
import { Env, jwt } from "../e2e/harness.mjs";
import { cpuSeconds } from "./cpu.mjs";
import { joinFrame, Listeners, stamp, SUBSCRIBED } from "./listeners.mjs";
import { median, say, size } from "./tools.mjs";

const CLIENTS = size("RLS_CLIENTS", 500, 500);
const CHANGES = size("RLS_CHANGES", 3000, 10_000);
const ROUNDS = size("RLS_ROUNDS", 2, 5);

async function prepare(env) {
  await env.db.query(`
    create table public.open_notes (id bigint generated always as identity primary key, user_id uuid not null, body text);
    create table public.own_notes (like public.open_notes including all);
    alter table public.own_notes enable row level security`);
}

async function side(env, table, users) {
  await env.db.query(`grant select on public.${table} to authenticated`);
  const hellos = users.map(({ id, token }) => joinFrame({ table, token, filter: table === "open_notes" ? `user_id=eq.${id}` : undefined }));
  const path = `/realtime/v1/websocket?vsn=2.0.0&apikey=${users[0].token}`;
  const listeners = await Listeners.start({ port: env.port, path, clients: CLIENTS, hellos, subscribed: SUBSCRIBED });
  const publish = () =>
    env.db.query(`do $$
      declare users constant uuid[] := array(select u::uuid from unnest('{${users.map((u) => u.id).join(",")}}'::text[]) u);
      begin
        for i in 1..${CHANGES} loop
          insert into public.${table} (user_id, body) values (users[1 + i % ${CLIENTS}], ${stamp} || repeat('x', 100));
          commit;
        end loop;
      end $$`);
  const rates = [], daemon = [], server = [];
  return {
    async round() {
      const before = await cpuSeconds(env);
      rates.push(CHANGES / (await listeners.during(0, publish, { frames: CHANGES })).seconds);
      await env.caughtUp();
      const after = await cpuSeconds(env);
      daemon.push(((after.daemon - before.daemon) * 1000) / CHANGES);
      server.push(((after.server - before.server) * 1000) / CHANGES);
    },
    rate: () => median(rates),
    cpu: (what) => [
      { what: `CPU of 1,000 changes ${what}: pgherald`, value: median(daemon), unit: "s" },
      { what: `CPU of 1,000 changes ${what}: PostgreSQL`, value: median(server), unit: "s" },
    ],
    stop: () => listeners.stop(),
  };
}

export async function run(cluster) {
  Listeners.build();
  const env = await Env.start({ cluster, seed: false, before: prepare });
  const sides = [];
  try {
    await env.db.query("create policy own on public.own_notes for select to authenticated using (user_id = (select auth.uid()))");
    const users = Array.from({ length: CLIENTS }, () => {
      const id = randomUUID();
      return { id, token: jwt(env.secret, { role: "authenticated", sub: id }) };
    });
    sides.push(await side(env, "own_notes", users), await side(env, "open_notes", users));
    for (let round = 0; round < ROUNDS; round++) {
      for (const s of sides) await s.round();
      say(`round ${round + 1} of ${ROUNDS}`);
    }
  } finally {
    for (const s of sides) s.stop();
    await env.stop();
  }
  const [own, open] = sides.map((s) => s.rate());
  return {
    title: `Row level security: ${CLIENTS} clients, each its own rows`,
    rows: [
      { what: "user_id = auth.uid()", value: own, unit: "changes/s", ratio: own / open, to: "the same without policies", aim: { value: ">= 2000", ratio: ">= 0.8" } },
      { what: "without policies, filtered", value: open, unit: "changes/s" },
      ...sides[0].cpu("with policies"),
      ...sides[1].cpu("without"),
    ],
  };
}
