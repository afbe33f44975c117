/**
 * A self-signed certificate that browsers take for WebTransport by its hash
 * (`serverCertificateHashes`): ECDSA P-256, valid for at most 14 days.
 */

import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/**
 * The longest validity that `serverCertificateHashes` allows: 14 days, in milliseconds
 * (W3C WebTransport, custom certificate requirements).
 */
export const MAX_VALIDITY_MS = 14 * 24 * 60 * 60 * 1000;

/** What {@linkcode createDevelopmentCertificate} makes the certificate for. */
export interface DevelopmentCertificateOptions {
  /**
   * The current time, which the certificate is valid from, less a minute for clocks that run late.
   *
   * @default {new Date()}
   */
  now?: Date;
  /**
   * From the first to the last valid moment, in milliseconds, at most {@linkcode MAX_VALIDITY_MS}.
   *
   * @default {1209600000} 14 days
   */
  validityMs?: number;
  /**
   * DNS names and IP addresses (IPv6 without brackets) of the server.
   *
   * @default {["localhost", "127.0.0.1", "::1"]}
   */
  hostnames?: readonly string[];
}

/** A certificate with its private key. */
export interface DevelopmentCertificate {
  /** The certificate in PEM. */
  certPem: string;
  /** The private key in PEM (PKCS #8). */
  keyPem: string;
  /** SHA-256 of the certificate's DER: 32 bytes, for `serverCertificateHashes`. */
  sha256: Uint8Array<ArrayBuffer>;
  /** The moment from which browsers refuse the certificate. */
  notAfter: Date;
}

/**
 * Makes a self-signed ECDSA P-256 certificate.
 *
 * @throws {RangeError} If `validityMs` is not from 1 second to 14 days, or `hostnames` is empty.
 */
export async function createDevelopmentCertificate(
  options: DevelopmentCertificateOptions = {},
): Promise<DevelopmentCertificate> {
  const {
    now = new Date(),
    validityMs = MAX_VALIDITY_MS,
    hostnames = ["localhost", "127.0.0.1", "::1"],
  } = options;
  if (!(validityMs >= 1000 && validityMs <= MAX_VALIDITY_MS)) {
    throw new RangeError(
      `A development certificate is valid for 1000 to ${MAX_VALIDITY_MS} ms: ${validityMs}`,
    );
  }
  const commonName = hostnames[0];
  if (commonName === undefined) {
    throw new RangeError("A development certificate needs a hostname: []");
  }

  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  // X.509 times have whole seconds.
  const seconds = Math.floor(now.getTime() / 1000);
  const notBefore = new Date((seconds - clockSlackSeconds(validityMs)) * 1000);
  const notAfter = new Date(notBefore.getTime() + Math.floor(validityMs / 1000) * 1000);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hostnames.map((name) => ({
          type: isIpAddress(name) ? "ip" as const : "dns" as const,
          value: name,
        })),
      ),
    ],
  });
  return {
    certPem: certificate.toString("pem") + "\n",
    keyPem: x509.PemConverter.encode(
      await crypto.subtle.exportKey("pkcs8", keys.privateKey),
      "PRIVATE KEY",
    ) + "\n",
    sha256: new Uint8Array(await crypto.subtle.digest("SHA-256", certificate.rawData)),
    notAfter,
  };
}

/** A minute, or a tenth of a validity shorter than ten: a test's certificate must not start expired. */
function clockSlackSeconds(validityMs: number): number {
  return Math.min(60, Math.floor(validityMs / 10_000));
}

function isIpAddress(hostname: string): boolean {
  return hostname.includes(":") || /^\d+(\.\d+){3}$/.test(hostname);
}

function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // A serial number is a positive integer of at most 20 bytes (RFC 5280 §4.1.2.2).
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toHex();
}
