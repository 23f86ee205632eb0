// The inbox as its owner's browser tabs and sessions see it: live, counted right, nobody else's.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import { Env, eventually, jwt, sleep } from "./harness.mjs";

let env, ann, bob, service;

before(async () => {
  env = await Env.start();
  ann = await env.user("ann");
  bob = await env.user("bob");
  service = { token: jwt(env.secret, { role: "service_role" }), role: "service_role" };
});
after(() => env?.stop());

// A browser tab: supabase-js as it is, listening to an inbox. `events` grows.
async function tab(t, user, filter) {
  const supabase = createClient(env.url(), user.token, { accessToken: async () => user.token, realtime: { transport: WebSocket } });
  t.after(() => supabase.realtime.disconnect());
  const events = [];
  await new Promise((done, fail) => {
    supabase
      .channel("inbox")
      .on("postgres_changes", { event: "*", schema: "public", table: "notifications", ...(filter ? { filter } : {}) }, (payload) => events.push(payload))
      // who may not read the table is told so, and listens all the same
      .on("system", {}, ({ status, message }) => (status === "ok" || /may not read it/.test(message) ? done() : fail(new Error(message))))
      .subscribe((status, error) => {
        if (status !== "SUBSCRIBED" && status !== "CLOSED") fail(error ?? new Error(status));
      });
  });
  return { events, next: (fits, what) => eventually(() => events.find(fits), what, 8000) };
}

// A session in which every transaction is a request of this user, as PostgREST makes it.
async function session(t, user) {
  const client = await env.connect();
  t.after(() => client.end());
  const role = user.role ?? "authenticated";
  const claims = JSON.stringify({ role, ...(user.id ? { sub: user.id } : {}) });
  return {
    client,
    async request(sql, params, isolation = "read committed") {
      await client.query(`begin isolation level ${isolation}`);
      try {
        await client.query("select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", [role, claims]);
        const { rows } = await client.query(sql, params);
        await client.query("commit");
        return rows;
      } catch (error) {
        await client.query("rollback");
        throw error;
      }
    },
    async value(sql, params) {
      const [row] = await this.request(sql, params);
      return row && Object.values(row)[0];
    },
  };
}

const rule = (fields) => {
  const all = { name: randomBytes(6).toString("hex"), table_name: "memories", events: ["insert"], recipient: "user_id", title: "{{new.title}}", ...fields };
  const names = Object.keys(all);
  return env.row(
    `insert into public.notification_rules (${names}) values (${names.map((_, i) => `$${i + 1}`)}) returning id`,
    Object.values(all),
  );
};
const dropRules = () => env.db.query("delete from public.notification_rules");
const remember = (user, title, content = "c") =>
  env.db.query("insert into public.memories (user_id, title, content) values ($1, $2, $3)", [user.id, title, content]);
const inbox = (user) => env.rows("select * from public.notifications where user_id = $1 order by created_at, title", [user.id]);
const unread = "select public.get_unread_notification_count()";

test("made by a rule and by create_notification(): live at their owner's, and at nobody else's", async (t) => {
  const all = await tab(t, ann);
  const filtered = await tab(t, ann, `user_id=eq.${ann.id}`);
  const others = [await tab(t, bob), await tab(t, bob, `user_id=eq.${ann.id}`), await tab(t, { token: jwt(env.secret, { role: "anon" }) })];
  const backend = await session(t, service);
  await rule({ table_name: "transcripts", title: "{{new.title}} is ready", priority: "high", type: "transcript" });
  await env.db.query("insert into public.transcripts (user_id, title) values ($1, 'standup')", [ann.id]);
  const id = await backend.value("select public.create_notification($1, 'by hand', 'text', 'news', 'urgent', '{\"n\": 1}')", [ann.id]);
  for (const { next, events } of [all, filtered]) {
    const byRule = await next(({ new: row }) => row.title === "standup is ready", "the rule's notification");
    assert.deepEqual([byRule.eventType, byRule.new.user_id, byRule.new.priority, byRule.new.is_read], ["INSERT", ann.id, "high", false]);
    const byHand = await next(({ new: row }) => row.title === "by hand", "the application's");
    assert.deepEqual([byHand.new.id, byHand.new.data], [id, { n: 1 }]);
    assert.equal(events.length, 2);
  }
  await sleep(300);
  assert.deepEqual(others.map(({ events }) => events.length), [0, 0, 0]);
  await dropRules();
});

