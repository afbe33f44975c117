import assert from "node:assert/strict";
import type { ConnectRequest } from "../../src/session/hooks.ts";
import type { SessionInfo } from "../../src/session/session_info.ts";
import type { Payload } from "../../src/protocol/message.ts";
import { seededRandom } from "../../src/policy/random.ts";
import {
  WEBHOOK_DEFAULTS,
  WEBHOOK_EVENTS,
  type WebhookOptions,
} from "../../src/webhooks/options.ts";
import { Webhooks } from "../../src/webhooks/webhooks.ts";
import { FakeClock } from "../fake_clock.ts";
import { Backend, type Respond, SECRET } from "./backend.ts";

/** When it is in these tests, in milliseconds since 1970. */
export const NOW_MS = 1_750_000_000_123;

/** Webhooks, their backend and their time. */
export interface Scene {
  readonly clock: FakeClock;
  readonly backend: Backend;
  readonly webhooks: Webhooks;
  readonly hooks: Required<Webhooks["hooks"]>;
  readonly log: string[];
  /** The counts of outcomes, such as `connect allowed`. */
  outcomes(): Record<string, number>;
  /** What `pending` comes to, or the code and message of its error, with time going on. */
  settled(pending: unknown): Promise<unknown>;
}

export interface SceneOptions extends Partial<WebhookOptions> {
  readonly respond?: Respond;
}

/** Runs `body` with webhooks that ask a backend of their own, and closes both. */
export async function withWebhooks(
  { respond, ...options }: SceneOptions,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  const log: string[] = [];
  const backend = new Backend(respond);
  const webhooks = new Webhooks({
    options: {
      ...WEBHOOK_DEFAULTS,
      url: backend.url,
      secrets: [SECRET],
      events: WEBHOOK_EVENTS,
      ...options,
    },
    clock,
    random: seededRandom(5),
    now: () => NOW_MS,
    warn: (message) => log.push(message),
    info: (message) => log.push(message),
  });
  const scene: Scene = {
    clock,
    backend,
    webhooks,
    hooks: webhooks.hooks as Scene["hooks"],
    log,
    outcomes: () =>
      Object.fromEntries(
        webhooks.state.outcomes.map(({ event, outcome, count }) => [`${event} ${outcome}`, count]),
      ),
    settled: (pending) => settledWithin(clock, pending),
  };
  try {
    await body(scene);
  } finally {
    const closed = webhooks.close();
    await settledWithin(clock, closed);
    await backend.close();
  }
  assert.equal(clock.pendingTimers, 0, "timers are left");
}

/** Turns real time, in which sockets work, and the clock's, until `pending` is settled. */
async function settledWithin(clock: FakeClock, pending: unknown): Promise<unknown> {
  let done = false;
  const outcome = Promise.resolve(pending).then(
    (value) => value,
    (error) => ({ code: error.code, message: error.message }),
  ).finally(() => done = true);
  const endMs = performance.now() + 10_000;
  while (!done) {
    assert.ok(performance.now() < endMs, "Not settled within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 1));
    // Pauses between attempts end; a second is far from the limit of an answer.
    if (!done) clock.advance(1);
  }
  return await outcome;
}

export function text(value: string): Payload {
  return { format: "json", bytes: new TextEncoder().encode(JSON.stringify(value)) };
}

export function textOf({ bytes }: Payload): string {
  return new TextDecoder().decode(bytes);
}

/** A client that wants to come in. */
export const REQUEST: ConnectRequest = {
  user: "42",
  claims: { sub: "42", role: "trader" },
  token: "a-token-not-to-be-told",
  info: text("Ann"),
  resumes: undefined,
  address: "192.0.2.1",
  origin: "https://example.com",
  transport: "websocket",
};

/** A session. */
export const SESSION: SessionInfo = {
  id: "session-1",
  transport: "sse",
  address: "192.0.2.1",
  origin: undefined,
  user: "42",
  claims: {},
  info: undefined,
  rttMs: undefined,
  queuedBytes: 0,
  dropped: 0,
  conflated: 0,
  refusedCommands: 0,
};

/** A publication of it. */
export function publication(data: Payload, channel = "chat:a") {
  return { session: SESSION, channel, key: undefined, removed: false, data };
}
