// The truth beside the effects: every change of public.accounts is written down by a trigger, in the
// transaction that made it. What the daemon made of the changes is compared with that, row by row.
import assert from "node:assert/strict";
import pg from "pg";
import { sleep } from "./harness.mjs";

// Every change says in the row itself which change it is: a number of its own, drawn inside the
// transaction. A transaction that rolls back draws numbers too, which must not be seen.
const SCHEMA = `
  create sequence public.change_no;
  create table public.accounts (id int primary key, owner uuid, balance bigint not null default 0, no bigint not null);
  alter table public.accounts replica identity full;
  insert into public.accounts select g, null, 0, nextval('public.change_no') from generate_series(1, 200) g;
  create table public.journal (seq bigserial primary key, xid bigint not null, op text not null, id int not null, no bigint not null);
  create function public.keep_journal() returns trigger language plpgsql as $$
  begin
    insert into public.journal (xid, op, id, no)
    values (pg_current_xact_id()::text::bigint % 4294967296, lower(tg_op), coalesce(new.id, old.id), coalesce(new.no, old.no));
    return null;
  end $$;
  create trigger keep_journal after insert or update or delete on public.accounts for each row execute function public.keep_journal();
  insert into pgherald.audit_policies (table_name, is_enabled) values ('public.journal', false);
`;
const SEEDED = 200; // rows that were there before the journal

// A rule and a webhook over all of it; the calls are made by nobody, so the outbox keeps them.
const EFFECTS = `
  insert into public.notification_rules (name, table_name, events, recipient, title) values
    ('made', 'accounts', '{insert}', 'owner', 'insert {{new.no}}'), ('gone', 'accounts', '{delete}', 'owner', 'delete {{old.no}}');
  insert into public.webhooks (name, url, events) values ('ledger', 'http://127.0.0.1:1/ledger', '{accounts.*}');
`;

export class Journal {
  // `effects`: notifications and deliveries are made and compared too; the seed application is needed.
  // `outbox`: whether deliveries are compared; not where they are deleted once they are made.
  static async start(env, { effects = false, outbox = effects } = {}) {
    const journal = new Journal();
    journal.env = env;
    journal.effects = effects;
    journal.outbox = outbox;
    await env.db.query(SCHEMA);
    if (effects) {
      journal.owner = (await env.user()).id;
      await env.db.query(EFFECTS);
    }
    await env.caughtUp();
    return journal;
  }

  async count() {
    return Number((await this.env.row("select count(*) as n from public.journal")).n);
  }

  // What the effects lack, and what they have beyond the truth; empty if all is well.
  differences() {
    const parts = [difference("audit", "select xid, op, id, no from public.journal", AUDITED)];
    if (this.effects) {
      parts.push(difference("notification", "select op, no from public.journal where op in ('insert', 'delete')", NOTIFIED));
    }
    if (this.outbox) parts.push(difference("delivery", "select op, no from public.journal", DELIVERED));
    return this.env.rows(`select * from (${parts.join(" union all ")}) d limit 10`);
  }

  async check() {
    assert.deepEqual(await this.differences(), []);
    const twice = await this.env.rows("select commit_lsn, ordinal, count(*) from public.audit_logs where commit_lsn is not null group by 1, 2 having count(*) > 1 limit 5");
    assert.deepEqual(twice, []);
    const disorder = await this.env.rows(`
      select id, commit_lsn, ordinal from (
        select id, commit_lsn, ordinal, lag((commit_lsn, ordinal)) over (order by id) as before from public.audit_logs where commit_lsn is not null
      ) o where (commit_lsn, ordinal) <= before limit 5`);
    assert.deepEqual(disorder, [], "ids must follow the commit order");
  }
}

const AUDITED = `
  select xid, action as op, resource_id::int as id, (coalesce(new_values, old_values) ->> 'no')::bigint as no
  from public.audit_logs where resource_type = 'public.accounts' and action in ('insert', 'update', 'delete')
    and not (action = 'insert' and (new_values ->> 'no')::bigint <= ${SEEDED})`;
const NOTIFIED = `
  select split_part(title, ' ', 1) as op, split_part(title, ' ', 2)::bigint as no from public.notifications where title ~ '^(insert|delete) '`;
const DELIVERED = `
  select lower(payload -> 'data' ->> 'operation') as op, coalesce(payload -> 'data' -> 'record' ->> 'no', payload -> 'data' -> 'old_record' ->> 'no')::bigint as no
  from public.webhook_deliveries where webhook_id = (select id from public.webhooks where name = 'ledger')`;

function difference(effect, truth, made) {
  return `
    select '${effect} missing' as what, to_jsonb(m) as row from (${truth} except all ${made}) m
    union all
    select '${effect} extra', to_jsonb(e) from (${made} except all ${truth}) e`;
}

// Transactions of several rows over a few clients, some rolled back, for as long as it is let run. A
// client whose server goes away comes back to it.
export class Load {
  constructor(journal, { clients = 4, pauseMs = 0 } = {}) {
    this.journal = journal;
    this.pauseMs = pauseMs;
    this.runs = true;
    this.transactions = 0;
    this.workers = Array.from({ length: clients }, () => this.work());
  }

  async work() {
    const { env } = this.journal;
    while (this.runs) {
      const db = new pg.Client({ connectionString: env.cluster.url(env.name), connectionTimeoutMillis: 5000, query_timeout: 60_000 });
      db.on("error", () => {});
      try {
        await db.connect();
        while (this.runs) {
          await this.transaction(db);
          if (this.pauseMs) await sleep(this.pauseMs);
        }
      } catch (error) {
        if (error.code?.startsWith("42")) throw error; // a mistake of the test, not of the server
        await sleep(50);
      } finally {
        await Promise.race([db.end().catch(() => {}), sleep(1000)]); // pg may wait for ever for a socket that is gone
      }
    }
  }

  async transaction(db) {
    const [old, fresh, chance] = [1 + Math.floor(Math.random() * 200), 201 + Math.floor(Math.random() * 1e8), Math.random()];
    const owner = this.journal.owner ? `'${this.journal.owner}'` : "null";
    await db.query(`
      begin;
      update public.accounts set balance = balance + 1, no = nextval('public.change_no') where id = ${old};
      insert into public.accounts (id, owner, no) values (${fresh}, ${owner}, nextval('public.change_no')) on conflict do nothing;
      ${chance > 0.5 ? `delete from public.accounts where id = ${fresh};` : ""}
      ${chance < 0.1 ? "rollback" : "commit"}`);
    this.transactions++;
  }

  async stop() {
    this.runs = false;
    await Promise.all(this.workers);
  }
}
