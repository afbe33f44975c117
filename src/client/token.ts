import type { Clock } from "../policy/clock.ts";
import { Timer } from "./timer.ts";

/** A token, or what gets one whenever one is needed. */
export type TokenSource = string | (() => string | Promise<string>);

/** Shows a new token before the one of before expires, where there is one to be had. */
export class TokenRefresh {
  readonly #source: TokenSource | undefined;
  readonly #timer: Timer;
  readonly #refresh: (token: string) => Promise<{ readonly expiresInMs?: number }>;
  readonly #onError: (error: Error) => void;
  /** Counts the tokens: only for the newest one is another got. */
  #turn = 0;

  /** `refresh` shows a token to the server. */
  constructor(
    source: TokenSource | undefined,
    clock: Clock,
    refresh: (token: string) => Promise<{ readonly expiresInMs?: number }>,
    onError: (error: Error) => void,
  ) {
    this.#source = source;
    this.#timer = new Timer(clock);
    this.#refresh = refresh;
    this.#onError = onError;
  }

  /** The server has said for how long the token of now holds; `undefined` for ever. */
  holds(expiresInMs: number | undefined): void {
    const source = this.#source;
    this.stop();
    if (expiresInMs === undefined || typeof source !== "function") return;
    const turn = this.#turn;
    const delayMs = Math.max(MIN_DELAY_MS, expiresInMs * SPENT);
    this.#timer.start(delayMs, async () => {
      let leftMs: number | undefined = expiresInMs - delayMs;
      try {
        const token = await source();
        if (turn === this.#turn) leftMs = (await this.#refresh(token)).expiresInMs;
      } catch (error) {
        // The last time, the server closes, and whoever comes back asks for a token anyway.
        if (turn === this.#turn) this.#onError(error as Error);
      }
      if (turn === this.#turn) this.holds(leftMs);
    });
  }

  stop(): void {
    this.#turn++;
    this.#timer.stop();
  }
}

/** How much of its time a token is used: the rest is for who gives them to be away. */
const SPENT = 0.8;

/** A source that gives a token which is about to expire must not be asked in a loop. */
const MIN_DELAY_MS = 1000;
