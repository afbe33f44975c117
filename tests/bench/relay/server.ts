import { OPEN, serve } from "../../../src/mod.ts";
import { drive } from "../drive.mjs";

/** A server over TLS, which takes the PROXY protocol if the argument says `relay`. */
const folder = await Deno.makeTempDir({ prefix: "slipstream_bench_" });
const server = await serve({
  hostname: "127.0.0.1",
  port: 0,
  developmentPort: false,
  tls: { developmentFolder: folder },
  proxies: { trusted: ["127.0.0.1"], proxyProtocol: Deno.args[0] === "relay" },
  // The load comes from one address.
  admission: { ratePerSecond: Infinity, ratePerSecondPerAddress: Infinity },
  namespaces: { ordered: { permissions: OPEN } },
  origins: { allowMissing: true },
});
const certPem = await Deno.readTextFile(`${folder}/development.crt`);
await Deno.remove(folder, { recursive: true });

drive(
  { port: server.port, certPem },
  (text) => void server.publish("ordered:bench", text).catch((error) => reportError(error)),
);
