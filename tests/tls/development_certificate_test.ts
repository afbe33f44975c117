import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import {
  createDevelopmentCertificate,
  MAX_VALIDITY_MS,
} from "../../src/tls/development_certificate.ts";

Deno.test("createDevelopmentCertificate() makes what serverCertificateHashes asks for", async () => {
  const now = new Date("2026-01-02T03:04:05.678Z");
  const made = await createDevelopmentCertificate({ now });
  const certificate = new X509Certificate(made.certPem);
  const key = certificate.publicKey;
  assert.equal(key.asymmetricKeyType, "ec");
  assert.equal(key.asymmetricKeyDetails?.namedCurve, "prime256v1");
  const validFrom = new Date(certificate.validFrom);
  const validTo = new Date(certificate.validTo);
  assert.ok(validFrom <= now);
  assert.equal(validTo.getTime() - validFrom.getTime(), MAX_VALIDITY_MS);
  assert.deepEqual(validTo, made.notAfter);
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(certificate.raw));
  assert.deepEqual(made.sha256, new Uint8Array(digest));
});

Deno.test("createDevelopmentCertificate() gives the key of the certificate", async () => {
  const made = await createDevelopmentCertificate();
  assert.ok(new X509Certificate(made.certPem).checkPrivateKey(createPrivateKey(made.keyPem)));
});

Deno.test("createDevelopmentCertificate() names every hostname", async () => {
  const made = await createDevelopmentCertificate({ hostnames: ["game.test", "10.0.0.1", "::1"] });
  const names = new X509Certificate(made.certPem).subjectAltName;
  assert.equal(names, "DNS:game.test, IP Address:10.0.0.1, IP Address:::1");
});

Deno.test("createDevelopmentCertificate() is valid now, even for a short validity", async () => {
  const now = new Date();
  const made = await createDevelopmentCertificate({ now, validityMs: 5000 });
  assert.ok(made.notAfter > now);
});

Deno.test("createDevelopmentCertificate() serves TLS to a client that trusts it", async () => {
  const made = await createDevelopmentCertificate();
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: made.certPem,
    key: made.keyPem,
  });
  const accepted = listener.accept().then(async (conn) => {
    await conn.handshake();
    conn.close();
  });
  const conn = await Deno.connectTls({
    hostname: "localhost",
    port: (listener.addr as Deno.NetAddr).port,
    caCerts: [made.certPem],
  });
  await conn.handshake();
  await accepted;
  conn.close();
  listener.close();
});

Deno.test("createDevelopmentCertificate() refuses a validity browsers would refuse", async () => {
  for (const validityMs of [MAX_VALIDITY_MS + 1, 0, NaN]) {
    await assert.rejects(createDevelopmentCertificate({ validityMs }), RangeError);
  }
  await assert.rejects(createDevelopmentCertificate({ hostnames: [] }), RangeError);
});
