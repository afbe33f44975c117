import { createPrivateKey, X509Certificate } from "node:crypto";

/** A certificate chain and its private key, checked to belong together. */
export interface Certificate {
  /** The chain in PEM, the server's own certificate first. */
  readonly certPem: string;
  /** The private key in PEM. */
  readonly keyPem: string;
  /** The moment from which clients refuse it, in milliseconds since 1970. */
  readonly notAfterMs: number;
  /** SHA-256 of the server's own certificate (DER), base64. */
  readonly sha256: string;
}

/** Where the server's certificate comes from, now and when it is replaced. */
export interface CertificateSource {
  /** The certificate to serve. */
  readonly current: Certificate;
  /**
   * For `serverCertificateHashes`: base64 of the current certificate and of one that is about to
   * follow it; `undefined` where clients trust the issuer.
   */
  readonly hashes: readonly string[] | undefined;
  /** Calls `onReplaced` whenever `current` has become another, until `stop()`. Called once. */
  watch(onReplaced: (certificate: Certificate) => void): void;
  /** Ends the watch; idempotent. */
  stop(): void;
}

/** Where a PEM text came from, for errors: a file's path, or the option's name. */
export interface PemNames {
  readonly cert: string;
  readonly key: string;
}

/**
 * Checks that `certPem` holds a certificate that is valid now, and that `keyPem` is its private key.
 *
 * @throws {TypeError} Naming the file or option, what was expected and what is there.
 */
export async function parseCertificate(
  certPem: string,
  keyPem: string,
  names: PemNames,
  nowMs: number,
): Promise<Certificate> {
  const certificate = parse(
    () => new X509Certificate(certPem),
    `${names.cert} must hold a certificate in PEM (-----BEGIN CERTIFICATE-----)`,
    certPem,
  );
  const key = parse(
    () => createPrivateKey(keyPem),
    `${names.key} must hold a private key in PEM (-----BEGIN PRIVATE KEY-----)`,
    keyPem,
  );
  if (!certificate.checkPrivateKey(key)) {
    throw new TypeError(
      `${names.key} must hold the private key of the certificate in ${names.cert}: ` +
        `it belongs to another certificate than "${subjectOf(certificate)}"`,
    );
  }
  const notAfterMs = Date.parse(certificate.validTo);
  if (notAfterMs <= nowMs) {
    throw new TypeError(
      `${names.cert} must hold a certificate that is valid now: ` +
        `"${subjectOf(certificate)}" ended on ${new Date(notAfterMs).toISOString()}`,
    );
  }
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(certificate.raw));
  return { certPem, keyPem, notAfterMs, sha256: new Uint8Array(digest).toBase64() };
}

function parse<T>(attempt: () => T, expectation: string, pem: string): T {
  try {
    return attempt();
  } catch {
    // The text itself may be a secret: only its kind is told.
    const found = pem.match(/-----BEGIN [A-Z0-9 ]+-----/)?.[0] ??
      (pem.trim() === "" ? "it is empty" : "it is no PEM");
    throw new TypeError(`${expectation}: ${found}`);
  }
}

function subjectOf(certificate: X509Certificate): string {
  return certificate.subject?.replaceAll("\n", ", ") ?? "";
}
