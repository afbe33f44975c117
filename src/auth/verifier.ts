import * as jose from "jose";
import type { Clock } from "../policy/clock.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { type Claims, IdentityError } from "../session/rights/access.ts";
import { KeysUnavailableError, RemoteKeys } from "./jwks.ts";
import { PUBLIC_ALGORITHMS, readKey, type VerificationKey } from "./keys.ts";
import type { AuthOptions } from "./options.ts";

export interface TokenVerifierOptions
  extends Pick<AuthOptions, "key" | "jwksUrl" | "issuer" | "audience" | "clockToleranceMs"> {
  readonly clock: Clock;
  /** Milliseconds since 1970: what tokens say of time is in that. */
  readonly now: () => number;
  readonly fetch?: typeof fetch;
  /** Is told where keys cannot be read. */
  readonly onError: (error: unknown) => void;
}

/** Verifies JSON Web Tokens (RFC 7519, with the precautions of RFC 8725). */
export class TokenVerifier {
  readonly toleranceMs: number;
  readonly #keys: readonly VerificationKey[];
  readonly #remote: RemoteKeys | undefined;
  readonly #expected: jose.JWTVerifyOptions;
  readonly #now: () => number;

  private constructor(options: TokenVerifierOptions, keys: readonly VerificationKey[]) {
    const { jwksUrl, issuer, audience, clockToleranceMs = 5000 } = options;
    this.toleranceMs = clockToleranceMs;
    this.#keys = keys;
    this.#remote = jwksUrl === undefined ? undefined : new RemoteKeys({ ...options, url: jwksUrl });
    this.#expected = {
      clockTolerance: clockToleranceMs / 1000,
      ...(issuer !== undefined && { issuer: mutable(issuer) }),
      ...(audience !== undefined && { audience: mutable(audience) }),
    };
    this.#now = options.now;
  }

  /** @throws {TypeError} If a key is none that tokens are verified with. */
  static async open(options: TokenVerifierOptions): Promise<TokenVerifier> {
    const { key } = options;
    const keys = key === undefined ? [] : Array.isArray(key) ? key : [key];
    return new TokenVerifier(options, await Promise.all(keys.map(readKey)));
  }

  /**
   * What a token says, if it holds.
   *
   * @throws {IdentityError} If it does not.
   */
  async verify(token: string): Promise<Claims> {
    if (token.length > MAX_TOKEN_LENGTH) {
      throw refused(`at most ${MAX_TOKEN_LENGTH} characters were expected: ${token.length}`);
    }
    // What decodes base64url passes over white space; nothing but the token itself is one.
    if (!COMPACT.test(token)) throw refused("it is malformed");
    let last: unknown = new jose.errors.JWKSNoMatchingKey();
    try {
      const { alg, kid } = jose.decodeProtectedHeader(token);
      const currentDate = new Date(this.#now());
      for (const { algorithms, id, key } of this.#keys) {
        if (!algorithms.includes(alg ?? "")) continue;
        if (id !== undefined && kid !== undefined && id !== kid) continue;
        try {
          const expected = { ...this.#expected, algorithms: [...algorithms], currentDate };
          return (await jose.jwtVerify(token, key, expected)).payload;
        } catch (error) {
          if (!(error instanceof jose.errors.JWSSignatureVerificationFailed)) throw error;
          // Another of the keys may have signed it.
          last = error;
        }
      }
      const remote = this.#remote;
      if (remote === undefined) throw last;
      const expected = { ...this.#expected, algorithms: [...PUBLIC_ALGORITHMS], currentDate };
      const resolve: jose.JWTVerifyGetKey = (header, input) => remote.get(header, input);
      return (await jose.jwtVerify(token, resolve, expected)).payload;
    } catch (error) {
      throw explain(error);
    }
  }
}

/** Enough for a hundred claims: what is longer would cost time for nothing. */
const MAX_TOKEN_LENGTH = 8192;

/** The compact form (RFC 7515 §3.1); what is unsigned has no signature. */
const COMPACT = /^[\w-]+\.[\w-]*\.[\w-]*$/;

function refused(reason: string, closeCode: number = CloseCode.UNAUTHORIZED): IdentityError {
  return new IdentityError(closeCode, `The token does not hold: ${reason}`);
}

/** Says why a token does not hold, without a word of what is in it. */
function explain(error: unknown): IdentityError {
  if (error instanceof KeysUnavailableError) {
    return new IdentityError(CloseCode.INTERNAL_ERROR, error.message);
  }
  if (error instanceof jose.errors.JWTExpired) {
    return refused("it has expired", CloseCode.TOKEN_EXPIRED);
  }
  if (error instanceof jose.errors.JWTClaimValidationFailed) {
    return refused(
      error.claim === "nbf"
        ? "its time has not come"
        : `its ${error.claim} is not the expected one`,
    );
  }
  if (error instanceof jose.errors.JWSSignatureVerificationFailed) {
    return refused("its signature is not of an expected key");
  }
  if (
    error instanceof jose.errors.JWKSNoMatchingKey ||
    error instanceof jose.errors.JWKSMultipleMatchingKeys ||
    error instanceof jose.errors.JOSEAlgNotAllowed ||
    error instanceof jose.errors.JOSENotSupported
  ) {
    return refused("there is no key for its algorithm and kid");
  }
  return refused("it is malformed");
}

function mutable(value: string | readonly string[]): string | string[] {
  return typeof value === "string" ? value : [...value];
}
