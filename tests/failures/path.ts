/**
 * A TCP path of one node: to its Redis, or from its clients to it. A test can cut it, hold it up, slow
 * it down, turn it to another port, or have Redis forget what was subscribed to on it.
 */
export class Path {
  /** Where it leads; new sockets go there. */
  target: number;
  /** What each chunk waits for in each direction, in milliseconds. */
  delayMs = 0;
  /** When each socket was taken, as of `performance.now()`. */
  readonly acceptedMs: number[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #ways = new Set<Way>();
  readonly #done: Promise<void>;
  #refusing = false;
  #held: PromiseWithResolvers<void> | undefined;

  constructor(target: number) {
    this.target = target;
    this.#done = this.#acceptAll();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Ends what is open and refuses what comes, until `restore()`. */
  cut(): void {
    this.#refusing = true;
    for (const way of this.#ways) way.end();
  }

  /** Forwards nothing more and closes nothing, as a lost network does, until `restore()`. */
  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  restore(): void {
    this.#refusing = false;
    this.delayMs = 0;
    this.#held?.resolve();
    this.#held = undefined;
  }

  /**
   * Has Redis end the subscriptions to these channels; the node hears nothing of it. Returns on how
   * many sockets.
   */
  async forget(channels: readonly string[]): Promise<number> {
    const subscribers = [...this.#ways].filter(({ subscribes }) => subscribes);
    const command = ["UNSUBSCRIBE", ...channels];
    const bytes = encoder.encode(
      `*${command.length}\r\n${command.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`,
    );
    for (const way of subscribers) {
      way.hidden += channels.length;
      await writeAll(way.server, bytes);
    }
    return subscribers.length;
  }

  async close(): Promise<void> {
    this.#listener.close();
    this.cut();
    this.restore();
    for (const way of this.#ways) way.end();
    await this.#done;
  }

  async #acceptAll(): Promise<void> {
    const forwarded: Promise<void>[] = [];
    for await (const client of this.#listener) {
      this.acceptedMs.push(performance.now());
      if (this.#refusing) client.close();
      else forwarded.push(this.#forward(client));
    }
    await Promise.all(forwarded);
  }

  async #forward(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.target });
    } catch {
      // Nobody listens there: the client is refused, as it would be without the path.
      return client.close();
    }
    const way = new Way(client, server);
    if (this.#refusing) return way.end();
    this.#ways.add(way);
    await Promise.all([this.#copy(way, client, server), this.#copy(way, server, client)]);
    this.#ways.delete(way);
  }

  async #copy(way: Way, from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (count === null) return;
        await this.#held?.promise;
        if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
        const chunk = buffer.subarray(0, count);
        await writeAll(to, from === way.client ? way.up(chunk) : way.down(chunk));
      }
    } catch {
      // Cut by either side: the end of this way.
    } finally {
      way.end();
    }
  }
}

/** One socket to each side. */
class Way {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
  /** Whether it is a socket for pub/sub. */
  subscribes = false;
  /** Answers to what the client never asked, which are kept from it. */
  hidden = 0;

  constructor(client: Deno.TcpConn, server: Deno.TcpConn) {
    this.client = client;
    this.server = server;
  }

  up(chunk: Uint8Array): Uint8Array {
    this.subscribes ||= /\r\nsubscribe\r\n/i.test(latin1.decode(chunk));
    return chunk;
  }

  down(chunk: Uint8Array): Uint8Array {
    if (this.hidden === 0) return chunk;
    const text = latin1.decode(chunk);
    const kept = text.replaceAll(
      /[*>]3\r\n\$11\r\nunsubscribe\r\n\$\d+\r\n[^\r]*\r\n:\d+\r\n/g,
      () => {
        this.hidden--;
        return "";
      },
    );
    if (kept.length === text.length) return chunk;
    return Uint8Array.from(kept, (letter) => letter.charCodeAt(0));
  }

  end(): void {
    for (const conn of [this.client, this.server]) {
      try {
        conn.close();
      } catch {
        // Closed already, by the other direction.
      }
    }
  }
}

async function writeAll(to: Deno.TcpConn, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length;) at += await to.write(chunk.subarray(at));
}

const encoder = new TextEncoder();
// Deno's "latin1" is windows-1252, which has other letters for some bytes.
const latin1 = {
  decode(bytes: Uint8Array): string {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return text;
  },
};
