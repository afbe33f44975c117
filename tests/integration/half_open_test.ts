import assert from "node:assert/strict";
import { Core } from "../../src/client/core.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import { type Client, connect } from "../../src/client/mod.ts";
import type { ServerOptions } from "../../src/mod.ts";
import { TcpProxy } from "../browser/tcp_proxy.ts";
import { UdpProxy } from "../conformance/udp_proxy.ts";
import { withTempFolder } from "../temp_folder.ts";
import { until } from "../until.ts";
import { type Kind, KINDS, withServer } from "./harness.ts";
import { HEARTBEAT } from "./heartbeat.ts";

const OPTIONS: ServerOptions = { heartbeat: HEARTBEAT, reconnectSpreadMs: 0 };

/** A client whose changes of state are noted. */
interface Watched {
  readonly client: Client;
  readonly states: string[];
}

function watch(client: Client): Watched {
  const states: string[] = [];
  client.on("state", (state) => states.push(state));
  client.closed.catch(() => {});
  return { client, states };
}

/** A quiet client over each transport, connected. */
async function connectAll(connect: (kind: Kind) => Client): Promise<Watched[]> {
  const all = KINDS.map((kind) => watch(connect(kind)));
  await Promise.all(all.map(({ client }) => client.ready));
  return all;
}

/** The quiet clients have been connected all the time. */
function assertUndisturbed(clients: readonly Watched[]): void {
  for (const { client, states } of clients) {
    assert.deepEqual(states, ["connected"], client.transport ?? "no transport");
  }
}

Deno.test("a path that swallows everything is found by both ends, on every transport", async () => {
  await withServer(OPTIONS, async ({ server, client }) => {
    const tcp = new TcpProxy();
    tcp.forwardTo(server.developmentPort!);
    const udp = new UdpProxy({ transport: "udp", hostname: "127.0.0.1", port: server.port });
    const quiet = await connectAll(client);
    const held = await connectAll((kind) => connectThrough(kind, tcp.port, udp.addr.port));
    try {
      assert.equal(server.transports, 6);
      tcp.hold();
      udp.cut();
      await until(() => server.transports === 3, "the server has found the dead");
      await until(
        () => held.every(({ states }) => states.at(-1) === "reconnecting"),
        "the clients have found their server gone",
      );
      assertUndisturbed(quiet);
      assert.equal(server.sessions.count, 6, "the sessions wait for their clients");
    } finally {
      for (const { client } of held) client.close();
      await tcp.close();
      await udp.close();
    }
  });
});

/** A client whose every way to the server leads over the proxies. */
function connectThrough(kind: Kind, tcpPort: number, udpPort: number): Client {
  const environment = systemEnvironment();
  return new Core(new URL(`http://localhost:${tcpPort}`), { transports: [kind] }, {
    ...environment,
    async fetchServerInfo(...asked) {
      const info = await environment.fetchServerInfo(...asked);
      const url = `https://127.0.0.1:${udpPort}/rt/wt`;
      return { ...info, webtransport: { ...info.webtransport, url } };
    },
  });
}

Deno.test("clients whose process is stopped are found, and go on with their sessions", async () => {
  await withServer(OPTIONS, async ({ server, client }) => {
    const quiet = await connectAll(client);
    await withPeer(["clients", server.developmentUrl!], {}, async (peer) => {
      await until(() => peer.lines.length === 3, "the clients are connected");
      const connected = [...peer.lines].sort();
      peer.process.kill("SIGSTOP");
      await until(() => server.transports === 3, "the server has found the dead");
      assertUndisturbed(quiet);
      assert.equal(server.sessions.count, 6);
      peer.process.kill("SIGCONT");
      await until(() => server.transports === 6, "the clients are back");
      const again = () => peer.lines.slice(3).filter((line) => line.includes(" connected "));
      await until(() => again().length === 3, "the clients know it");
      assert.deepEqual(again().sort(), connected, "with the same sessions");
      assert.equal(server.sessions.count, 6);
    });
  });
});

Deno.test("a server whose process is stopped is found by its clients, who go on with it", async () => {
  await withTempFolder(async (folder) => {
    await withPeer(["server", folder], {}, async (peer) => {
      await until(() => peer.lines.length === 1, "the server runs");
      const clients = await connectAll((kind) => connect(peer.lines[0]!, { transports: [kind] }));
      try {
        const sessions = clients.map(({ client }) => client.session);
        peer.process.kill("SIGSTOP");
        await until(
          () => clients.every(({ states }) => states.at(-1) === "reconnecting"),
          "the clients have found their server gone",
        );
        peer.process.kill("SIGCONT");
        await until(
          () => clients.every(({ states }) => states.at(-1) === "connected"),
          "the clients are back",
          30_000,
        );
        assert.deepEqual(clients.map(({ client }) => client.session), sessions);
      } finally {
        for (const { client } of clients) client.close();
      }
    });
  });
});

