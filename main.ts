/**
 * The command line of a Slipstream server with the namespaces that its pages and examples use. An
 * app of your own calls `serve()` with its own options instead.
 *
 * Exit codes: 0 after a drain, 1 if the server cannot start, 2 for a wrong command line, 130 if a
 * second signal cut the drain short.
 */

import { parseArgs } from "node:util";
import { createDemo, type Demo } from "./src/demo/demo.ts";
import {
  OPEN,
  type Permissions,
  serve,
  type ServerOptions,
  type SlipstreamServer,
  type WebhookEvent,
  type WebhookOptions,
} from "./src/mod.ts";
import { systemClock } from "./src/policy/clock.ts";
import { systemRandom } from "./src/policy/random.ts";

const HELP = `Usage: deno task start [options]

  --port <n>               TCP and UDP port                      SLIPSTREAM_PORT              4433
  --hostname <name>        name or address to listen on          SLIPSTREAM_HOSTNAME          localhost
  --development-port <n>   http://localhost port, or "off"       SLIPSTREAM_DEVELOPMENT_PORT  8080
  --cert <file>            certificate chain, PEM                SLIPSTREAM_CERT              made in certs/
  --key <file>             its private key, PEM                  SLIPSTREAM_KEY
  --origin <origin>        origin to allow; may be repeated      SLIPSTREAM_ORIGINS (commas)
  --trusted-proxy <range>  proxy to believe; may be repeated     SLIPSTREAM_TRUSTED_PROXIES (commas)
  --proxy-header <name>    forwarded or x-forwarded-for          SLIPSTREAM_PROXY_HEADER      none
  --proxy-protocol         they begin TCP with the PROXY header  SLIPSTREAM_PROXY_PROTOCOL=1
  --public-hostname <name> where a balancer has WebTransport     SLIPSTREAM_PUBLIC_HOSTNAME   as reached
  --public-port <n>        and on which UDP port                 SLIPSTREAM_PUBLIC_PORT       as --port
  --allow-missing-origin   let in programs that send no Origin   SLIPSTREAM_ALLOW_MISSING_ORIGIN=1
  --address-sessions <n>   sessions of one address, or "any"     SLIPSTREAM_ADDRESS_SESSIONS  1000
  --address-rate <n>       new ones of it a second, or "any"     SLIPSTREAM_ADDRESS_RATE      100
  --redis <url>            Redis to share with other nodes       SLIPSTREAM_REDIS
                           keys of the HTTP API                  SLIPSTREAM_API_KEYS (commas)
                           key of /metrics                       SLIPSTREAM_METRICS_KEY  this machine only
                           backend to ask by webhooks            SLIPSTREAM_WEBHOOK_URL
                           what they are signed with             SLIPSTREAM_WEBHOOK_SECRETS (commas)
                           what it is asked about and told       SLIPSTREAM_WEBHOOK_EVENTS  connect,disconnect
  --open-to-all            serve the demo channels to everyone   SLIPSTREAM_OPEN_TO_ALL=1
  --no-demo                without /arena and /ticker            SLIPSTREAM_DEMO=off
  --fed                    let clients feed /ticker              SLIPSTREAM_DEMO=fed
  --help                   this text

With a certificate the server listens on every address ("::") and leaves development mode. The demo
channels ask nobody who they are: beyond this machine they are served with --open-to-all alone. What
runs behind /arena and /ticker lives in one process: with Redis it is left out.
`;

const NAMESPACES: NonNullable<ServerOptions["namespaces"]> = {
  chat: { presence: true, permissions: OPEN },
  pointers: { delivery: "latest", permissions: OPEN },
};

await main();

async function main(): Promise<void> {
  let options: Settings | "help";
  try {
    options = readOptions(Deno.args);
  } catch (error) {
    print(Deno.stderr, `${messageOf(error)}\nSee deno task start --help\n`);
    Deno.exit(2);
  }
  if (options === "help") return print(Deno.stdout, HELP);

  const demo = options.demo;
  let server: SlipstreamServer;
  try {
    server = await serve(options.server);
    await demo?.start(server);
  } catch (error) {
    print(Deno.stderr, `Slipstream cannot start: ${messageOf(error)}\n`);
    Deno.exit(1);
  }
  // It was for two options of the sockets (src/server/tcp_options.ts), and would allow anything.
  Deno.permissions.revokeSync({ name: "ffi" });
  print(Deno.stdout, greeting(server, options.server));
  drainOnSignal(server);
  await server.finished;
  demo?.stop();
  Deno.exit();
}

/** What the command line asks for. */
interface Settings {
  readonly server: ServerOptions;
  readonly demo: Demo | undefined;
}

