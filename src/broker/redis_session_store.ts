import type { RedisBroker } from "./redis_broker.ts";
import type { SessionStore } from "./session_store.ts";

/** The sessions of the nodes that share Redis. */
export class RedisSessionStore implements SessionStore {
  readonly #broker: RedisBroker;

  /** @param broker Started before and closed after. */
  constructor(broker: RedisBroker) {
    this.#broker = broker;
  }

  async put(name: string, text: string, ttlMs: number): Promise<void> {
    const { requests } = this.#broker;
    const { server, key } = this.#placeOf(name);
    requests.admit(text.length);
    await requests.answer(server.scripts.psetex(key, Math.ceil(ttlMs), text), text.length);
  }

  async get(name: string): Promise<string | undefined> {
    const { server, key } = this.#placeOf(name);
    return await this.#ask(() => server.scripts.get(key)) ?? undefined;
  }

  async take(name: string): Promise<string | undefined> {
    const { server, key } = this.#placeOf(name);
    return await this.#ask(() => server.scripts.getdel(key)) ?? undefined;
  }

  async touch(name: string, ttlMs: number): Promise<boolean> {
    const { server, key } = this.#placeOf(name);
    return await this.#ask(() => server.scripts.pexpire(key, Math.ceil(ttlMs))) === 1;
  }

  async remove(name: string): Promise<void> {
    const { server, key } = this.#placeOf(name);
    await this.#ask(() => server.scripts.del(key));
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
