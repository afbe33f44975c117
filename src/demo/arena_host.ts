import type { Publication, RpcHandler, ServerOptions, SlipstreamServer } from "../mod.ts";
import { CommandError, ErrorCode } from "../mod.ts";
import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import { TICKS_PER_SECOND } from "../web/arena_rules.js";
import { Arena, type Input } from "./arena.ts";
import { Pulse } from "./pulse.ts";
import { answer, readObject, refused } from "./rpc_data.ts";

/**
 * Runs the arena in the server's process.
 *
 * - `arena:1` (`latest`): the world, one key a cell, in each tick; and `@<ship>`, where a player's
 *   ship is, whenever it comes to another place.
 * - `arena-in:1` (`latest`): the inputs, each session under its own name; they need no answer, and
 *   one that is lost is part of the next. Who sent it is what the server says, not the key.
 * - `arena-events:1` (`ordered`): joins, leaves, kills and scores, five times a second.
 * - `arena.join` gives a session its ship; `arena.standings` tells how all stand.
 */
export class ArenaHost {
  readonly namespaces: NonNullable<ServerOptions["namespaces"]> = {
    arena: { delivery: "latest", permissions: { subscribe: true } },
    "arena-in": { delivery: "latest", settleMs: 0, permissions: { publish: true } },
    "arena-events": { permissions: { subscribe: true } },
  };
  readonly rpc: Readonly<Record<string, RpcHandler>> = {
    "arena.join": (data, { id }) => {
      const { name, hue } = readObject(data);
      if (typeof name !== "string" || typeof hue !== "number" || !Number.isFinite(hue)) {
        throw refused(`A ship has a name and a hue: ${typeof name}, ${typeof hue}`);
      }
      const ship = this.#arena.join(id, { name, hue });
      if (ship === undefined) {
        throw new CommandError(ErrorCode.UNAVAILABLE, `The arena is full: ${this.#arena.size}`);
      }
      return answer({ ship, standings: this.#arena.standings });
    },
    "arena.standings": () =>
      answer({ standings: this.#arena.standings, load: this.#pulse.load, ships: this.#arena.size }),
  };
  readonly #arena: Arena;
  readonly #pulse: Pulse;
  #ticks = 0;
  #server: SlipstreamServer | undefined;

  constructor(clock: Clock, random: Random) {
    this.#arena = new Arena(random);
    this.#pulse = new Pulse(clock, TICKS_PER_SECOND, () => this.#tick());
  }

  async start(server: SlipstreamServer): Promise<void> {
    this.#server = server;
    await server.subscribe(INPUTS, { onPublication: (input) => this.#steer(input) });
    this.#pulse.start();
  }

  stop(): void {
    this.#pulse.stop();
  }

  #steer({ publisher, removed, data }: Publication): void {
    if (publisher === undefined || removed) return;
    const inputs = readInputs(data.bytes);
    // What is no input steers nothing.
    if (inputs !== undefined) this.#arena.steer(publisher, inputs);
  }

  #tick(): void {
    const server = this.#server!;
    // The world stands still while nobody looks.
    if (this.#arena.players === 0 && server.channel(WORLD_CHANNEL) === undefined) return;
    for (const [key, { tick, ships, bullets, gems }] of this.#arena.tick()) {
      publish(server, WORLD_CHANNEL, { t: tick, s: ships, b: bullets, g: gems }, { key });
    }
    for (const ship of this.#arena.placed()) {
      publish(server, WORLD_CHANNEL, ship, { key: `@${ship[0]}` });
    }
    if (++this.#ticks % EVENT_TICKS > 0) return;
    const events = this.#arena.takeEvents();
    if (events.length === 0) return;
    publish(server, EVENTS, events);
    for (const { type, id } of events) {
      if (type === "leave") server.remove(WORLD_CHANNEL, `@${id}`).catch(() => {});
    }
  }
}

/** Nobody waits for a publication: what cannot be kept now is replaced by the next tick. */
function publish(
  server: SlipstreamServer,
  channel: string,
  data: unknown,
  options?: { key: string },
): void {
  server.publish(channel, data, options).catch(() => {});
}

const decoder = new TextDecoder();

/** The inputs in a datagram, `[[seq, buttons], …]`, or `undefined` if it has none. */
function readInputs(bytes: Uint8Array): Input[] | undefined {
  if (bytes.length > MAX_INPUT_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return Array.isArray(value) && value.every(isInput) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isInput(value: unknown): value is Input {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger);
}

const WORLD_CHANNEL = "arena:1";
const INPUTS = "arena-in:1";
const EVENTS = "arena-events:1";
const EVENT_TICKS = 6;
/** Eight inputs, with room for numbers of a page that is open for months. */
const MAX_INPUT_BYTES = 256;
