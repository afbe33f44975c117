import type { OnceStore } from "../broker/once_store.ts";
import type { Clock } from "../policy/clock.ts";
import { MAX_REVOKED, REVOKED_MS } from "../policy/revocation.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import {
  type Access,
  ANONYMOUS,
  type Claims,
  type Identity,
  IdentityError,
  issuedMs,
} from "../session/rights/access.ts";
import type { AuthOptions } from "./options.ts";
import type { TokenVerifier } from "./verifier.ts";

export interface AuthenticatorOptions {
  readonly auth: Pick<AuthOptions, "anonymous" | "ticketTtlMs">;
  readonly verifier: TokenVerifier;
  /** Where tickets wait to be used. */
  readonly tickets: OnceStore;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A ticket, which stands for a token once. */
export interface Ticket {
  readonly ticket: string;
  readonly expiresInMs: number;
}

/** Finds out who clients are, by their tokens and by tickets that stand for one. */
export class Authenticator implements Access {
  readonly #options: AuthenticatorOptions;
  readonly #verifier: TokenVerifier;
  readonly #ticketTtlMs: number;
  /** By user, the tokens that are refused: those issued before a time. The oldest comes first. */
  readonly #revoked = new Map<string, { readonly notBefore: number; readonly untilMs: number }>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#verifier = options.verifier;
    this.#ticketTtlMs = options.auth.ticketTtlMs ?? 10_000;
  }

  identify(token: string | undefined): Identity | Promise<Identity> {
    if (token !== undefined) return this.#identify(token);
    if (this.#options.auth.anonymous) return ANONYMOUS;
    throw new IdentityError(CloseCode.UNAUTHORIZED, "A token was expected: there is none");
  }

  /** Refuses, for a day, the tokens of a user that were issued before `notBefore`. */
  revoke(user: string, notBefore: number): void {
    const nowMs = this.#options.clock.now();
    this.#revoked.delete(user);
    for (const [known, { untilMs }] of this.#revoked) {
      if (untilMs > nowMs && this.#revoked.size < MAX_REVOKED) break;
      this.#revoked.delete(known);
    }
    this.#revoked.set(user, { notBefore, untilMs: nowMs + REVOKED_MS });
  }

  async openChannel(
    token: string,
    channel: string,
    user: string | undefined,
  ): Promise<number> {
    const claims = await this.#verifier.verify(token);
    if (claims.channel !== channel) throw notFor("channel");
    if (claims.sub !== undefined && claims.sub !== user) throw notFor("user");
    return this.#expiryOf(claims);
  }

  /**
   * Gives a ticket for a token, which may stand where a token must not: in a URL.
   *
   * @throws {IdentityError} If the token does not hold.
   * @throws {CommandError} With 404 if the server gives none, 503 if none can be kept.
   */
  async issueTicket(token: string): Promise<Ticket> {
    if (this.#ticketTtlMs === 0) {
      throw new CommandError(ErrorCode.NOT_FOUND, "The server gives no tickets: ticketTtlMs is 0");
    }
    const claims = await this.#verifier.verify(token);
    // 256 bits: it is worth as much as the token.
    const ticket = toHex(crypto.getRandomValues(new Uint8Array(32)));
    const { tickets } = this.#options;
    if (!await tickets.put(ticket, JSON.stringify(claims), this.#ticketTtlMs)) {
      throw new CommandError(ErrorCode.UNAVAILABLE, "Too many tickets wait to be used");
    }
    return { ticket, expiresInMs: this.#ticketTtlMs };
  }

  async #identify(token: string): Promise<Identity> {
    const claims = token.includes(".")
      ? await this.#verifier.verify(token)
      : await this.#redeem(token);
    const { sub } = claims;
    if (sub !== undefined && (typeof sub !== "string" || sub === "")) {
      throw new IdentityError(
        CloseCode.UNAUTHORIZED,
        "The token does not hold: its sub is no text",
      );
    }
    const revoked = sub === undefined ? undefined : this.#revoked.get(sub);
    if (
      revoked !== undefined && revoked.untilMs > this.#options.clock.now() &&
      issuedMs(claims) < revoked.notBefore
    ) {
      throw new IdentityError(CloseCode.UNAUTHORIZED, "The token does not hold: it was revoked");
    }
    return { subject: sub, user: sub, claims, expiresMs: this.#expiryOf(claims) };
  }

  async #redeem(ticket: string): Promise<Claims> {
    const text = TICKET.test(ticket) ? await this.#options.tickets.take(ticket) : undefined;
    if (text === undefined) {
      throw new IdentityError(
        CloseCode.TOKEN_EXPIRED,
        "The ticket does not hold: it was used, has expired or never was",
      );
    }
    return JSON.parse(text);
  }

  #expiryOf({ exp }: Claims): number {
    if (typeof exp !== "number") return Infinity;
    const { clock, now } = this.#options;
    return clock.now() + exp * 1000 + this.#verifier.toleranceMs - now();
  }
}

const TICKET = /^[0-9a-f]{64}$/;

function notFor(what: string): IdentityError {
  return new IdentityError(
    CloseCode.UNAUTHORIZED,
    `The token does not hold: it is for another ${what}`,
  );
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
