// Between the daemon and PostgreSQL: a network that fails on purpose.
//
// It reads the frontend's and the backend's messages of every connection, so that a fault strikes at
// a chosen one: `proxy.watch = (message) => ...` sees { connection, fromClient, type, body } before it
// is passed on, and says what happens to it: nothing (passed on), "cut" (both ends are closed
// before it passes), "freeze" (nothing passes any more, either way, and nobody is told).
import net from "node:net";

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;

// Splits what comes into whole messages. The frontend's first ones have no type.
class Splitter {
  constructor(hasStartup) {
    this.rest = Buffer.alloc(0);
    this.inStartup = hasStartup;
  }

  *push(chunk) {
    this.rest = this.rest.length ? Buffer.concat([this.rest, chunk]) : chunk;
    for (;;) {
      const head = this.inStartup ? 0 : 1;
      if (this.rest.length < head + 4) return;
      const size = head + this.rest.readUInt32BE(head);
      if (this.rest.length < size) return;
      const bytes = this.rest.subarray(0, size);
      this.rest = this.rest.subarray(size);
      const message = { type: head ? String.fromCharCode(bytes[0]) : "startup", body: bytes.subarray(head + 4), bytes };
      if (this.inStartup) this.inStartup = [SSL_REQUEST, GSS_REQUEST].includes(message.body.readUInt32BE(0));
      yield message;
    }
  }
}

class Connection {
  constructor(proxy, client) {
    this.proxy = proxy;
    this.name = "";
    this.isFrozen = false;
    this.client = client;
    this.server = net.connect(proxy.target, "127.0.0.1");
    this.pipe(this.client, this.server, new Splitter(true), true);
    this.pipe(this.server, this.client, new Splitter(false), false);
  }

  pipe(from, to, splitter, fromClient) {
    from.setNoDelay(true);
    from.on("error", () => {});
    from.on("close", () => this.isFrozen || this.cut());
    from.on("data", (chunk) => {
      for (const message of splitter.push(chunk)) if (!this.pass(message, to, fromClient)) return;
    });
  }

  // Returns whether the connection lives on.
  pass(message, to, fromClient) {
    if (this.isFrozen || to.destroyed) return false;
    if (message.type === "startup") this.name = /application_name\0([^\0]*)/.exec(message.body.toString("latin1"))?.[1] ?? "";
    const fate = this.proxy.watch?.({ ...message, connection: this, fromClient });
    if (fate === "cut") this.cut();
    if (fate === "freeze") this.freeze();
    if (fate) return false;
    to.write(message.bytes);
    return true;
  }

  cut() {
    this.client.destroy();
    this.server.destroy();
    this.proxy.connections.delete(this);
  }

  // As when a firewall forgets the connection: both ends believe in it.
  freeze() {
    this.isFrozen = true;
    this.client.pause();
    this.server.pause();
  }
}

export class Proxy {
  static async start(target) {
    const proxy = new Proxy();
    proxy.target = target;
    proxy.connections = new Set();
    proxy.listener = net.createServer((client) => proxy.connections.add(new Connection(proxy, client)));
    await new Promise((done) => proxy.listener.listen(0, "127.0.0.1", done));
    proxy.port = proxy.listener.address().port;
    return proxy;
  }

  named(name) {
    return [...this.connections].filter((connection) => connection.name === name);
  }

  stop() {
    for (const connection of this.connections) connection.cut();
    this.listener.close();
  }
}
