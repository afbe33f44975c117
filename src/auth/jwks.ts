import * as jose from "jose";
import type { Clock } from "../policy/clock.ts";

export interface RemoteKeysOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
  /** Is told of failures to read the keys, no more often than they are read. */
  readonly onError: (error: unknown) => void;
}

/**
 * The public keys that a URL names. They are read when one is needed first, again when they are
 * old, and when a token names one that is not there.
 *
 * - Known keys are used on while reading fails: who signs may be away for a while.
 * - A token cannot have them read more often than every {@linkcode COOLDOWN_MS}, whatever key it
 *   names and whether reading succeeds.
 * - One read at a time; all who need it wait for the same.
 */
export class RemoteKeys {
  readonly #options: RemoteKeysOptions;
  #keys: ReturnType<typeof jose.createLocalJWKSet> | undefined;
  #readMs = -Infinity;
  #triedMs = -Infinity;
  #failed = false;
  #reading: Promise<void> | undefined;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
  }

  /**
   * The key for a token with this header.
   *
   * @throws {KeysUnavailableError} If no keys could be read yet, or those that there are now.
   * @throws {jose.errors.JWKSNoMatchingKey} If there is none for it.
   */
  async get(
    header: jose.JWSHeaderParameters,
    token: jose.FlattenedJWSInput,
  ): Promise<CryptoKey> {
    const nowMs = this.#options.clock.now();
    const rested = nowMs - this.#triedMs >= COOLDOWN_MS;
    if (this.#keys === undefined) {
      if (rested || this.#reading !== undefined) await this.#read();
      if (this.#keys === undefined) throw new KeysUnavailableError();
    } else if (nowMs - this.#readMs >= MAX_AGE_MS && rested) {
      // Nobody waits for it: the keys of before are good enough for this token.
      void this.#read();
    }
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof jose.errors.JWKSNoMatchingKey)) throw error;
      // A key that is new may be there soon: whoever shows its token is not refused for good.
      if (!rested && this.#reading === undefined) throw new KeysUnavailableError();
      await this.#read();
      if (this.#failed) throw new KeysUnavailableError();
      return await this.#keys(header, token);
    }
  }

  #read(): Promise<void> {
    return this.#reading ??= this.#readNow().finally(() => this.#reading = undefined);
  }

  async #readNow(): Promise<void> {
    const { url, clock, onError } = this.#options;
    this.#triedMs = clock.now();
    this.#failed = true;
    const controller = new AbortController();
    const timer = clock.setTimeout(() => controller.abort(), TIMEOUT_MS);
    try {
      const response = await (this.#options.fetch ?? fetch)(url, {
        signal: controller.signal,
        // Elsewhere there may be keys of others.
        redirect: "error",
        headers: { accept: "application/jwk-set+json, application/json" },
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`a status of 200 was expected: ${response.status}`);
      }
      const set = JSON.parse(await readText(response)) as jose.JSONWebKeySet;
      // A secret in a set that anyone can read would let anyone sign.
      const keys = set.keys.filter(({ kty }) => kty !== "oct");
      this.#keys = jose.createLocalJWKSet({ keys });
      this.#readMs = clock.now();
      this.#failed = false;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      onError(new Error(`The keys for tokens could not be read from ${url}: ${reason}`));
    } finally {
      clock.clearTimeout(timer);
    }
  }
}

/** The key for a token is not known, and cannot be read at the moment. */
export class KeysUnavailableError extends Error {
  constructor() {
    super("The keys for tokens cannot be read at the moment");
  }
}

/** As often as keys are rotated at the fastest, with room for a token that is signed at once. */
const MAX_AGE_MS = 600_000;

/** Long enough that a flood of tokens with made-up keys is none for who serves the keys. */
const COOLDOWN_MS = 30_000;

/** Clients wait for it with their first message. */
const TIMEOUT_MS = 5000;

/** A set has a few keys of a kilobyte. */
const MAX_BYTES = 262_144;

async function readText(response: Response): Promise<string> {
  let text = "";
  if (response.body === null) return text;
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.length > MAX_BYTES) throw new Error(`at most ${MAX_BYTES} bytes were expected`);
  }
  return text;
}