test("seen, read, archived, deleted in one tab: the other tab follows", async (t) => {
  const user = await env.user();
  const backend = await session(t, service);
  const mine = await session(t, user);
  const other = await tab(t, user);
  const stranger = await tab(t, bob);
  const id = await backend.value("select public.create_notification($1, 'news')", [user.id]);
  const update = (fits, what) => other.next(({ eventType, new: row }) => eventType === "UPDATE" && row.id === id && fits(row), what);
  assert.equal(await mine.value(unread), "1");
  assert.equal(await mine.value("select public.mark_notifications_seen()"), "1");
  await update((row) => row.seen_at && !row.is_read, "seen");
  assert.equal(await mine.value("select public.mark_notification_read($1)", [id]), true);
  await update((row) => row.is_read && row.read_at && !row.archived_at, "read");
  assert.equal(await mine.value(unread), "0");
  await mine.request("update public.notifications set is_read = false where id = $1", [id]);
  await update((row) => !row.is_read && row.read_at === null && row.seen_at, "unread again");
  assert.equal(await mine.value(unread), "1");
  assert.equal(await mine.value("select public.archive_notification($1)", [id]), true);
  const archived = await update((row) => row.archived_at, "archived");
  assert.ok(Date.parse(archived.new.updated_at) >= Date.parse(archived.new.created_at));
  assert.equal(await mine.value(unread), "0");
  await mine.request("delete from public.notifications where id = $1", [id]);
  await other.next(({ eventType, old }) => eventType === "DELETE" && old.id === id, "deleted");
  await sleep(200);
  assert.deepEqual(stranger.events, []);
});

test("nobody changes another's inbox, or what his own says", async (t) => {
  const backend = await session(t, service);
  const [mine, his] = [await session(t, ann), await session(t, bob)];
  const id = await backend.value("select public.create_notification($1, 'hers')", [ann.id]);
  const refused = (who, sql, params) => assert.rejects(who.request(sql, params), { code: "42501" }, sql);
  const [before] = await env.rows("select * from public.notifications where id = $1", [id]);
  assert.equal(await his.value("select public.mark_notification_read($1)", [id]), false);
  assert.equal(await his.value("select public.archive_notification($1)", [id]), false);
  assert.equal(await his.value("select public.mark_all_notifications_read($1)", [ann.id]), "0");
  assert.equal(await his.value("select public.mark_notifications_seen($1)", [ann.id]), "0");
  assert.equal(await his.value("select public.get_unread_notification_count($1)", [ann.id]), "0");
  assert.deepEqual(await his.request("update public.notifications set is_read = true where id = $1 returning id", [id]), []);
  assert.deepEqual(await his.request("delete from public.notifications where id = $1 returning id", [id]), []);
  assert.deepEqual(await his.request("select id from public.notifications where id = $1", [id]), []);
  for (const who of [mine, his]) {
    for (const column of ["title", "message", "type", "priority", "data", "dedupe_key", "rule_id", "expires_at", "created_at", "user_id", "id", "updated_at"]) {
      await refused(who, `update public.notifications set ${column} = default where id = $1`, [id]);
    }
    await refused(who, "insert into public.notifications (user_id, title) values ($1, 'x')", [ann.id]);
    await refused(who, "select public.create_notification($1, 'x')", [ann.id]);
  }
  await refused(his, "select public.set_notification_preference('news', false, 'low', $1)", [ann.id]);
  assert.deepEqual(await env.rows("select * from public.notifications where id = $1", [id]), [before]);
});

test("what a user does not want is not made, by rules neither", async (t) => {
  const user = await env.user();
  const mine = await session(t, user);
  const live = await tab(t, user);
  for (const [type, priority] of [["digest", "urgent"], ["job", "low"], ["job", "high"], ["news", "low"], ["news", "high"], [null, "low"]]) {
    await rule({ type, priority, title: `${type ?? "rule"} ${priority}`, name: `${type ?? "untyped"} ${priority}` });
  }
  await mine.value("select public.set_notification_preference('digest', false)");
  await mine.value("select public.set_notification_preference('job', true, 'high')");
  await mine.value("select public.set_notification_preference('*', true, 'high')");
  await remember(user, "x");
  await env.caughtUp();
  assert.deepEqual((await inbox(user)).map(({ title }) => title).sort(), ["job high", "news high"]);
  await mine.value("select public.set_notification_preference('news', true, 'low')"); // its own word beats *
  await remember(user, "y");
  await env.caughtUp();
  assert.deepEqual((await inbox(user)).map(({ title }) => title).sort(), ["job high", "job high", "news high", "news high", "news low"]);
  await mine.value("select public.set_notification_preference('*', false)");
  await mine.value("select public.set_notification_preference('digest', true, 'urgent')");
  await remember(user, "z");
  await env.caughtUp();
  await eventually(() => live.events.length >= 9, "all that is wanted");
  assert.deepEqual(live.events.slice(5).map(({ new: row }) => row.title).sort(), ["digest urgent", "job high", "news high", "news low"]);
  await dropRules();
});

