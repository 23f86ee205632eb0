// What applications do: single rows, several, savepoints, some of it taken back; as fast as the server lets
// them, held back only while the effects are far behind.
import { Load } from "../../e2e/journal.mjs";
import { sleep } from "../../e2e/harness.mjs";

const next = "nextval('public.change_no')";
const pick = (count) => 1 + Math.floor(Math.random() * count);
const update = (where) => `update public.accounts set balance = balance + 1, no = ${next} where ${where}`;

export class Mixed extends Load {
  constructor(journal, options) {
    super(journal, options);
    this.held = 0; // how long clients were held back, in ms of one client
  }

  statements() {
    const fresh = 1_000_000 + Math.floor(Math.random() * 1e9);
    const insert = (id) => `insert into public.accounts (id, owner, no) values (${id}, '${this.journal.owner}', ${next}) on conflict do nothing`;
    const remove = `delete from public.accounts where id = ${fresh}`;
    const [chance, first] = [Math.random(), pick(180)];
    if (chance < 0.4) return [update(`id = ${pick(200)}`)];
    if (chance < 0.6) return [insert(fresh), remove];
    if (chance < 0.7) return [insert(fresh)];
    if (chance < 0.8) return ["savepoint s", update(`id = ${pick(200)}`), insert(fresh), "rollback to s", insert(fresh), "release s", remove];
    if (chance < 0.9) return [update(`id between ${first} and ${first + 19}`)];
    if (chance < 0.95) return [insert(fresh), update(`id = ${fresh}`), "savepoint s", remove, "rollback to s", remove];
    return [`delete from public.accounts where id in (select id from public.accounts where id >= 1000000 limit 20 for update skip locked)`];
  }

  async transaction(db) {
    while (this.isHeld && this.runs) {
      await sleep(50);
      this.held += 50;
    }
    const end = Math.random() < 0.05 ? "rollback" : "commit";
    await db.query(["begin", ...this.statements(), end].join("; "));
    this.transactions++;
  }
}
