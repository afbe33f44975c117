import { createInterface } from "node:readline";
import { stdin } from "node:process";
import { Core } from "../../src/client/core.ts";
import { type Environment, systemEnvironment } from "../../src/client/environment.ts";
import type { Client, TransportKind } from "../../src/client/mod.ts";

/**
 * Clients in a process of their own, which alone can trust a certificate for everything it opens.
 * Arguments: the server, its certificate's hash as of `/rt/info`, and how many clients over each transport. Once all have subscribed it says
 * how they are; then it answers each {@linkcode ClientCommand}, a line of JSON, with one of its own.
 */
export type ClientCommand =
  /** Publishes in both channels, by one client; answered when the server has it. */
  | { readonly publish: number; readonly by: number }
  /** From now on those over WebTransport may fall back. */
  | { readonly fallBack: true }
  /** Answered with the state of each. */
  | { readonly states: true };

/** What a client has come to. */
export interface ClientState {
  readonly kind: TransportKind;
  readonly transport: TransportKind | undefined;
  readonly session: string | undefined;
  /** What came in the `ordered` channel, as it came. */
  readonly seen: readonly number[];
  /** The newest value in the `latest` channel. */
  readonly value: number | undefined;
  /** Transports that it lost, in count. */
  readonly losses: number;
  /** Gaps, and why it was closed. */
  readonly troubles: readonly string[];
  /** Attempts that failed, for whoever reads why a test did. */
  readonly errors: readonly string[];
}

const KINDS: readonly TransportKind[] = ["webtransport", "websocket", "sse"];

class WatchedClient {
  readonly subscribed: Promise<unknown>;
  readonly #kind: TransportKind;
  readonly #client: Client;
  readonly #seen: number[] = [];
  readonly #troubles: string[] = [];
  readonly #errors: string[] = [];
  #value: number | undefined;
  #losses = 0;

  constructor(url: string, certificateHash: string, kind: TransportKind) {
    this.#kind = kind;
    this.#client = new Core(new URL(url), { transports: [kind] }, trusting(certificateHash));
    this.#client.on("state", (state) => {
      if (state === "reconnecting") this.#losses++;
    });
    this.#client.on("error", (error) => this.#errors.push(`${error}`));
    this.#client.on(
      "close",
      ({ code, reason }) => this.#troubles.push(`closed: ${code} ${reason}`),
    );
    const ordered = this.#client.channel<number>("chat:balancer").subscribe({
      onPublication: ({ data }) => this.#seen.push(data),
      onGap: ({ missed }) => this.#troubles.push(`a gap of ${missed}`),
    });
    const latest = this.#client.channel<number>("pointers:balancer").subscribe({
      onPublication: ({ data }) => this.#value = data,
    });
    this.subscribed = Promise.all([ordered.ready, latest.ready]);
  }

  async publish(number: number): Promise<void> {
    await this.#client.channel<number>("chat:balancer").publish(number);
    await this.#client.channel<number>("pointers:balancer")
      .publish(number, { key: "k", acknowledge: true });
  }

  fallBack(): void {
    if (this.#kind === "webtransport") this.#client.use(["webtransport", "websocket"]);
  }

  state(): ClientState {
    return {
      kind: this.#kind,
      transport: this.#client.transport,
      session: this.#client.session,
      seen: this.#seen,
      value: this.#value,
      losses: this.#losses,
      troubles: this.#troubles,
      errors: this.#errors,
    };
  }
}

if (import.meta.main) {
  const [url, certificateHash, count] = Deno.args as [string, string, string];
  const clients = KINDS.flatMap((kind) =>
    Array.from({ length: Number(count) }, () => new WatchedClient(url, certificateHash, kind))
  );
  await Promise.all(clients.map((client) => client.subscribed));
  say(clients.map((client) => client.state()));
  for await (const line of createInterface({ input: stdin })) {
    const command: ClientCommand = JSON.parse(line);
    if ("publish" in command) {
      await clients[command.by]!.publish(command.publish);
      say(true);
    } else if ("fallBack" in command) {
      for (const client of clients) client.fallBack();
      say(true);
    } else {
      say(clients.map((client) => client.state()));
    }
  }
  Deno.exit();
}

/** Deno's WebTransport takes no authority from the command line, but the hash of a certificate. */
function trusting(certificateHash: string): Environment {
  const environment = systemEnvironment();
  return {
    ...environment,
    async fetchServerInfo(...request) {
      const info = await environment.fetchServerInfo(...request);
      const certificateHashes = [certificateHash];
      return { ...info, webtransport: { ...info.webtransport!, certificateHashes } };
    },
  };
}

function say(answer: unknown): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(answer)}\n`);
  for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}
