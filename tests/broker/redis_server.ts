import { Redis } from "ioredis";
import { findProgram } from "../setup.ts";
import { until } from "../until.ts";

/** A redis-server of a test's own, in a folder and on a port of its own. */
export class TestRedis {
  readonly port: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: Deno.ChildProcess | undefined;

  private constructor(port: number, folder: string, args: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#args = args;
  }

  /**
   * Starts one.
   *
   * @param args Further options, as of redis.conf; `{folder}` and `{port}` are replaced.
   */
  static async start(args: readonly string[] = [], file?: string): Promise<TestRedis> {
    const folder = await Deno.makeTempDir({ prefix: "slipstream_redis_" });
    const server = new TestRedis(freePort(), folder, args);
    if (file !== undefined) {
      await Deno.writeTextFile(`${folder}/redis.conf`, server.#fill(file));
    }
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get folder(): string {
    return this.#folder;
  }

  /** Starts it again; with `empty`, without what it had on disk. */
  async restart({ empty = false } = {}): Promise<void> {
    if (empty) {
      for await (const { name } of Deno.readDir(this.#folder)) {
        if (/^(dump|appendonly)/.test(name)) {
          await Deno.remove(`${this.#folder}/${name}`, { recursive: true });
        }
      }
    }
    const sentinel = this.#args.includes("--sentinel");
    const hasFile = await Deno.stat(`${this.#folder}/redis.conf`).then(() => true, () => false);
    this.#process = new Deno.Command(findProgram("redis")!, {
      args: [
        ...(hasFile ? [`${this.#folder}/redis.conf`] : []),
        ...(sentinel ? [] : ["--dir", this.#folder, "--save", "", "--bind", "127.0.0.1"]),
        ...(sentinel || this.#args.includes("--port") ? [] : ["--port", `${this.port}`]),
        ...this.#args.map((arg) => this.#fill(arg)),
      ],
      cwd: this.#folder,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await answering(this.port, this.#args.includes("--tls-port"));
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.status;
    this.#process = undefined;
  }

  /** Stops it without closing anything, until `resume()`. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Runs commands over a socket of its own. */
  async ask<T>(body: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis({ host: "127.0.0.1", port: this.port, disableClientInfo: true });
    redis.on("error", () => {});
    try {
      return await body(redis);
    } finally {
      redis.disconnect();
      await until(() => redis.status === "end");
    }
  }

  async stop(): Promise<void> {
    await this.kill();
    await Deno.remove(this.#folder, { recursive: true });
  }

  #fill(text: string): string {
    return text.replaceAll("{folder}", this.#folder).replaceAll("{port}", `${this.port}`);
  }
}

const given = new Set<number>();

/** A port that was free a moment ago, and that no other caller here has. */
export function freePort(): number {
  for (;;) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    // A Cluster's own port is 10,000 above.
    if (port > 55_000 || given.has(port)) continue;
    given.add(port);
    return port;
  }
}

/** Waits for a server that may take a while to load what it has. */
async function answering(port: number, tls: boolean): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt++) {
    try {
      using socket = await Deno.connect({ hostname: "127.0.0.1", port });
      if (tls) return;
      await socket.write(new TextEncoder().encode("PING\r\n"));
      const answer = new Uint8Array(64);
      const length = await socket.read(answer) ?? 0;
      // A password is asked for by a server that is there.
      if (/^(\+PONG|-NOAUTH)/.test(new TextDecoder().decode(answer.subarray(0, length)))) return;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`redis-server does not answer on port ${port}`);
}
