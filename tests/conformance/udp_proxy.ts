/** A UDP path to a server that a test can cut: what a lost network looks like to both ends. */
export class UdpProxy {
  readonly addr: Deno.NetAddr;
  /** Datagrams that still pass from the client to the server, in count. */
  upward = Infinity;
  /** Datagrams that still pass from the server to the client, in count. */
  downward = Infinity;
  readonly #front = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #back = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #done: Promise<unknown>;
  #client: Deno.Addr | undefined;

  constructor(server: Deno.NetAddr) {
    this.addr = this.#front.addr as Deno.NetAddr;
    this.#done = Promise.all([this.#forward(server), this.#return()]);
  }

  /** Loses everything both ways from now on. */
  cut(): void {
    this.upward = 0;
    this.downward = 0;
  }

  async close(): Promise<void> {
    this.#front.close();
    this.#back.close();
    await this.#done;
  }

  async #forward(server: Deno.NetAddr): Promise<void> {
    for await (const [datagram, client] of this.#front) {
      if (this.upward-- <= 0) continue;
      this.#client = client;
      await this.#back.send(datagram, { ...server, transport: "udp" });
    }
  }

  async #return(): Promise<void> {
    for await (const [datagram] of this.#back) {
      if (this.downward-- > 0) await this.#front.send(datagram, this.#client!);
    }
  }
}
