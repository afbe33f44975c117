import * as jose from "jose";

/** A secret that tests sign tokens with. */
export const SECRET = "a secret of the tests that has 32 bytes or more";

export interface TokenOptions {
  readonly key?: CryptoKey | Uint8Array;
  readonly alg?: string;
  readonly kid?: string;
}

/** A token that says `claims`. */
export async function sign(
  claims: jose.JWTPayload,
  { key = new TextEncoder().encode(SECRET), alg = "HS256", kid }: TokenOptions = {},
): Promise<string> {
  return await new jose.SignJWT(claims)
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .sign(key);
}

/** Seconds since 1970, `ms` from now. */
export function inMs(ms: number, now = Date.now()): number {
  return (now + ms) / 1000;
}

/** A token with an algorithm of "none" (RFC 7519 §6). */
export function unsigned(claims: jose.JWTPayload): string {
  return new jose.UnsecuredJWT(claims).encode();
}
