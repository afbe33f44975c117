import assert from "node:assert/strict";
import {
  createDevelopmentCertificate,
  type DevelopmentCertificate,
} from "../../src/tls/development_certificate.ts";
import { freePort, TestRedis } from "../broker/redis_server.ts";
import { findProgram } from "../setup.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const API_KEY = "a-key-of-at-least-32-characters!";
/** README's machines are addresses of the loopback here. */
const MACHINES = ["127.0.0.11", "127.0.0.12", "127.0.0.13"] as const;

/** Where README's nginx is. */
export const BALANCER = "127.0.0.14";

/** Starts README's nginx, before the nodes on `port` of its machines. */
export async function startNginx(folder: string, port: number): Promise<Deno.ChildProcess> {
  const config = (await nginxOfReadme("slipstream.conf"))
    .replaceAll(/10\.0\.0\.(1[123]):4433/g, `127.0.0.$1:${port}`)
    .replaceAll("listen 4433", `listen 127.0.0.1:${port}`)
    // What its machine's address is by itself.
    .replaceAll(/proxy_pass (tcp|udp);/g, `proxy_pass $1; proxy_bind ${BALANCER};`)
    .replace("worker_rlimit_nofile 200000", "worker_rlimit_nofile 1000")
    .replace("worker_connections 60000", "worker_connections 400");
  assert.doesNotMatch(config, /4433/);
  return await runNginx(folder, config);
}

/** The text of a configuration in README. */
export async function nginxOfReadme(name: string): Promise<string> {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const [, after] = readme.split(`\`\`\`nginx ${name}\n`);
  assert.ok(after, "README has a configuration of nginx");
  return after.slice(0, after.indexOf("```"));
}

/** Starts nginx; its files land in `folder`. */
export async function runNginx(folder: string, config: string): Promise<Deno.ChildProcess> {
  const file = `${folder}/nginx.conf`;
  await Deno.writeTextFile(file, config);
  const own = `daemon off; pid ${folder}/nginx.pid;`;
  return new Deno.Command(findProgram("nginx")!, {
    args: ["-c", file, "-e", `${folder}/error.log`, "-g", own],
    stdin: "null",
  }).spawn();
}

/** Three nodes, each a process, with a redis-server, and README's nginx before them. */
export class Site implements AsyncDisposable {
  readonly nodes: readonly [SiteNode, SiteNode, SiteNode];
  /** The certificate that all nodes have. */
  readonly certFile: string;
  /** Its hash as of `/rt/info`. */
  readonly certificateHash: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #redis: TestRedis;
  readonly #client: Deno.HttpClient;
  #nginx: Deno.ChildProcess | undefined;

  private constructor(
    folder: string,
    port: number,
    redis: TestRedis,
    { certPem, sha256 }: DevelopmentCertificate,
  ) {
    this.#folder = folder;
    this.#port = port;
    this.#redis = redis;
    this.#client = Deno.createHttpClient({ caCerts: [certPem], poolMaxIdlePerHost: 0 });
    this.certificateHash = sha256.toBase64();
    this.certFile = `${folder}/chain.pem`;
    const [first, second, third] = MACHINES;
    const node = (machine: string) =>
      new SiteNode(machine, port, this.#client, [
        ...["--redis", redis.url, "--trusted-proxy", BALANCER, "--proxy-protocol"],
        ...this.#tls(),
      ]);
    this.nodes = [node(first), node(second), node(third)];
  }

  static async start(): Promise<Site> {
    const folder = await Deno.makeTempDir({ prefix: "slipstream_site_" });
    const certificate = await createDevelopmentCertificate({
      hostnames: ["localhost", "127.0.0.1", ...MACHINES],
    });
    const site = new Site(folder, freePort(), await TestRedis.start(), certificate);
    try {
      await Deno.writeTextFile(site.certFile, certificate.certPem);
      await Deno.writeTextFile(`${folder}/key.pem`, certificate.keyPem);
      await Promise.all([site.#balance(), ...site.nodes.map((node) => node.start())]);
      await retry(() => site.fetch("/readyz"));
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
    return site;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** Asks whichever node the balancer leads to. */
  async fetch(path: string): Promise<Response> {
    return await fetch(this.url + path, { client: this.#client });
  }

  /** Has nginx read its configuration again; resolves once its new workers are there. */
  async reload(): Promise<void> {
    const workers = () => childrenOf(this.#nginx!.pid);
    const before = await workers();
    this.#nginx!.kill("SIGHUP");
    while ((await workers()).every((pid) => before.includes(pid)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.kill();
    this.#nginx?.kill("SIGTERM");
    await this.#nginx?.status;
    this.#client.close();
    await this.#redis.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #balance(): Promise<void> {
    this.#nginx = await startNginx(this.#folder, this.#port);
  }

  #tls(): string[] {
    return ["--cert", this.certFile, "--key", `${this.#folder}/key.pem`];
  }
}

/** A node of a site. */
export class SiteNode {
  readonly #url: string;
  readonly #client: Deno.HttpClient;
  readonly #args: readonly string[];
  #process: Deno.ChildProcess | undefined;

  constructor(hostname: string, port: number, client: Deno.HttpClient, args: readonly string[]) {
    this.#url = `https://${hostname}:${port}`;
    this.#client = client;
    this.#args = [...args, "--hostname", hostname, "--port", `${port}`, "--allow-missing-origin"];
  }

  /** Resolves once it is ready. */
  async start(): Promise<void> {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`, `${ROOT}main.ts`]
        .concat(this.#args),
      env: { SLIPSTREAM_API_KEYS: API_KEY },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await retry(() => this.#fetch("/readyz"));
  }

  /** Those that it has, in count. */
  async sessions(): Promise<number> {
    const text = await (await this.#fetch("/metrics")).text();
    const counts = text.matchAll(/^slipstream_sessions\{transport="(?!none).*"\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** Publishes as a backend does. */
  async publish(channel: string, data: unknown): Promise<void> {
    const response = await this.#fetch("/api/publish", {
      method: "POST",
      headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ channel, data }),
    });
    await response.body?.cancel();
  }

  /** Resolves with its exit code once its clients have left. */
  async drain(): Promise<number> {
    const process = this.#process!;
    this.#process = undefined;
    process.kill("SIGTERM");
    return (await process.status).code;
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.status;
    this.#process = undefined;
  }

  async #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(this.#url + path, { ...init, client: this.#client });
    if (response.ok) return response;
    throw new Error(`${path} is answered with ${response.status}: ${await response.text()}`);
  }
}

/** Asks a server that takes a while to start until it is well. */
async function retry(ask: () => Promise<Response>): Promise<void> {
  const endMs = performance.now() + 20_000;
  for (;;) {
    try {
      const response = await ask();
      await response.body?.cancel();
      if (response.ok) return;
      throw new Error(`It answers ${response.status}`);
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function childrenOf(pid: number): Promise<string[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  return text.trim().split(" ");
}