test("one dedupe key, many sessions and a rule at once: one row a recipient, and all get its id", async (t) => {
  const users = [await env.user(), await env.user()];
  await rule({ title: "by the rule", dedupe_key: "{{new.title}}" });
  const sessions = await Promise.all(Array.from({ length: 20 }, () => session(t, service)));
  for (let round = 0; round < 10; round++) {
    const key = `round ${round}`;
    const answers = sessions.map((backend, i) =>
      backend.value("select public.create_notification($1, 'by hand', p_dedupe_key => $2)", [users[i % 2].id, key]),
    );
    const rules = users.map((user) => remember(user, key));
    const ids = await Promise.all(answers);
    await Promise.all(rules);
    const stored = "select count(*)::int as n from public.audit_logs where resource_type = 'public.memories' and new_values ->> 'title' = $1";
    await eventually(async () => (await env.row(stored, [key])).n === 2, "the rule's turn"); // its effects are in the same transaction
    for (const [n, user] of users.entries()) {
      const rows = await env.rows("select id from public.notifications where user_id = $1 and dedupe_key = $2", [user.id, key]);
      assert.equal(rows.length, 1, key);
      assert.deepEqual(new Set(ids.filter((_, i) => i % 2 === n)), new Set([rows[0].id]), key);
    }
  }
  await dropRules();
});

test("a key of any length dedupes, and one whose notification has expired is free again", async (t) => {
  const user = await env.user();
  const backend = await session(t, service);
  const long = randomBytes(20000).toString("base64");
  await rule({ title: "long", dedupe_key: "{{new.content}}" });
  await remember(user, "a", long);
  await remember(user, "b", long);
  await remember(user, "c", long.replace(/.$/, "-"));
  await env.caughtUp();
  const made = await inbox(user);
  assert.equal(made.length, 2);
  const again = await backend.value("select public.create_notification($1, 'x', p_dedupe_key => $2)", [user.id, long]);
  assert.ok(made.some(({ id }) => id === again), "an application's long key is the same as a rule's");
  await dropRules();

  const create = (expires) => backend.value("select public.create_notification($1, 'x', p_expires_at => $2, p_dedupe_key => 'k')", [user.id, expires]);
  const first = await create(new Date(Date.now() + 1000));
  assert.equal(await create(null), first);
  await sleep(1100);
  const second = await create(null);
  assert.notEqual(second, first);
  assert.deepEqual(await env.rows("select id from public.notifications where user_id = $1 and dedupe_key = 'k'", [user.id]), [{ id: second }]);
});

test("the unread count is right in every snapshot while 20 sessions make, mark, archive, expire and clean up", async (t) => {
  const user = await env.user();
  const work = [
    ["service", "select public.create_notification($1, 'x', p_dedupe_key => 'k' || floor(random() * 300)::text)"],
    ["service", "select public.create_notification($1, 'x', p_expires_at => clock_timestamp() + random() * interval '300 ms')"],
    ["user", "select public.mark_notification_read((select id from public.notifications where user_id = $1 order by random() limit 1))"],
    ["user", "select public.archive_notification((select id from public.notifications where user_id = $1 order by random() limit 1))"],
    ["user", "update public.notifications set is_read = not is_read where id = (select id from public.notifications where user_id = $1 order by random() limit 1)"],
    ["user", "delete from public.notifications where id = (select id from public.notifications where user_id = $1 order by random() limit 1)"],
    ["user", "select public.mark_notifications_seen($1)"],
    ["service", "select public.cleanup_expired_notifications(50) where $1::uuid is not null"],
  ];
  const writers = await Promise.all(Array.from({ length: 20 }, async (_, i) => ({ on: await session(t, work[i % work.length][0] === "user" ? user : service), sql: work[i % work.length][1] })));
  const watchers = await Promise.all([user, user, service].map((who) => session(t, who)));
  let writing = true;
  let snapshots = 0;
  const counts = new Set();
  const watch = watchers.map(async (watcher) => {
    while (writing) {
      // both from one snapshot; the truth from a look at every row
      const [{ said, truth }] = await watcher.request(
        `select public.get_unread_notification_count($1)::int as said,
           (select count(*)::int from (select * from public.notifications offset 0) n
            where n.user_id = $1 and n.read_at is null and n.archived_at is null and coalesce(n.expires_at > now(), true)) as truth`,
        [user.id],
        "repeatable read",
      );
      assert.equal(said, truth);
      counts.add(said);
      snapshots++;
    }
  });
  const write = writers.map(async ({ on, sql }) => {
    for (let i = 0; i < 60; i++) await on.request(sql, [user.id]);
  });
  await Promise.all(write).finally(() => (writing = false));
  await Promise.all(watch);
  assert.ok(snapshots > 20 && counts.size > 5, `${snapshots} snapshots, ${counts.size} different counts`);
  await sleep(400); // the last ones expire, and nobody cleans up
  const rows = await inbox(user);
  const now = Date.now();
  const truth = rows.filter((row) => !row.is_read && !row.archived_at && !(row.expires_at && Date.parse(row.expires_at) <= now)).length;
  const mine = await session(t, user);
  assert.equal(Number(await mine.value(unread)), truth);
  assert.ok(rows.length > 0);
  assert.equal(Number(await mine.value("select public.mark_all_notifications_read()")) >= truth, true);
  assert.equal(await mine.value(unread), "0");
});

