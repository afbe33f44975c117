import assert from "node:assert/strict";
import { Child } from "../bench/child.ts";
import type { ClientCommand, ClientState } from "./balancer_clients.ts";
import { OPEN, serve } from "../../src/mod.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { freePort } from "../broker/redis_server.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "../conformance/raw_quic_client.ts";
import { until } from "../until.ts";
import { BALANCER, Site, type SiteNode, startNginx } from "./balancer_site.ts";
import { connectFields } from "./raw_peer.ts";

const CLIENTS = new URL("balancer_clients.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;
const CLIENTS_PER_TRANSPORT = 3;

Deno.test({
  name:
    "behind README's nginx clients lose nothing by a node that drains, nor by one that is killed",
  // Elsewhere the loopback has one address.
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using site = await Site.start();
    await using clients = await Clients.start(site);
    const [first, second, third] = site.nodes;
    for (const node of site.nodes) assert.notEqual(await node.sessions(), 0, "each node has some");

    await clients.publishEach();
    await clients.allHaveAll("all hear what each publishes");

    await site.reload();
    await clients.publishEach();
    await clients.allHaveAll("a reload of nginx");
    clients.allHaveTheirSessions();
    clients.allHaveTheirTransports();
    assert.equal(clients.losses, 0, "nobody notices a reload");

    const code = await clients.hear(third, () => first.drain());
    assert.equal(code, 0);
    // Those who were sent away have begun new sessions.
    await clients.allHaveAll("a node has drained");
    clients.allHaveTheirTransports();
    await first.start();
    clients.noteSessions();

    // A handshake that nginx leads to a dead node ends in silence.
    await clients.fallBack();
    await clients.hear(third, async () => {
      await clients.more(12);
      await second.kill();
      await clients.allAt(first, third);
    });
    await clients.publishEach();
    await clients.allHaveAll("a node was killed");
    clients.allHaveTheirSessions();
  },
});

Deno.test({
  name: "behind README's nginx each client has its own address over TCP, and nginx's over UDP",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { certPem: cert, keyPem: key } = await createDevelopmentCertificate();
    const folder = await Deno.makeTempDir({ prefix: "slipstream_site_" });
    const port = freePort();
    const seen: string[] = [];
    await using open = new AsyncDisposableStack();
    open.defer(() => Deno.remove(folder, { recursive: true }));
    for (const hostname of ["127.0.0.11", "127.0.0.12", "127.0.0.13"]) {
      const server = await serve({
        hostname,
        port,
        tls: { cert, key },
        proxies: { trusted: [BALANCER], proxyProtocol: true },
        // A trusted peer that names nobody is exempt.
        webtransport: { maxConnectionsPerAddress: 1 },
        namespaces: { chat: { permissions: OPEN } },
        origins: { allowMissing: true },
        hooks: { onConnect: ({ address, transport }) => void seen.push(`${transport} ${address}`) },
        log() {},
      });
      open.defer(() => server.close());
      server.webtransport("/own", (request, { address }) => {
        seen.push(`webtransport ${address}`);
        request.reject(404);
      });
    }
    const nginx = await startNginx(folder, port);
    open.defer(async () => {
      nginx.kill("SIGTERM");
      await nginx.status;
    });
    await retry(() => Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => conn.close()));

    const addresses = ["127.0.0.31", "127.0.0.32", "127.0.0.33"];
    for (const localAddress of addresses) {
      const client = open.use(Deno.createHttpClient({ caCerts: [cert], localAddress }));
      const url = `https://127.0.0.1:${port}/rt/sse?channel=chat:a`;
      const { status, body } = await fetch(url, { client });
      assert.equal(status, 200);
      open.defer(() => body!.cancel());
    }
    await until(() => seen.length === 3);
    for (let count = 0; count < 3; count++) {
      const client = await RawQuicClient.connect({ addr: { port }, cert });
      await client.openControl(CLIENT_SETTINGS);
      const request = await client.request(connectFields(port, "/own"));
      assert.equal((await request.readResponse()).status, 404);
      await client.close();
    }
    const expected = addresses.map((address) => `sse ${address}`)
      .concat(Array(3).fill(`webtransport ${BALANCER}`));
    assert.deepEqual(seen, expected);
  },
});