/** @throws {TypeError} If the command line or the environment is wrong, naming what was expected. */
function readOptions(args: string[]): Settings | "help" {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: "string" },
      hostname: { type: "string" },
      "development-port": { type: "string" },
      cert: { type: "string" },
      key: { type: "string" },
      origin: { type: "string", multiple: true },
      "trusted-proxy": { type: "string", multiple: true },
      "proxy-header": { type: "string" },
      "proxy-protocol": { type: "boolean" },
      "public-hostname": { type: "string" },
      "public-port": { type: "string" },
      "allow-missing-origin": { type: "boolean" },
      "address-sessions": { type: "string" },
      "address-rate": { type: "string" },
      redis: { type: "string" },
      "open-to-all": { type: "boolean" },
      "no-demo": { type: "boolean" },
      fed: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return "help";

  const { port, hostname, cert, key, origin } = values;
  const portText = port ?? env("PORT");
  const host = hostname ?? env("HOSTNAME");
  const developmentPortText = values["development-port"] ?? env("DEVELOPMENT_PORT");
  const certFile = cert ?? env("CERT");
  const keyFile = key ?? env("KEY");
  const redisUrl = values.redis ?? env("REDIS");
  const trusted = values["trusted-proxy"] ?? env("TRUSTED_PROXIES")?.split(",");
  const proxyHeader = values["proxy-header"] ?? env("PROXY_HEADER");
  const proxyProtocol = values["proxy-protocol"] ?? env("PROXY_PROTOCOL") === "1";
  if (trusted === undefined && (proxyHeader !== undefined || proxyProtocol)) {
    throw new TypeError("--proxy-header and --proxy-protocol need a --trusted-proxy: got none");
  }
  const publicHostname = values["public-hostname"] ?? env("PUBLIC_HOSTNAME");
  const publicPort = values["public-port"] ?? env("PUBLIC_PORT");
  const addressSessions = values["address-sessions"] ?? env("ADDRESS_SESSIONS");
  const addressRate = values["address-rate"] ?? env("ADDRESS_RATE");
  // Not on the command line, which every user of the machine can read.
  const apiKeys = env("API_KEYS")?.split(",");
  const metricsKey = env("METRICS_KEY");
  const webhooks = readWebhooks();
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new TypeError(
      `--cert and --key must come together: got ${certFile ?? "no --cert"}, ${
        keyFile ?? "no --key"
      }`,
    );
  }
  const listensOn = host ?? (certFile === undefined ? "localhost" : "::");
  const openToAll = values["open-to-all"] ?? env("OPEN_TO_ALL") === "1";
  if (!openToAll && !isLoopback(listensOn)) {
    throw new TypeError(
      "--open-to-all is needed beyond this machine, as everyone may read and write the demo " +
        `channels: --hostname ${listensOn}`,
    );
  }
  const mode = values["no-demo"] ? "off" : values.fed ? "fed" : env("DEMO") ?? "on";
  if (!["on", "off", "fed"].includes(mode)) {
    throw new TypeError(`SLIPSTREAM_DEMO must be on, off or fed: ${mode}`);
  }
  const demo = mode === "off" || redisUrl !== undefined
    ? undefined
    : createDemo({ clock: systemClock, random: systemRandom, fed: mode === "fed" });
  const server: ServerOptions = {
    namespaces: { ...NAMESPACES, ...demo?.namespaces },
    rpc: demo?.rpc ?? {},
    origins: {
      allow: origin ?? env("ORIGINS")?.split(",") ?? [],
      allowMissing: values["allow-missing-origin"] ?? env("ALLOW_MISSING_ORIGIN") === "1",
    },
    log: ({ level, message, error }) =>
      print(Deno.stderr, `${level}: ${message}${error ? `: ${traceOf(error)}` : ""}\n`),
    ...(portText !== undefined && { port: toPort("--port", portText) }),
    ...(host !== undefined && { hostname: host }),
    ...(developmentPortText !== undefined && {
      developmentPort: developmentPortText === "off"
        ? false as const
        : toPort("--development-port", developmentPortText),
    }),
    ...(trusted !== undefined && {
      proxies: {
        trusted,
        proxyProtocol,
        ...(proxyHeader !== undefined && { header: toProxyHeader(proxyHeader) }),
      },
    }),
    publicAddress: {
      ...(publicHostname !== undefined && { hostname: publicHostname }),
      ...(publicPort !== undefined && { port: toPort("--public-port", publicPort) }),
    },
    admission: {
      ...(addressSessions !== undefined && {
        maxSessionsPerAddress: toLimit("--address-sessions", addressSessions),
      }),
      ...(addressRate !== undefined && {
        ratePerSecondPerAddress: toLimit("--address-rate", addressRate),
      }),
    },
    ...(redisUrl !== undefined && { redis: { url: redisUrl } }),
    ...(metricsKey !== undefined && { metrics: { key: metricsKey } }),
    ...(apiKeys !== undefined && { api: { keys: apiKeys } }),
    ...(webhooks !== undefined && { webhooks }),
    ...(certFile !== undefined && keyFile !== undefined && { tls: { certFile, keyFile } }),
  };
  return { server, demo };
}

