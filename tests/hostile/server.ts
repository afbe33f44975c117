import { OPEN, serve } from "../../src/mod.ts";

/**
 * The server under attack, a process of its own. Says where it is in one line of JSON and serves
 * until it is killed. `/state` tells how it is.
 */
export interface Address {
  /** Of TLS and QUIC. */
  readonly port: number;
  /** Of plain HTTP. */
  readonly developmentPort: number;
  readonly certPem: string;
}

export interface ServerState {
  readonly sessions: number;
  readonly transports: number;
  readonly lingering: number;
  /** After a garbage collection. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** What was logged as an error, the first of it. */
  readonly errors: readonly string[];
}

/** A session whose client was cut off is gone after this time. */
const RESUME_WINDOW_MS = 1000;

const MAX_ERRORS = 20;

if (import.meta.main) await main();

async function main(): Promise<void> {
  const errors: string[] = [];
  const folder = await Deno.makeTempDir({ prefix: "slipstream_hostile_" });
  const server = await serve({
    hostname: "127.0.0.1",
    port: 0,
    developmentPort: 0,
    tls: { developmentFolder: folder },
    origins: { allowMissing: true },
    // Attackers and honest peers have one address here: its limits would keep both out.
    admission: {
      ratePerSecond: Infinity,
      ratePerSecondPerAddress: Infinity,
      maxSessionsPerAddress: Infinity,
    },
    webtransport: { maxConnectionsPerAddress: 10_000 },
    session: { resumeWindowMs: RESUME_WINDOW_MS },
    namespaces: {
      chat: { presence: true, permissions: OPEN },
      pos: { delivery: "latest", permissions: OPEN },
    },
    rpc: { move: (data) => data },
    log: ({ level, message, error }) => {
      if (level === "error" && errors.length < MAX_ERRORS) errors.push(`${message}: ${error}`);
    },
    fetch: () => {
      (globalThis as { gc?: () => void }).gc?.();
      const { heapUsed, rss } = Deno.memoryUsage();
      const state: ServerState = {
        sessions: server.sessions.count,
        transports: server.transports,
        lingering: server.pressure.lingering,
        heapBytes: heapUsed,
        rssBytes: rss,
        errors,
      };
      return Response.json(state);
    },
  });
  const certPem = await Deno.readTextFile(`${folder}/development.crt`);
  await Deno.remove(folder, { recursive: true });
  const address: Address = {
    port: server.port,
    developmentPort: server.developmentPort!,
    certPem,
  };
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(address)}\n`));
}