test("an expired notification counts no more before the clean-up, which then takes it out of every tab", async (t) => {
  const user = await env.user();
  const mine = await session(t, user);
  const live = await tab(t, user);
  await rule({ title: "short-lived", expires_in: "4 seconds" });
  await rule({ title: "lasting" });
  await remember(user, "x");
  for (const title of ["short-lived", "lasting"]) await live.next(({ new: row }) => row.title === title, `the ${title} one`);
  assert.equal(await mine.value(unread), "2");
  await eventually(async () => (await mine.value(unread)) === "1", "the count to fall by itself", 10000);
  assert.equal((await inbox(user)).length, 2);
  await env.db.query("select public.cleanup_expired_notifications()");
  await live.next(({ eventType }) => eventType === "DELETE", "its end");
  assert.deepEqual((await inbox(user)).map(({ title }) => title), ["lasting"]);
  assert.equal(await mine.value(unread), "1");
  await dropRules();
});

test("a recipient who is no known user, or no user id at all, holds up nothing", async () => {
  await env.db.query("create table public.mails (id int primary key, recipient text); alter table public.mails replica identity full");
  const before = (await env.stats()).rule_misses_total;
  await rule({ table_name: "mails", recipient: "recipient", title: "mail {{new.id}}" });
  const unknown = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
  await env.db.query("insert into public.mails values (1, $1), (2, null), (3, ''), (4, 'nobody'), (5, $2), (6, $3)", [unknown, "x".repeat(100000), ann.id]);
  await env.caughtUp();
  const made = await env.rows("select user_id, title from public.notifications where title like 'mail %' order by title");
  assert.deepEqual(made, [
    { user_id: unknown, title: "mail 1" },
    { user_id: ann.id, title: "mail 6" },
  ]);
  assert.equal((await env.stats()).rule_misses_total - before, 3);
  assert.equal((await env.row("select count(*)::int as n from public.audit_logs where resource_type = 'public.mails'")).n, 6);
  await dropRules();
});

test("the inbox of an account that is deleted goes with it", async (t) => {
  const user = await env.user();
  const backend = await session(t, service);
  await backend.value("select public.create_notification($1, 'x')", [user.id]);
  await backend.value("select public.create_notification($1, 'y')", [user.id]);
  const kept = (await inbox(ann)).length;
  await backend.request("delete from public.users where id = $1", [user.id]);
  assert.deepEqual(await inbox(user), []);
  assert.equal((await inbox(ann)).length, kept);
});

test("a notification that its table refuses is left out, counted and said; the audit trail goes on", async () => {
  const user = await env.user();
  await env.db.query(`
    create function public.picky() returns trigger language plpgsql as $$
    begin
      if new.title like 'refuse%' then raise exception 'not this one'; end if;
      return new;
    end $$;
    create trigger picky before insert on public.notifications for each row execute function public.picky()`);
  const { notifications_refused_total: before, batches_failed_total: failed } = await env.stats();
  await rule({ title: "{{new.title}}" });
  await rule({ title: "beyond the calendar", expires_in: "400000 years" });
  await env.db.query("insert into public.memories (user_id, title, content) values ($1, 'fine', 'c'), ($1, 'refuse this', 'c'), ($1, 'fine too', 'c')", [user.id]);
  await env.caughtUp();
  assert.deepEqual((await inbox(user)).map(({ title }) => title), ["fine", "fine too"]);
  const stats = await env.stats();
  assert.equal(stats.notifications_refused_total - before, 4);
  assert.equal(stats.batches_failed_total, failed);
  assert.match(env.logText(), /left out: public\.notifications refused them.*count=4.*rule .*(not this one|out of range)/);
  await env.db.query("drop function public.picky() cascade");
  await dropRules();
});
