/**
 * A TCP path to a server that a test can cut or hold up, and that refuses WebSockets where it is told to, as
 * strict proxies do.
 */
export class TcpProxy {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #refuseWebSocket: boolean;
  #target = 0;
  #held: PromiseWithResolvers<void> | undefined;
  readonly #done: Promise<void>;

  constructor(options: { refuseWebSocket?: boolean } = {}) {
    this.#refuseWebSocket = options.refuseWebSocket ?? false;
    this.#done = this.#acceptAll();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Forwards to this port of 127.0.0.1; to be said before the first client comes. */
  forwardTo(port: number): void {
    this.#target = port;
  }

  /** Ends all that is open; what comes after passes. */
  cut(): void {
    for (const conn of this.#open) closeQuietly(conn);
    this.#open.clear();
  }

  /** Forwards nothing more and closes nothing: what a lost network looks like to both ends. */
  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  async close(): Promise<void> {
    this.#listener.close();
    this.cut();
    this.#held?.resolve();
    await this.#done;
  }

  async #acceptAll(): Promise<void> {
    const forwarded: Promise<void>[] = [];
    for await (const client of this.#listener) forwarded.push(this.#forward(client));
    await Promise.all(forwarded);
  }

  async #forward(client: Deno.TcpConn): Promise<void> {
    this.#open.add(client);
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    this.#open.add(server);
    try {
      await Promise.race([
        this.#copy(client, server, this.#refuseWebSocket),
        this.#copy(server, client, false),
      ]);
    } finally {
      for (const conn of [client, server]) {
        this.#open.delete(conn);
        closeQuietly(conn);
      }
    }
  }

  async #copy(from: Deno.TcpConn, to: Deno.TcpConn, refuseUpgrade: boolean): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      while (true) {
        const count = await from.read(buffer);
        if (count === null) return;
        await this.#held?.promise;
        const chunk = buffer.subarray(0, count);
        // A browser sends the head of a request as one segment.
        if (refuseUpgrade && /^upgrade: *websocket/im.test(decoder.decode(chunk))) return;
        for (let at = 0; at < count;) at += await to.write(chunk.subarray(at));
      }
    } catch {
      // Cut by either side: the end of this path.
    }
  }
}

const decoder = new TextDecoder();

function closeQuietly(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // Closed already, by the other direction.
  }
}
