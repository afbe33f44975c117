import { Admission } from "../../src/policy/admission.ts";
import { spreadWindowMs } from "../../src/policy/jitter.ts";
import { type Random, seededRandom } from "../../src/policy/random.ts";
import { Curve } from "./curve.ts";
import { SimulatedClient } from "./simulated_client.ts";
import { SimulatedNode } from "./simulated_node.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** How a server is lost, and what was done beforehand about the return of its clients. */
export interface Scenario {
  readonly name: string;
  readonly clients: number;
  /** New sessions a second that the node takes; `Infinity` where it refuses nobody. */
  readonly ratePerSecond: number;
  /** Over how long the server has told its clients to spread their return, in milliseconds. */
  readonly spreadMs: number;
  /** Whether clients draw their delays, or all wait for the whole of them. */
  readonly jitter: boolean;
  /** Whether the server announced its end and gave each client its own moment. */
  readonly drained: boolean;
  /** For how long nobody listens after the loss, in milliseconds. */
  readonly downMs: number;
  readonly seed: number;
}

/**
 * Loses a server in virtual time and returns how its clients came back, for `endMs` at most. The
 * clients decide by the SDK's rule and the node by the server's admission, as they are; the same
 * scenario gives the same curve.
 */
export function simulate(
  scenario: Scenario,
  endMs: number,
  progress: (text: string) => void = () => {},
): Curve {
  const { name, clients: count, ratePerSecond, spreadMs, downMs, seed } = scenario;
  const random = seededRandom(seed);
  const clock = new VirtualClock();
  const curve = new Curve(name, count);
  const node = new SimulatedNode({
    admission: new Admission({ ratePerSecond, maxSessions: Infinity }, clock, random),
    clock,
    curve,
    lostMs: CONNECTED_MS,
    downMs,
  });
  const world = {
    clock,
    random: scenario.jitter ? random : WHOLE_DELAY,
    node,
    curve,
    lostMs: CONNECTED_MS,
    spreadMs,
  };
  const clients = Array.from(
    { length: count },
    (_, i) => new SimulatedClient(i, latencyMs(random), world),
  );
  clock.runUntil(CONNECTED_MS);
  for (const client of clients) {
    const delayMs = scenario.drained ? random() * spreadWindowMs(count, ratePerSecond) : 0;
    clock.setTimeout(() => client.lose(scenario.drained), delayMs);
  }
  // In steps, to stop when there is nothing more to see.
  for (let ms = 1000; ms < endMs + 1000 && curve.back < count; ms += 1000) {
    clock.runUntil(CONNECTED_MS + Math.min(endMs, ms));
    if (ms % 60_000 === 0) progress(`${name}: ${ms / 60_000} min, ${curve.back} of ${count} back`);
  }
  return curve;
}

/** No jitter, the client's alone, and three ways in which the server directs: see README.md. */
export function scenarios(
  { clients, ratePerSecond, seed }: Pick<Scenario, "clients" | "ratePerSecond" | "seed">,
): Scenario[] {
  const killed = {
    clients,
    ratePerSecond: Infinity,
    spreadMs: 0,
    jitter: true,
    drained: false,
    downMs: 2000,
    seed,
  };
  const rateSpreadMs = spreadWindowMs(clients, ratePerSecond);
  return [
    { ...killed, name: "kill, no jitter", jitter: false },
    { ...killed, name: "kill, client jitter only" },
    { ...killed, name: "kill, spread 5 s + admission", spreadMs: 5000, ratePerSecond },
    { ...killed, name: "kill, spread by the rate", spreadMs: rateSpreadMs, ratePerSecond },
    { ...killed, name: "drain", drained: true, downMs: 0, ratePerSecond },
  ];
}

/** Long enough that the SDK takes the session for a stable one. */
const CONNECTED_MS = 60_000;

/** The largest number that a `Random` gives. */
const WHOLE_DELAY: Random = () => 1 - 2 ** -32;

/** One way, from the next city to the far side of the planet. */
function latencyMs(random: Random): number {
  return 5 + 145 * random() ** 2;
}
