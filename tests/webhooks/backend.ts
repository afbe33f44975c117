import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { WebhookDelivery } from "../../src/webhooks/verify.ts";

/** What the servers of these tests sign with. */
export const SECRET = "a secret of thirty-two characters".replaceAll(" ", "-");

/** One request that came. */
export interface Received {
  readonly headers: Headers;
  readonly text: string;
  readonly delivery: WebhookDelivery;
}

export type Respond = (received: Received) => Response | Promise<Response>;

/** A backend on a real port, which keeps what it was asked and answers as the test says. */
export class Backend {
  readonly received: Received[] = [];
  /** Requests that wait for their answer. */
  open = 0;
  /** As many as ever waited at once. */
  mostOpen = 0;
  respond: Respond;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(respond: Respond = () => new Response(null, { status: 204 }), port = 0) {
    this.respond = respond;
    this.#server = Deno.serve(
      { port, hostname: "127.0.0.1", onListen() {} },
      (request) => this.#handle(request),
    );
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hooks?tenant=7`;
  }

  /** What was asked about, in its order. */
  get events(): string[] {
    return this.received.map(({ delivery }) => delivery.event);
  }

  async close(): Promise<void> {
    await this.#server.shutdown();
  }

  async #handle(request: Request): Promise<Response> {
    const text = await request.text();
    const received = { headers: request.headers, text, delivery: JSON.parse(text) };
    assert.equal(request.method, "POST");
    assert.equal(new URL(request.url).search, "?tenant=7");
    this.received.push(received);
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    try {
      return await this.respond(received);
    } finally {
      this.open--;
    }
  }
}

/** A port that nobody listens on. */
export function deadPort(): number {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** `value` as the body of an answer. */
export function json(value: unknown, status = 200): Response {
  return Response.json(value, { status });
}

/** What the signature header has to be, by another implementation than the server's. */
export function signatureOf(seconds: string, text: string, ...secrets: string[]): string {
  const signatures = secrets.map((secret) =>
    createHmac("sha256", secret).update(`${seconds}.${text}`).digest("hex")
  );
  return [`t=${seconds}`, ...signatures.map((hex) => `v1=${hex}`)].join(",");
}
