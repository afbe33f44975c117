const encoder = new TextEncoder();

/** A TCP peer that says what a test wants, and keeps what it hears. */
export class RawTcp implements AsyncDisposable {
  readonly #conn: Deno.Conn;
  readonly #reading: Promise<void>;
  #received = "";
  #ended = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.#reading = this.#read();
  }

  /** With certificates to trust it speaks TLS. */
  static async connect(
    { port, caCerts, alpnProtocols = [] }: {
      port: number;
      caCerts?: string[];
      alpnProtocols?: string[];
    },
  ): Promise<RawTcp> {
    return new RawTcp(
      caCerts === undefined
        ? await Deno.connect({ hostname: "127.0.0.1", port })
        : await Deno.connectTls({ hostname: "localhost", port, caCerts, alpnProtocols }),
    );
  }

  /** All that has come, one character a byte. */
  get received(): string {
    return this.#received;
  }

  /** Whether the server has ended its side, or cut the socket off. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Writes as much as the server takes; one that has hung up takes nothing. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    try {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
    } catch {
      // It has hung up, which `ended` says.
    }
  }

  /** Says that nothing follows. */
  async endWriting(): Promise<void> {
    await this.#conn.closeWrite().catch(() => {});
  }

  /** Reads until the server ends. */
  async end(): Promise<string> {
    await this.#reading;
    return this.#received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#conn.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(8192);
    try {
      for (let length; (length = await this.#conn.read(buffer)) !== null;) {
        // What the Encoding Standard calls latin1 is Windows-1252.
        this.#received += String.fromCharCode(...buffer.subarray(0, length));
      }
    } catch {
      // A reset is an end, and so is our own close.
    }
    this.#ended = true;
  }
}
