import { type Client, connect, type ConnectOptions } from "../../src/client/mod.ts";
import { OPEN, serve, type ServerOptions, type SlipstreamServer } from "../../src/mod.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";

/** The ways to the server, for tests that run on each. */
export const KINDS = ["webtransport", "websocket", "sse"] as const;
export type Kind = (typeof KINDS)[number];

const { certPem, keyPem } = await createDevelopmentCertificate();
const folder = await Deno.makeTempDir({ prefix: "slipstream_certs_" });
// Every server of a test file takes this one: making one each would double the tests' time.
await Deno.writeTextFile(`${folder}/development.crt`, certPem);
await Deno.writeTextFile(`${folder}/development.key`, keyPem);
await Deno.writeTextFile(`${folder}/development.names`, "localhost\n127.0.0.1\n::1\n");
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** The certificate that the servers have, for clients that must trust it. */
export { certPem };

export interface TestServer {
  readonly server: SlipstreamServer;
  /** What was logged, as text. */
  readonly log: string[];
  /** A client of the SDK over one transport. */
  client(kind: Kind, options?: ConnectOptions): Client;
}

/** Runs `body` with a server of its own on ports of its own, and closes clients and server. */
export async function withServer(
  options: ServerOptions,
  body: (test: TestServer) => Promise<void>,
): Promise<void> {
  const log: string[] = [];
  const clients: Client[] = [];
  const server = await serve({
    port: 0,
    developmentPort: 0,
    tls: { developmentFolder: folder },
    namespaces: {
      chat: { presence: true, permissions: OPEN },
      points: { delivery: "latest", permissions: OPEN },
    },
    // Deno sends no Origin.
    origins: { allowMissing: true },
    log: ({ level, message, error }) => log.push(`${level}: ${message}: ${error}`),
    ...options,
  });
  try {
    await body({
      server,
      log,
      client(kind, options = {}) {
        const client = connect(server.developmentUrl!, { ...options, transports: [kind] });
        client.closed.catch(() => {});
        client.ready.catch(() => {});
        clients.push(client);
        return client;
      },
    });
  } finally {
    for (const client of clients) client.close();
    await server.close();
  }
}