/** Namespaces of networks are root's, and containers may lack them all the same. */
const NETWORKS = await mayMakeNetworks();

async function mayMakeNetworks(): Promise<boolean> {
  try {
    const script = "ip link add near type veth peer name far && ip addr add 198.18.0.1/30 dev near";
    const args = ["--net", "sh", "-c", script];
    return (await new Deno.Command("unshare", { args, stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

Deno.test({
  name:
    "clients whose network is cut are found, and go on when it is back (ignored where not root with iproute2)",
  ignore: !NETWORKS,
  fn: () => withTempFolder(cutNetwork),
});

async function cutNetwork(folder: string): Promise<void> {
  // Four random addresses of those for tests (RFC 2544), which no network that one meets has. IPv6
  // would have a range of one's own, but Deno's WebTransport takes no IPv6 address.
  const [third, fourth] = crypto.getRandomValues(new Uint8Array(2));
  const network = `198.18.${third}.${fourth! & 0xfc}`;
  const [near, far] = [1, 2].map((host) => network.replace(/\d+$/, (last) => `${+last + host}`));
  const [nearEnd, farEnd] = [`slip${Deno.pid}n`, `slip${Deno.pid}f`];
  await run("ip", "link", "add", nearEnd, "type", "veth", "peer", "name", farEnd);
  try {
    await run("ip", "addr", "add", `${near}/30`, "dev", nearEnd);
    await run("ip", "link", "set", nearEnd, "up");
    const options = { ...OPTIONS, hostname: near!, tls: { developmentFolder: folder } };
    await withServer(options, async ({ server, client }) => {
      const quiet = await connectAll(client);
      const wait = {
        // It waits for its end of the cable.
        before: [
          "unshare",
          "--net",
          "sh",
          "-c",
          `read go; ip link set lo up; ip addr add ${far}/30 dev ${farEnd};` +
          ` ip link set ${farEnd} up; exec "$@"`,
          "sh",
        ],
        env: { DENO_CERT: `${folder}/development.crt` },
      };
      await withPeer(["clients", server.url], wait, async (peer) => {
        await run("ip", "link", "set", farEnd, "netns", `${peer.process.pid}`);
        const input = peer.process.stdin.getWriter();
        await input.write(new TextEncoder().encode("go\n"));
        await until(() => peer.lines.length === 3, "the clients are connected");
        const connected = [...peer.lines].sort();
        const setLink = (state: "up" | "down") =>
          run("nsenter", "-t", `${peer.process.pid}`, "-n", "ip", "link", "set", farEnd, state);
        await setLink("down");
        await until(() => server.transports === 3, "the server has found the dead");
        assertUndisturbed(quiet);
        assert.equal(server.sessions.count, 6);
        const lost = () => peer.lines.filter((line) => line.includes(" reconnecting "));
        await until(() => lost().length === 3, "the clients have found their server gone");
        await setLink("up");
        await until(() => server.transports === 6, "the clients are back", 30_000);
        const again = () => peer.lines.slice(3).filter((line) => line.includes(" connected "));
        await until(() => again().length === 3, "the clients know it");
        assert.deepEqual(again().sort(), connected, "with the same sessions");
        await input.close();
      });
    });
  } finally {
    // It goes with the other end's namespace, if that was quicker.
    await run("ip", "link", "del", nearEnd).catch(() => {});
  }
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}

interface PeerProcess {
  readonly process: Deno.ChildProcess;
  /** What it has printed. */
  readonly lines: string[];
}

/** Runs `half_open_peer.ts` in a process of its own, which ends with `body`. */
async function withPeer(
  args: readonly string[],
  { before = [], env = {} }: { before?: readonly string[]; env?: Record<string, string> },
  body: (peer: PeerProcess) => Promise<void>,
): Promise<void> {
  const [command, ...rest] = [
    ...before,
    Deno.execPath(),
    "run",
    "--no-check",
    "-A",
    "--config",
    new URL("../../deno.json", import.meta.url).pathname,
    new URL("half_open_peer.ts", import.meta.url).pathname,
    ...args,
  ];
  const process = new Deno.Command(command!, { args: rest, env, stdin: "piped", stdout: "piped" })
    .spawn();
  const lines: string[] = [];
  const read = readLines(process.stdout, lines);
  try {
    await body({ process, lines });
  } finally {
    // A stopped process takes no other signal.
    process.kill("SIGKILL");
    await process.status;
    await read;
    if (!process.stdin.locked) await process.stdin.close().catch(() => {});
  }
}

async function readLines(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    lines.push(...parts);
  }
}
