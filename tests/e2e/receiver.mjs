// A webhook endpoint that verifies every signature with the package that receivers use.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

export class Receiver {
  // `behave(request)` may answer for a request: a status, or { status, headers, body, hang }.
  static async start({ behave = () => 200 } = {}) {
    const receiver = new Receiver();
    receiver.requests = [];
    receiver.behave = behave;
    receiver.server = createServer((request, response) => receiver.take(request, response));
    await new Promise((done) => receiver.server.listen(0, "127.0.0.1", done));
    receiver.port = receiver.server.address().port;
    return receiver;
  }

  url(path = "/hook") {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const entry = {
      at: Date.now(),
      path: request.url,
      headers: request.headers,
      id: request.headers["webhook-id"],
      text: Buffer.concat(chunks).toString("utf8"),
    };
    try {
      entry.body = JSON.parse(entry.text);
    } catch {
      entry.body = undefined;
    }
    this.requests.push(entry);
    let answer = await this.behave(entry);
    if (typeof answer === "number") answer = { status: answer };
    if (answer.hang) return;
    response.writeHead(answer.status, answer.headers ?? {});
    response.end(answer.body ?? "");
  }

  // Throws where the signature does not fit the secret.
  static verify(secret, entry) {
    return new Webhook(secret).verify(entry.text, entry.headers);
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}