/** Tries until it works. */
async function retry(attempt: () => Promise<void>): Promise<void> {
  for (let left = 500;; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Clients over all transports, and what they were to hear. */
class Clients implements AsyncDisposable {
  readonly #process: Child;
  #states: readonly ClientState[] = [];
  #sessions: readonly (string | undefined)[] = [];
  #published = 0;

  private constructor(process: Child) {
    this.#process = process;
  }

  static async start(site: Site): Promise<Clients> {
    const clients = new Clients(
      new Child([
        ...[Deno.execPath(), "run", "-A", "--no-check", "--config", CONFIG],
        ...["--cert", site.certFile, CLIENTS],
        ...[site.url, site.certificateHash, `${CLIENTS_PER_TRANSPORT}`],
      ]),
    );
    try {
      clients.#states = await clients.#process.ask();
    } catch (error) {
      await clients[Symbol.asyncDispose]();
      throw error;
    }
    clients.noteSessions();
    return clients;
  }

  /** Transports that were lost, in count. */
  get losses(): number {
    return this.#states.reduce((sum, { losses }) => sum + losses, 0);
  }

  /** Each publishes once. */
  async publishEach(): Promise<void> {
    for (let by = 0; by < this.#states.length; by++) {
      await this.#ask<true>({ publish: ++this.#published, by });
    }
  }

  /** Publishes at `node`, as a feed that is never quiet and that the history holds, until `body` has done. */
  async hear<Result>(node: SiteNode, body: () => Promise<Result>): Promise<Result> {
    let done = false;
    const publishing = (async () => {
      while (!done) {
        await node.publish("chat:balancer", ++this.#published);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    try {
      return await body();
    } finally {
      done = true;
      await publishing;
    }
  }

  async fallBack(): Promise<void> {
    await this.#ask<true>({ fallBack: true });
  }

  /** Resolves once all have heard so many more: a stream, whose end they notice. */
  async more(count: number): Promise<void> {
    const enough = this.#published + count;
    await this.#within(async () => {
      this.#states = await this.#ask({ states: true });
      return this.#states.every(({ seen }) => seen.length >= enough);
    });
  }

  /** Resolves once these nodes have all of them. */
  async allAt(...nodes: readonly SiteNode[]): Promise<void> {
    await this.#within(async () => {
      const counts = await Promise.all(nodes.map((node) => node.sessions()));
      return counts.reduce((sum, count) => sum + count) === this.#states.length;
    });
  }

  /** Everything once and in order. */
  async allHaveAll(what: string): Promise<void> {
    await this.#within(async () => {
      this.#states = await this.#ask({ states: true });
      return this.#states.every(({ transport, seen }) =>
        seen.length >= this.#published && transport !== undefined
      );
    });
    const expected = Array.from({ length: this.#published }, (_, at) => at + 1);
    const all = this.#states;
    assert.deepEqual(all.flatMap(({ troubles }) => troubles), [], what);
    for (const { kind, seen } of all) assert.deepEqual(seen, expected, `${kind}: ${what}`);
  }

  /** Keeps in mind which sessions they have. */
  noteSessions(): void {
    this.#sessions = this.#states.map(({ session }) => session);
  }

  allHaveTheirTransports(): void {
    const all = this.#states;
    assert.deepEqual(all.map(({ transport }) => transport), all.map(({ kind }) => kind));
  }

  allHaveTheirSessions(): void {
    assert.deepEqual(this.#states.map(({ session }) => session), this.#sessions);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end();
  }

  #ask<Answer>(command: ClientCommand): Promise<Answer> {
    return this.#process.ask<Answer>(command);
  }

  /** Waits for a while; what is missing then the caller tells better. */
  async #within(condition: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + 20_000;
    while (!await condition() && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