/** From the environment alone, as its secrets are. */
function readWebhooks(): WebhookOptions | undefined {
  const url = env("WEBHOOK_URL");
  const secrets = env("WEBHOOK_SECRETS")?.split(",");
  if ((url === undefined) !== (secrets === undefined)) {
    throw new TypeError(
      `SLIPSTREAM_WEBHOOK_URL and SLIPSTREAM_WEBHOOK_SECRETS must come together: got ${
        url === undefined ? "no URL" : "no secrets"
      }`,
    );
  }
  if (url === undefined || secrets === undefined) return undefined;
  // serve() says which there are.
  const events = (env("WEBHOOK_EVENTS") ?? "connect,disconnect").split(",") as WebhookEvent[];
  return { url, secrets, events };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function env(name: string): string | undefined {
  return Deno.env.get(`SLIPSTREAM_${name}`) || undefined;
}

function toLimit(option: string, text: string): number {
  if (text === "any") return Infinity;
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new TypeError(`${option} must be a whole number from 1, or "any": ${text}`);
  }
  return Number(text);
}

function toPort(option: string, text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new TypeError(`${option} must be a port number: ${text}`);
  return Number(text);
}

function toProxyHeader(text: string): "forwarded" | "x-forwarded-for" {
  if (text === "forwarded" || text === "x-forwarded-for") return text;
  throw new TypeError(`--proxy-header must be forwarded or x-forwarded-for: ${text}`);
}

function greeting(server: SlipstreamServer, { tls, namespaces = {} }: ServerOptions): string {
  const channels = (kept: (permissions: Partial<Permissions>) => boolean) =>
    Object.entries(namespaces).filter(([, { permissions = {} }]) => kept(permissions))
      .map(([name]) => `${name}:*`).join(", ");
  const readOnly = channels(({ publish, subscribe }) => publish !== true && subscribe === true);
  const lines = [
    "Slipstream listens",
    ...(server.developmentUrl ? [`  pages         ${server.developmentUrl}`] : []),
    `  HTTPS         ${server.url}  (HTTP/3, WebSocket, SSE)`,
    `  WebTransport  ${server.info.webtransport?.url}`,
    `  certificate   ${
      tls && "certFile" in tls ? tls.certFile : "for development, in certs/, renewed by itself"
    }`,
    `  carries       ${describeCapacity(server.capacity)}`,
    "  OPEN          everyone who reaches it may write the channels " +
    channels(({ publish }) => publish === true) +
    (readOnly && `, and read ${readOnly}`),
  ];
  return `${lines.join("\n")}\n`;
}

function describeCapacity({ limits, sessions }: SlipstreamServer["capacity"]): string {
  const { openFiles, memoryBytes } = limits;
  const of = [
    openFiles === undefined ? "unknown open files" : `${openFiles} open files`,
    memoryBytes === undefined ? "unknown memory" : `${(memoryBytes / 1e9).toFixed(1)} GB`,
  ];
  return `${sessions.webtransport} WebTransport, ${sessions.websocket} WebSocket or ` +
    `${sessions.sse} SSE sessions (${of.join(", ")}; see deno task doctor)`;
}

/**
 * The first signal drains; a second one, from someone who cannot wait, ends at once. Clients are told
 * even then: over QUIC they would otherwise find out by their heartbeat. A third does not wait for
 * those who do not take it.
 */
function drainOnSignal(server: SlipstreamServer): void {
  let signals = 0;
  const onSignal = () => {
    signals++;
    if (signals > 2) Deno.exit(130);
    if (signals === 2) {
      Deno.exitCode = 130;
      return void server.close().catch(() => Deno.exit(130));
    }
    print(Deno.stderr, "Draining; a second signal ends at once\n");
    server.drain().catch((error) => {
      print(Deno.stderr, `The drain failed: ${messageOf(error)}\n`);
      Deno.exit(1);
    });
  };
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM to listen for.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
}

/** What an error of the log says, and where it comes from. */
function traceOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function print(stream: typeof Deno.stdout, text: string): void {
  stream.writeSync(new TextEncoder().encode(text));
}
