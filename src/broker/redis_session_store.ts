import type { RedisBroker } from "./redis_broker.ts";
import type { SessionStore, StoredSession } from "./session_store.ts";

/** The sessions of the nodes that share Redis: one text each, with the name of its node in front. */
export class RedisSessionStore implements SessionStore {
  readonly #broker: RedisBroker;

  /** @param broker Started before and closed after. */
  constructor(broker: RedisBroker) {
    this.#broker = broker;
  }

  async put(session: string, from: string, kept: StoredSession, ttlMs: number): Promise<boolean> {
    const { requests } = this.#broker;
    const { server, key } = this.#placeOf(session);
    const text = (kept.node || NOBODY) + kept.text;
    requests.admit(text.length);
    const sent = server.scripts.slipSessionPut(key, from, text, Math.ceil(ttlMs));
    return await requests.answer(sent, text.length) === 1;
  }

  async get(session: string): Promise<StoredSession | undefined> {
    const { server, key } = this.#placeOf(session);
    const kept = await this.#ask(() => server.scripts.get(key));
    if (kept === null) return undefined;
    const node = kept.slice(0, NOBODY.length);
    return { node: node === NOBODY ? "" : node, text: kept.slice(NOBODY.length) };
  }

  async take(
    session: string,
    from: string,
    to: string,
    proof: string,
    ttlMs: number,
  ): Promise<string | undefined> {
    const { server, key } = this.#placeOf(session);
    const taken = await this.#ask(() =>
      server.scripts.slipSessionTake(key, from || NOBODY, to, proof, Math.ceil(ttlMs))
    );
    return taken?.slice(NOBODY.length);
  }

  async renew(session: string, node: string, ttlMs: number): Promise<"kept" | "lost" | "moved"> {
    const { server, key } = this.#placeOf(session);
    const kept = await this.#ask(() =>
      server.scripts.slipSessionRenew(key, node, Math.ceil(ttlMs))
    );
    return kept === 1 ? "kept" : kept === 0 ? "lost" : "moved";
  }

  async remove(session: string, node: string): Promise<void> {
    const { server, key } = this.#placeOf(session);
    await this.#ask(() => server.scripts.slipSessionRemove(key, node));
  }

  async announce(node: string, ttlMs: number): Promise<void> {
    const { server, key } = this.#placeOf(`node ${node}`);
    await this.#ask<unknown>(() =>
      ttlMs === 0 ? server.scripts.del(key) : server.scripts.psetex(key, Math.ceil(ttlMs), "")
    );
  }

  async isThere(node: string): Promise<boolean> {
    const { server, key } = this.#placeOf(`node ${node}`);
    return await this.#ask(() => server.scripts.get(key)) !== null;
  }

  #ask<Answer>(send: () => Promise<Answer>): Promise<Answer> {
    const { requests } = this.#broker;
    requests.admit(0);
    return requests.answer(send());
  }

  #placeOf(name: string) {
    const { server, keys } = this.#broker.placeOf(name);
    return { server, key: `${keys.channel}:session` };
  }
}

/** In place of a node's name, in the scripts as well. */
const NOBODY = "--------";
