/**
 * A key that tokens are verified with: a secret of 32 bytes or more, as text or bytes (HS256); a
 * public key or certificate in PEM; or a JSON Web Key. Its type alone says which algorithm its
 * tokens have: RS256 for RSA, ES256 for P-256, EdDSA for Ed25519.
 */
export type AuthKey = string | Uint8Array | JsonWebKey;

/** Who may come in. At least one of `key` and `jwksUrl` is needed. */
export interface AuthOptions {
  /**
   * What tokens are verified with; a list while one key replaces another.
   * @default none: `jwksUrl` names them
   */
  readonly key?: AuthKey | readonly AuthKey[];
  /**
   * Where the public keys are read, as a JSON Web Key Set (RFC 7517 §5): when they are first
   * needed, then every ten minutes, and when a token names one that is not known, at most once in
   * 30 s. While that fails the known keys are used on.
   * @default none
   */
  readonly jwksUrl?: string;
  /**
   * The `iss` that tokens must have, or several of which one.
   * @default any
   */
  readonly issuer?: string | readonly string[];
  /**
   * The `aud` that tokens must have, or several of which one.
   * @default any
   */
  readonly audience?: string | readonly string[];
  /**
   * How far the clocks of who signs and who verifies may be apart, in milliseconds.
   * @default 5000
   */
  readonly clockToleranceMs?: number;
  /**
   * Whether clients without a token are let in, as nobody. One that shows a token which does not
   * hold is refused all the same.
   * @default false
   */
  readonly anonymous?: boolean;
  /**
   * How long a ticket of `POST /rt/ticket` holds, in milliseconds, at most 30000; 0 gives none.
   * @default 10000
   */
  readonly ticketTtlMs?: number;
  /**
   * Tickets that wait to be used on a node without Redis, in count; then none is given until one
   * is used or has expired.
   * @default 10000
   */
  readonly maxTickets?: number;
}
