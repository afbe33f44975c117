import assert from "node:assert/strict";
import type { SlipstreamServer } from "../../src/mod.ts";
import {
  createDevelopmentCertificate,
  type DevelopmentCertificate,
} from "../../src/tls/development_certificate.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "../conformance/raw_quic_client.ts";
import { checkEcho, echo, type RawSession } from "../conformance/server.ts";
import { FakeClock } from "../fake_clock.ts";
import { withTempFolder } from "../temp_folder.ts";
import { until } from "../until.ts";
import { withServer } from "./harness.ts";
import { connectFields } from "./raw_peer.ts";

const MINUTE_MS = 60 * 1000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A WebTransport session with an echo, to a server with the certificate `cert`. */
async function openEcho(server: SlipstreamServer, cert: string): Promise<RawSession> {
  const client = await RawQuicClient.connect({ addr: server, cert });
  await client.openControl(CLIENT_SETTINGS);
  const stream = await client.request(connectFields(server.port, "/echo"));
  assert.equal((await stream.readResponse()).status, 200);
  return { client, stream, id: stream.id };
}

/** Whether a new TLS connection meets `cert`. */
async function meetsOverTcp(server: SlipstreamServer, cert: string): Promise<boolean> {
  using client = Deno.createHttpClient({ caCerts: [cert] });
  try {
    const response = await fetch(`https://localhost:${server.port}/rt/info`, { client });
    await response.body!.cancel();
    return true;
  } catch {
    return false;
  }
}

Deno.test("a changed certificate is served to new peers, and no session is lost", async () => {
  const [first, second] = await Promise.all([
    createDevelopmentCertificate(),
    createDevelopmentCertificate(),
  ]);
  await withTempFolder(async (folder) => {
    const tls = {
      certFile: `${folder}/chain.pem`,
      keyFile: `${folder}/key.pem`,
      reloadIntervalMs: 5,
    };
    const write = async ({ certPem, keyPem }: DevelopmentCertificate) => {
      await Deno.writeTextFile(tls.certFile, certPem);
      await Deno.writeTextFile(tls.keyFile, keyPem);
    };
    await write(first);
    const options = { tls, hostname: "localhost", developmentPort: false as const };
    await withServer(options, async ({ server }) => {
      server.webtransport("/echo", async (request) => echo(await request.accept()));
      const session = await openEcho(server, first.certPem);
      const httpClient = Deno.createHttpClient({ caCerts: [first.certPem] });
      const socket = new WebSocket(`wss://localhost:${server.port}/rt/ws`, {
        protocols: ["slipstream.v1.json"],
        client: httpClient,
      });
      const received: { type: string; delayMs?: number }[] = [];
      socket.onmessage = ({ data }) =>
        received.push(...data.split("\n").map((line: string) => JSON.parse(line)));
      const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
      socket.onopen = () => socket.send('{"type":"connect","id":1}');
      await until(() => received.length === 1, "connected");

      await write(second);
      // The WebSocket is told to come back, and its session waits for it.
      await until(() => received.some(({ type }) => type === "drain"), "a drain");
      assert.equal((await closed).code, 3000);
      assert.equal(server.sessions.count, 1);

      await checkEcho(session);
      await session.client.close();
      const later = await openEcho(server, second.certPem);
      await checkEcho(later);
      await later.client.close();
      // The old socket closes a second after the last WebSocket has left it.
      let row = 0;
      while (row < 8) row = await meetsOverTcp(server, second.certPem) ? row + 1 : 0;
      httpClient.close();
    });
  });
});

Deno.test("the development certificate is renewed while a session goes on", async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    // Real clients judge by the real time, which must lie in the validity of both certificates.
    const startMs = Date.now() - 12 * DAY_MS - 2 * 60 * MINUTE_MS;
    await withServer({
      tls: { developmentFolder: folder },
      clock,
      now: () => startMs + clock.now(),
      // What is days for the certificate is days for the heartbeat.
      heartbeat: { intervalMs: 0 },
    }, async ({ server, log }) => {
      server.webtransport("/echo", async (request) => echo(await request.accept()));
      const old = await Deno.readTextFile(`${folder}/development.crt`);
      const session = await openEcho(server, old);
      const hashes = () => server.info.webtransport!.certificateHashes!;
      const [oldHash] = hashes();

      clock.suspend(12 * DAY_MS);
      clock.advance(0);
      await until(() => hashes().length === 2, "the successor is announced");
      assert.equal(hashes()[0], oldHash);
      const successor = hashes()[1]!;
      const announcedMs = clock.now();
      await until(() => {
        clock.advance(10 * MINUTE_MS);
        return hashes()[0] === successor;
      }, "the successor is served");
      assert.ok(clock.now() - announcedMs >= 60 * MINUTE_MS);
      assert.deepEqual(hashes(), [successor]);

      const renewed = await Deno.readTextFile(`${folder}/development.crt`);
      const later = await openEcho(server, renewed);
      await checkEcho(later);
      await checkEcho(session);
      await later.client.close();
      await session.client.close();
      assert.deepEqual(log, ["info: A new certificate is served: undefined"]);
    });
  });
});
