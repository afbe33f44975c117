import { CloseCode } from "../../protocol/close_code.ts";
import { CommandError, ErrorCode } from "../../protocol/error_code.ts";

/** What a JSON Web Token says of its bearer (RFC 7519 §4). */
export type Claims = Readonly<Record<string, unknown>>;

/** When a token was issued (`iat`), in milliseconds since 1970; always, if it does not say. */
export function issuedMs({ iat }: Claims): number {
  return typeof iat === "number" ? iat * 1000 : -Infinity;
}

/** Who a client has proved to be. */
export interface Identity {
  /** The `sub` of its token; `undefined` for one that has not said who it is. */
  readonly subject: string | undefined;
  /** The same, or who the app's `onConnect` says that it is. */
  readonly user: string | undefined;
  readonly claims: Claims;
  /** Until when this holds, in milliseconds of the node's clock; `Infinity` for ever. */
  readonly expiresMs: number;
}

/** Whoever has shown no token. */
export const ANONYMOUS: Identity = {
  subject: undefined,
  user: undefined,
  claims: {},
  expiresMs: Infinity,
};

/** Reads what clients show of themselves. It judges who they are, not what they may do. */
export interface Access {
  /**
   * Who shows this token; at once where nothing has to be read.
   *
   * @throws {IdentityError} If it does not hold, or if there is none and one is needed; in the
   * promise, where there is one.
   */
  identify(token: string | undefined): Identity | Promise<Identity>;
  /**
   * Until when a token opens `channel` for `user`, in milliseconds of the node's clock.
   *
   * @throws {IdentityError} If it does not hold, or is for another channel or user.
   */
  openChannel(token: string, channel: string, user: string | undefined): Promise<number>;
}

/** Nothing is known of anybody. */
export const NO_ACCESS: Access = {
  identify: () => ANONYMOUS,
  openChannel: () =>
    Promise.reject(
      new IdentityError(CloseCode.UNAUTHORIZED, "No token was expected: the server has no auth"),
    ),
};

/** A token that does not hold; `closeCode` says whether to come back with another. */
export class IdentityError extends CommandError {
  readonly closeCode: number;

  /** @param message Never holds the token, as it may be logged. */
  constructor(closeCode: number, message: string) {
    super(
      closeCode === CloseCode.INTERNAL_ERROR ? ErrorCode.UNAVAILABLE : ErrorCode.UNAUTHORIZED,
      message,
    );
    this.closeCode = closeCode;
  }
}
