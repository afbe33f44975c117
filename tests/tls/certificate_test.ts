import assert from "node:assert/strict";
import { parseCertificate } from "../../src/tls/certificate.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";

const NAMES = { cert: "/etc/tls/chain.pem", key: "/etc/tls/key.pem" };
const pair = await createDevelopmentCertificate();
const other = await createDevelopmentCertificate();

Deno.test("parseCertificate() takes a certificate with its key", async () => {
  const parsed = await parseCertificate(pair.certPem, pair.keyPem, NAMES, Date.now());
  assert.equal(parsed.notAfterMs, pair.notAfter.getTime());
  assert.equal(parsed.sha256, pair.sha256.toBase64());
});

for (
  const [what, certPem, keyPem, nowMs, expected] of [
    [
      "a certificate that is a key",
      pair.keyPem,
      pair.keyPem,
      Date.now(),
      "/etc/tls/chain.pem must hold a certificate in PEM (-----BEGIN CERTIFICATE-----): " +
      "-----BEGIN PRIVATE KEY-----",
    ],
    [
      "an empty certificate",
      "",
      pair.keyPem,
      Date.now(),
      "/etc/tls/chain.pem must hold a certificate in PEM (-----BEGIN CERTIFICATE-----): it is empty",
    ],
    [
      "a key that is no PEM",
      pair.certPem,
      "secret",
      Date.now(),
      "/etc/tls/key.pem must hold a private key in PEM (-----BEGIN PRIVATE KEY-----): it is no PEM",
    ],
    [
      "the key of another certificate",
      pair.certPem,
      other.keyPem,
      Date.now(),
      "/etc/tls/key.pem must hold the private key of the certificate in /etc/tls/chain.pem: " +
      'it belongs to another certificate than "CN=localhost"',
    ],
    [
      "a certificate that has ended",
      pair.certPem,
      pair.keyPem,
      pair.notAfter.getTime(),
      "/etc/tls/chain.pem must hold a certificate that is valid now: " +
      `"CN=localhost" ended on ${pair.notAfter.toISOString()}`,
    ],
  ] as const
) {
  Deno.test(`parseCertificate() refuses ${what}, naming the file`, async () => {
    await assert.rejects(parseCertificate(certPem, keyPem, NAMES, nowMs), {
      name: "TypeError",
      message: expected,
    });
  });
}
