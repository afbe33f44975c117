import type { SessionStore, StoredSession } from "../../src/broker/session_store.ts";
import type { FakeClock } from "../fake_clock.ts";

/** A store in this process, which can be out of reach and lose its data. */
export class TestSessionStore implements SessionStore {
  fails = false;
  readonly sessions = new Map<string, StoredSession & { untilMs: number }>();
  readonly #nodes = new Map<string, number>();
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async put(session: string, from: string, kept: StoredSession, ttlMs: number): Promise<boolean> {
    if (!await this.#isFor(session, from)) return false;
    this.#set(session, kept, ttlMs);
    return true;
  }

  async get(session: string): Promise<StoredSession | undefined> {
    await this.#reach();
    const kept = this.#get(session);
    return kept && { node: kept.node, text: kept.text };
  }

  async take(
    session: string,
    from: string,
    to: string,
    proof: string,
    ttlMs: number,
  ): Promise<string | undefined> {
    await this.#reach();
    const kept = this.#get(session);
    if (kept?.node !== from || !kept.text.includes(proof)) return undefined;
    this.#set(session, { node: to, text: "" }, ttlMs);
    return kept.text;
  }

  async renew(session: string, node: string, ttlMs: number): Promise<"kept" | "lost" | "moved"> {
    if (!await this.#isFor(session, node)) return "moved";
    const kept = this.#get(session);
    if (kept === undefined) return "lost";
    this.#set(session, kept, ttlMs);
    return "kept";
  }

  async remove(session: string, node: string): Promise<void> {
    if (await this.#isFor(session, node)) this.sessions.delete(session);
  }

  async announce(node: string, ttlMs: number): Promise<void> {
    await this.#reach();
    this.#nodes.set(node, this.#clock.now() + ttlMs);
  }

  async isThere(node: string): Promise<boolean> {
    await this.#reach();
    return (this.#nodes.get(node) ?? 0) > this.#clock.now();
  }

  async #isFor(session: string, node: string): Promise<boolean> {
    await this.#reach();
    const owner = this.#get(session)?.node ?? "";
    return owner === "" || owner === node;
  }

  // Async, so that an outage rejects.
  async #reach(): Promise<void> {
    if (this.fails) throw await Promise.resolve(new Error("out of reach"));
  }

  #get(session: string) {
    const kept = this.sessions.get(session);
    return kept && kept.untilMs > this.#clock.now() ? kept : undefined;
  }

  #set(session: string, { node, text }: StoredSession, ttlMs: number): void {
    this.sessions.set(session, { node, text, untilMs: this.#clock.now() + ttlMs });
  }
}
