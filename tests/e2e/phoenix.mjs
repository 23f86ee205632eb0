// A client that speaks the protocol by hand, for what supabase-js never does.
import WebSocket from "ws";

import { patience } from "./harness.mjs";

export { WebSocket };

// A binary frame of kind 4: a broadcast. What came so is marked, beside what the text would say.
function readBinary(bytes) {
  const [kind, topicLength, eventLength, metaLength, encoding] = bytes;
  if (kind !== 4) throw new Error(`a binary frame of kind ${kind}`);
  let at = 5;
  const take = (length) => bytes.subarray(at, (at += length));
  const [topic, event, meta] = [topicLength, eventLength, metaLength].map((length) => take(length).toString());
  const rest = bytes.subarray(at);
  const payload = { type: "broadcast", event, payload: encoding === 1 ? JSON.parse(rest) : rest, ...(meta ? { meta: JSON.parse(meta) } : {}) };
  return { join_ref: null, ref: null, topic, event: "broadcast", payload, binary: true };
}

export class Phoenix {
  static async connect(env, token, { vsn = "2.0.0", path = "/realtime/v1/websocket", header = false } = {}) {
    const phoenix = new Phoenix();
    phoenix.vsn = vsn;
    phoenix.frames = [];
    phoenix.ref = 0;
    phoenix.socket = new WebSocket(
      `ws://127.0.0.1:${env.port}${path}?vsn=${vsn}${header ? "" : `&apikey=${token}`}`,
      header ? { headers: { "x-api-key": token } } : {},
    );
    phoenix.socket.on("message", (data, binary) => phoenix.frames.push(binary ? readBinary(data) : phoenix.read(data.toString())));
    phoenix.closed = new Promise((done) => phoenix.socket.once("close", (code) => done(code)));
    await new Promise((done, fail) => {
      phoenix.socket.once("open", done);
      phoenix.socket.once("error", fail);
    });
    return phoenix;
  }

  read(text) {
    const frame = JSON.parse(text);
    if (this.vsn === "1.0.0") return frame;
    const [join_ref, ref, topic, event, payload] = frame;
    return { join_ref, ref, topic, event, payload };
  }

  push(topic, event, payload, { join_ref = null } = {}) {
    const ref = String(++this.ref);
    const message =
      this.vsn === "1.0.0"
        ? { topic, event, payload, ref, join_ref: join_ref ?? ref }
        : [event === "phx_join" ? ref : join_ref, ref, topic, event, payload];
    this.socket.send(JSON.stringify(message));
    return ref;
  }

  // What `push` sends comes in one piece, so that the first frame is not answered before the last is there.
  together(push) {
    const { _socket: socket } = this.socket;
    socket.cork();
    push();
    socket.uncork();
  }

  // A broadcast as supabase-js sends it: kind 3, with an object as JSON, a Buffer as bytes.
  pushBinary(topic, event, payload, { join_ref = "", meta = "" } = {}) {
    const ref = String(++this.ref);
    const bytes = Buffer.isBuffer(payload);
    const texts = [join_ref, ref, topic, event, meta].map((text) => Buffer.from(text));
    const head = Buffer.from([3, ...texts.map((text) => text.length), bytes ? 0 : 1]);
    this.socket.send(Buffer.concat([head, ...texts, bytes ? payload : Buffer.from(JSON.stringify(payload))]));
    return ref;
  }

  broadcast(ms) {
    return this.frame((frame) => frame.event === "broadcast", "a broadcast", ms);
  }

  // The first frame that fits, waiting for it if need be.
  async frame(fits, what, usual = 5000) {
    const ms = usual * patience;
    const deadline = Date.now() + ms;
    for (;;) {
      const at = this.frames.findIndex(fits);
      if (at >= 0) return this.frames.splice(at, 1)[0];
      if (Date.now() > deadline) throw new Error(`no frame within ${ms} ms: ${what}; have ${JSON.stringify(this.frames)}`);
      await new Promise((done) => setTimeout(done, 10));
    }
  }

  reply(ref) {
    return this.frame((frame) => frame.event === "phx_reply" && frame.ref === ref, `the reply to ${ref}`);
  }

  change(ms) {
    return this.frame((frame) => frame.event === "postgres_changes", "a change", ms);
  }

  async join(topic, bindings, { config, ...extra } = {}) {
    const ref = this.push(topic, "phx_join", { config: { postgres_changes: bindings, ...config }, ...extra });
    const reply = await this.reply(ref);
    if (reply.payload.status === "ok" && bindings.length) {
      await this.frame((frame) => frame.event === "system" && frame.topic === topic, "the system message");
    }
    return { ref, reply };
  }

  close() {
    this.socket.terminate();
    return this.closed;
  }
}
