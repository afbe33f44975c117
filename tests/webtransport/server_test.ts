import assert from "node:assert/strict";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { WebTransportServer } from "../../src/webtransport/mod.ts";
import { RawQuicClient } from "../conformance/raw_quic_client.ts";
import { checkEcho, withServer } from "../conformance/server.ts";
import { until } from "../until.ts";

const other = await createDevelopmentCertificate({ hostnames: ["localhost"] });

Deno.test("listen() fails on a port that is taken, and the first server goes on", () =>
  withServer(async (server) => {
    const second = new WebTransportServer({
      hostname: "127.0.0.1",
      port: server.addr.port,
      cert: other.certPem,
      key: other.keyPem,
      onWebTransport: (request) => request.reject(404),
    });
    assert.throws(() => second.listen(), Deno.errors.AddrInUse);
    await checkEcho(await server.connectSession());
  }));

Deno.test("listen() fails on a certificate that is not the key's", () =>
  withServer((server) => {
    const bad = new WebTransportServer({
      hostname: "127.0.0.1",
      port: 0,
      cert: server.cert,
      key: other.keyPem,
      onWebTransport: (request) => request.reject(404),
    });
    assert.throws(() => bad.listen());
    assert.throws(() => bad.addr, /does not listen/);
    return Promise.resolve();
  }));

Deno.test("reload() gives new clients the new certificate; a session that is open goes on", () =>
  withServer(async (server) => {
    const before = await server.connectSession();
    server.server.reload({ cert: other.certPem, key: other.keyPem });
    await assert.rejects(server.connect());
    const client = await RawQuicClient.connect({ addr: server.addr, cert: other.certPem });
    await client.close();
    await checkEcho(before);
  }));

Deno.test("reload() with a wrong pair throws, and the certificate before stays in use", () =>
  withServer(async (server) => {
    assert.throws(() => server.server.reload({ cert: server.cert, key: other.keyPem }));
    assert.throws(() => server.server.reload({ cert: "nonsense", key: other.keyPem }));
    await checkEcho(await server.connectSession());
  }));

Deno.test("close() refuses new clients, and may be called twice", () =>
  withServer(async (server) => {
    await checkEcho(await server.connectSession());
    await Promise.all([server.server.close(), server.server.close()]);
    await assert.rejects(server.connect({ maxIdleTimeout: 100 }));
    assert.throws(() => server.server.reload({ cert: other.certPem, key: other.keyPem }), /closed/);
  }));

Deno.test("close() ends a session whose client does nothing within closeTimeoutMs", () =>
  withServer(async (server) => {
    const { client } = await server.connectSession();
    const [session] = server.sessions;
    await server.server.close({ closeCode: 3001, reason: "restart" });
    assert.deepEqual(await session!.closed, { closeCode: 3001, reason: "restart" });
    assert.equal((await client.closed).closeCode, 0x100);
  }, { closeTimeoutMs: 50 }));

Deno.test("sessions counts those that are open, connectionCount QUIC's", () =>
  withServer(async (server) => {
    const { client } = await server.connectSession();
    await server.connectSession();
    assert.equal(server.server.sessions.size, 2);
    assert.equal(server.server.connectionCount, 2);
    await client.close();
    await until(() => server.server.sessions.size === 1, "one session is left");
    await until(() => server.server.connectionCount === 1, "one QUIC connection is left");
  }));
