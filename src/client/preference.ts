import type { TransportKind } from "./transports/transport.ts";

/** Where a preference is kept beyond the page: the part of `Storage` that is used. */
export interface PreferenceStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/**
 * Remembers which transport worked last with a server, for an hour: long enough to spare a page's
 * visitors the wait on a network that blocks UDP, and short enough to find a better one again.
 */
export class Preference {
  readonly #key: string;
  readonly #storage: PreferenceStorage | undefined;
  readonly #wallClockMs: () => number;

  constructor(origin: string, storage: PreferenceStorage | undefined, wallClockMs: () => number) {
    this.#key = `slipstream.transport ${origin}`;
    this.#storage = storage;
    this.#wallClockMs = wallClockMs;
  }

  /** The transport that is remembered, if any. */
  recall(): TransportKind | undefined {
    const text = memory.get(this.#key) ?? this.#read();
    const [kind, until] = text?.split(" ") ?? [];
    const left = Number(until) - this.#wallClockMs();
    // A clock that was set back must not keep it for longer than it was meant to be kept.
    if (!(left > 0 && left <= KEPT_MS)) return undefined;
    return kind as TransportKind;
  }

  /**
   * Notes which one worked. One that is remembered already is kept no longer for it, so that the
   * others are tried again.
   */
  remember(kind: TransportKind): void {
    if (kind === this.recall()) return;
    const text = `${kind} ${this.#wallClockMs() + KEPT_MS}`;
    memory.set(this.#key, text);
    try {
      this.#storage?.setItem(this.#key, text);
    } catch {
      // Full, or forbidden: the page remembers until it is left.
    }
  }

  /** Begins with the best one again. */
  forget(): void {
    memory.delete(this.#key);
    try {
      this.#storage?.removeItem(this.#key);
    } catch {
      // Forbidden: it is kept for its hour.
    }
  }

  #read(): string | null | undefined {
    try {
      return this.#storage?.getItem(this.#key);
    } catch {
      return undefined;
    }
  }
}

const KEPT_MS = 3_600_000;

/** By origin; grows only with the servers that the page itself connects to. */
const memory = new Map<string, string>();
