// Changes by their number, counted: what the receiver of webhooks got, and with which ids.
import { createServer } from "node:http";

const MOST = 32 * 1024 * 1024; // numbers; memory is taken only for those that come

// An insert or update draws a number of its own; a delete has that of the row it deletes.
export const keyOf = (operation, no) => Number(no) * 2 + (operation === "delete" ? 1 : 0);

function hash(text) {
  let value = 2166136261; // FNV-1a
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
  return value >>> 0 || 1;
}

// A receiver of webhooks that is not always well. One answer in 500 is 500, one in 20,000 is 503, and both mean
// "not taken"; a 503 holds up all deliveries for a while, since it asks for that.
const answerOf = (luck) => (luck < 1 / 20_000 ? 503 : luck < 1 / 500 ? 500 : 204);

export class Tally {
  static async start() {
    const tally = new Tally();
    tally.ids = new Uint32Array(MOST * 2); // of the message that told a change; 0: not told
    Object.assign(tally, { taken: 0, again: 0, refused: 0, otherIds: [], strange: [] });
    tally.server = createServer((request, response) => tally.answer(request, response));
    await new Promise((done) => tally.server.listen(0, "127.0.0.1", done));
    tally.port = tally.server.address().port;
    return tally;
  }

  url(path) {
    return `http://127.0.0.1:${this.port}/${path}`;
  }

  async answer(request, response) {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // who sent it was killed
    }
    const status = answerOf(Math.random());
    if (status !== 204) this.refused++;
    else if (request.url === "/ledger") this.take(request.headers["webhook-id"], JSON.parse(Buffer.concat(chunks)));
    response.writeHead(status).end();
  }

  take(id, { data }) {
    const key = keyOf(data.operation.toLowerCase(), (data.record ?? data.old_record).no);
    if (!(key < this.ids.length)) {
      this.strange.push(data);
      return;
    }
    const mark = hash(id);
    if (this.ids[key] === 0) {
      this.ids[key] = mark;
      this.taken++;
    } else if (this.ids[key] === mark) {
      this.again++; // at least once: it was made, and not recorded
    } else {
      this.otherIds.push({ key, id });
    }
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}
