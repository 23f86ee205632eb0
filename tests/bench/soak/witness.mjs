// Browsers that stay: they come back whenever they are cut off, and write down what they were told in each
// session, from "subscribed" until something ends it. Within a session nothing may be missing or come twice.
import { WebSocket } from "../../e2e/phoenix.mjs";
import { sleep } from "../../e2e/harness.mjs";
import { keyOf } from "./tally.mjs";

const HEARTBEAT_MS = 20_000;

export class Witness {
  // `filter`: as of postgres_changes; without one all changes come.
  constructor(env, token, filter) {
    Object.assign(this, { env, token, filter, runs: true, sessions: [], told: 0 });
    this.life = this.live();
  }

  async live() {
    while (this.runs) {
      await this.connection();
      await sleep(200 + Math.random() * 300);
    }
  }

  // Until it is over, for whatever reason.
  connection() {
    return new Promise((over) => {
      const socket = new WebSocket(`ws://127.0.0.1:${this.env.port}/realtime/v1/websocket?vsn=2.0.0&apikey=${this.token}`);
      this.socket = socket;
      const beat = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send('[null,"9","phoenix","heartbeat",{}]'), HEARTBEAT_MS);
      socket.on("error", () => {});
      socket.once("open", () => this.join());
      socket.on("message", (data) => this.hear(JSON.parse(data)));
      socket.once("close", () => {
        clearInterval(beat);
        this.session = undefined;
        over();
      });
    });
  }

  join() {
    const binding = { event: "*", schema: "public", table: "accounts", ...(this.filter && { filter: this.filter }) };
    this.session = undefined;
    this.socket.send(JSON.stringify(["1", "1", "realtime:soak", "phx_join", { config: { postgres_changes: [binding] } }]));
  }

  hear([, , , event, payload]) {
    if (event === "system" && payload.status === "ok") {
      this.session = [];
      this.sessions.push(this.session);
    } else if (event === "postgres_changes") {
      const { type, record, old_record } = payload.data;
      this.session?.push(keyOf(type.toLowerCase(), type === "DELETE" ? old_record.no : record.no));
      this.told++;
    } else if (["phx_error", "phx_close"].includes(event) || (event === "phx_reply" && payload.status === "error")) {
      this.socket.close(); // rows were left out, or the join was refused for now: anew
    }
  }

  stop() {
    this.runs = false;
    this.socket.close();
    return this.life;
  }
}

// Where the sessions differ from the order of the trail: `places` has the place of each change in it. With a
// filter others lie between, so only the order can be seen.
export function breaksOf(witness, places) {
  const breaks = { missing: 0, twice: 0 };
  for (const session of witness.sessions) {
    for (let i = 1; i < session.length; i++) {
      const step = places[session[i]] - places[session[i - 1]];
      if (step <= 0) breaks.twice++;
      else if (step > 1 && !witness.filter) breaks.missing++;
    }
  }
  return breaks;
}
