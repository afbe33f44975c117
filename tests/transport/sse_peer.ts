import { SENDER } from "./test_peer.ts";
import type { CloseInfo } from "../../src/protocol/close_code.ts";
import * as json from "../../src/protocol/json.ts";
import type { ClientMessage, ServerMessage } from "../../src/protocol/message.ts";
import { SseHandler, TRANSPORT_HEADER } from "../../src/transport/sse_handler.ts";
import type { Transport, TransportAcceptor } from "../../src/transport/transport.ts";
import type { TransportOptions } from "../../src/transport/transport_options.ts";
import { MessageQueue } from "./message_queue.ts";
import { Recorder, type TestPeer } from "./test_peer.ts";

/** One server-sent event. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
  readonly retry: string | undefined;
  readonly comments: number;
}

/** A server of event streams on loopback TCP. */
export class SseServer implements AsyncDisposable {
  readonly handler: SseHandler;
  readonly #stop = new AbortController();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #client = Deno.createHttpClient({});

  constructor(accept: TransportAcceptor, options: Partial<TransportOptions> = {}) {
    this.handler = new SseHandler(options);
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {}, signal: this.#stop.signal },
      (request, info) =>
        request.method === "GET"
          ? this.handler.open(request, { sender: SENDER, completed: info.completed }, accept)
          : this.handler.send(request),
    );
  }

  get port(): number {
    return this.#server.addr.port;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, { ...init, client: this.#client });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    this.#stop.abort();
    await this.#server.finished;
  }
}

/** Reads the events of a response, one by one. */
export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(response: Response) {
    this.#reader = response.body!.getReader();
  }

  /** The next event, or `undefined` at the end. */
  async next(): Promise<ServerEvent | undefined> {
    while (!this.#text.includes("\n\n")) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
    const end = this.#text.indexOf("\n\n");
    const lines = this.#text.slice(0, end).split("\n");
    this.#text = this.#text.slice(end + 2);
    const fields = (name: string) =>
      lines.filter((line) => line.startsWith(`${name}: `)).map((line) =>
        line.slice(name.length + 2)
      );
    return {
      event: fields("event")[0] ?? "message",
      data: fields("data").join("\n"),
      id: fields("id")[0],
      retry: fields("retry")[0],
      comments: lines.filter((line) => line.startsWith(":")).length,
    };
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** An event stream, and POSTs for the other direction. */
export class SsePeer implements TestPeer {
  readonly transport: Transport;
  readonly receiver: Recorder;
  readonly server: SseServer;
  readonly id: string;
  readonly close = undefined;
  readonly #events: EventReader;
  readonly #queue: MessageQueue;

  private constructor(
    transport: Transport,
    receiver: Recorder,
    server: SseServer,
    events: EventReader,
    id: string,
  ) {
    this.transport = transport;
    this.receiver = receiver;
    this.server = server;
    this.id = id;
    this.#events = events;
    this.#queue = new MessageQueue(() => this.#read());
  }

  static async open(options: Partial<TransportOptions> = {}): Promise<SsePeer> {
    const receiver = new Recorder();
    const accepted = Promise.withResolvers<Transport>();
    const server = new SseServer((transport) => {
      accepted.resolve(transport);
      return receiver;
    }, options);
    const events = new EventReader(await server.fetch("/rt/sse"));
    const first = await events.next();
    if (first?.event !== "open") throw new Error(`The event open was expected: ${first?.event}`);
    const { transport: id } = JSON.parse(first.data);
    return new SsePeer(await accepted.promise, receiver, server, events, id);
  }

  get closed(): Promise<CloseInfo> {
    return this.#queue.closed;
  }

  async send(...messages: ClientMessage[]): Promise<void> {
    await this.post(messages.map(json.encodeClientMessage).join("\n"));
  }

  async sendGarbage(): Promise<void> {
    await this.post("hello");
  }

  /** POSTs `body`, and returns the status and text of the answer. */
  async post(
    body: BodyInit,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string }> {
    const response = await this.server.fetch("/rt/send", {
      method: "POST",
      headers: { [TRANSPORT_HEADER]: this.id, "content-type": "application/json", ...headers },
      body,
    });
    return { status: response.status, text: await response.text() };
  }

  next(): Promise<ServerMessage> {
    return this.#queue.next();
  }

  drain(): void {
    this.#queue.drain();
  }

  cut(): Promise<void> {
    return this.#events.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
    await this.receiver.ending;
    await this.server[Symbol.asyncDispose]();
  }

  async #read(): Promise<ServerMessage[] | CloseInfo | undefined> {
    const event = await this.#events.next();
    if (event === undefined) return undefined;
    if (event.event === "close") return JSON.parse(event.data);
    return event.data.split("\n").map(json.decodeServerMessage);
  }
}
