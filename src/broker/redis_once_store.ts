import type { OnceStore } from "./once_store.ts";
import type { RedisBroker } from "./redis_broker.ts";

/** The texts of the nodes that share Redis. */
export class RedisOnceStore implements OnceStore {
  readonly #broker: RedisBroker;

  /** @param broker Started before and closed after. */
  constructor(broker: RedisBroker) {
    this.#broker = broker;
  }

  async put(name: string, text: string, ttlMs: number): Promise<boolean> {
    const { requests } = this.#broker;
    const { server, key } = this.#placeOf(name);
    requests.admit(text.length);
    const sent = server.scripts.set(key, text, "PX", Math.ceil(ttlMs), "NX");
    return await requests.answer(sent, text.length) === "OK";
  }

  async take(name: string): Promise<string | undefined> {
    const { requests } = this.#broker;
    const { server, key } = this.#placeOf(name);
    requests.admit(0);
    return await requests.answer(server.scripts.getdel(key)) ?? undefined;
  }

  #placeOf(name: string) {
    const { server, keys } = this.#broker.placeOf(name);
    return { server, key: `${keys.channel}:once` };
  }
}
