import type { NodeOptions, NodeState } from "./node.ts";
import { Path } from "./path.ts";

/** One node: its process, its path to Redis and the one of its clients. */
export class FleetNode {
  /** To Redis; `undefined` where it goes there without a path. */
  readonly redis: Path | undefined;
  readonly clients = new Path(0);
  readonly #options: NodeOptions;
  #process: Deno.ChildProcess | undefined;
  #port = 0;

  constructor(options: NodeOptions, redis: Path | undefined) {
    this.#options = options;
    this.redis = redis;
  }

  get url(): string {
    return `http://localhost:${this.clients.port}`;
  }

  async start(): Promise<void> {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-check", "-A", "--unstable-net"],
        new URL("node.ts", import.meta.url).pathname,
        JSON.stringify(this.#options),
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = this.#process.stdout.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    if (value === undefined) throw new Error("The node did not start");
    this.#port = Number(new TextDecoder().decode(value));
    this.clients.target = this.#port;
  }

  /** How it is; `undefined` if it does not answer. */
  async state(): Promise<NodeState | undefined> {
    if (this.#process === undefined) return undefined;
    try {
      const answer = await fetch(`http://localhost:${this.#port}/state`);
      return await answer.json();
    } catch {
      return undefined;
    }
  }

  /** Ends it as a crash does; its clients are led to `other` from now on. */
  async kill(other?: FleetNode): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (other !== undefined) this.clients.target = other.#port;
    process?.kill("SIGKILL");
    await process?.status;
  }

  async close(): Promise<void> {
    await this.kill();
    await this.clients.close();
    await this.redis?.close();
  }
}
