import * as jose from "jose";
import type { AuthKey } from "./options.ts";

/** A key, and the `alg` values (RFC 7515 §4.1.1) of the tokens that it may verify. */
export interface VerificationKey {
  readonly algorithms: readonly string[];
  /** Its name (`kid`), if it has one: then it is not tried on tokens that name another. */
  readonly id: string | undefined;
  readonly key: CryptoKey | Uint8Array;
}

/** Ed25519 has a name of its own (RFC 9864) beside the one that says less. */
const EDDSA = ["EdDSA", "Ed25519"] as const;

/** What a public key may verify. A secret is not here: it must never be taken for a public key. */
export const PUBLIC_ALGORITHMS: readonly string[] = ["RS256", "ES256", ...EDDSA];

/**
 * Reads a key.
 *
 * @throws {TypeError} If it is none that tokens are verified with; the key is not told.
 */
export async function readKey(key: AuthKey): Promise<VerificationKey> {
  if (typeof key === "string") {
    return key.trimStart().startsWith("-----BEGIN")
      ? await readPem(key.trim())
      : readSecret(new TextEncoder().encode(key));
  }
  return key instanceof Uint8Array ? readSecret(key) : await readJwk(key);
}

function readSecret(secret: Uint8Array, id?: string): VerificationKey {
  // RFC 7518 §3.2: a shorter one can be guessed from a single token.
  if (secret.length < 32) {
    throw new TypeError(`A secret for tokens must have 32 bytes or more: ${secret.length}`);
  }
  return { algorithms: ["HS256"], id, key: secret };
}

async function readPem(pem: string): Promise<VerificationKey> {
  const read = pem.startsWith("-----BEGIN CERTIFICATE") ? jose.importX509 : jose.importSPKI;
  // PEM tells the type of the key only to whoever parses it: one of three tries fits.
  for (const algorithms of [["RS256"], ["ES256"], EDDSA]) {
    try {
      return { algorithms, id: undefined, key: await read(pem, algorithms[0]!) };
    } catch {
      // Of another type, or no key at all.
    }
  }
  throw new TypeError(
    `A public key in PEM must be of RSA, P-256 or Ed25519: ${pem.split("\n", 1)[0]!.slice(0, 40)}`,
  );
}

async function readJwk(jwk: JsonWebKey & { kid?: string }): Promise<VerificationKey> {
  const id = jwk.kid;
  if (jwk.kty === "oct") return readSecret(jose.base64url.decode(jwk.k ?? ""), id);
  const algorithms = jwk.kty === "RSA"
    ? ["RS256"]
    : jwk.kty === "EC" && jwk.crv === "P-256"
    ? ["ES256"]
    : jwk.kty === "OKP" && jwk.crv === "Ed25519"
    ? EDDSA
    : undefined;
  if (algorithms === undefined || jwk.d !== undefined) {
    const { kty, crv, d } = jwk;
    throw new TypeError(
      `A JSON Web Key must be an "oct", or public and of RSA, P-256 or Ed25519: ` +
        `${d === undefined ? "" : "private "}${[kty, crv].filter(Boolean).join(" ")}`,
    );
  }
  try {
    const key = await jose.importJWK(jwk as jose.JWK, algorithms[0]!);
    return { algorithms, id, key };
  } catch {
    throw new TypeError(`A JSON Web Key must be whole: ${Object.keys(jwk).join(", ")}`);
  }
}
