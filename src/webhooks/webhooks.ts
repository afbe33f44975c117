import { CircuitBreaker, type CircuitState } from "../policy/circuit_breaker.ts";
import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type { Hooks } from "../session/hooks.ts";
import {
  AnswerError,
  readConnectAnswer,
  readPublishAnswer,
  readRpcAnswer,
  readSubscribeAnswer,
} from "./answer.ts";
import { Asker, InvalidAnswerError, UnansweredError, type UnansweredReason } from "./asker.ts";
import type { Attempted } from "./attempt.ts";
import { DeliveryWriter, type WrittenDelivery } from "./delivery.ts";
import { Notices } from "./notices.ts";
import type { AskedEvent, ResolvedWebhookOptions, WebhookEvent } from "./options.ts";
import { WebhookKeys } from "./signature.ts";

export interface WebhooksOptions {
  readonly options: ResolvedWebhookOptions;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Is told what an operator should know; may be told often. */
  readonly warn: (message: string) => void;
  /** Is told that the backend answers again. */
  readonly info: (message: string) => void;
}

/** What a question or a notice has come to. */
export type WebhookOutcome =
  | "allowed"
  | "refused"
  /** The answer made no sense. */
  | "invalid"
  | UnansweredReason
  | "sent"
  | "dropped";

/** Webhooks at this moment, and counters since the start. */
export interface WebhooksState {
  readonly outcomes: readonly {
    readonly event: WebhookEvent;
    readonly outcome: WebhookOutcome;
    readonly count: number;
  }[];
  readonly askedAgain: number;
  readonly breaker: CircuitState;
  /** Requests that are waited for, in count; notices not included. */
  readonly asking: number;
  /** Questions that wait for their turn, in count. */
  readonly waiting: number;
  /** Notices that have not been taken, in count. */
  readonly notices: number;
}

/** Asks and tells a backend of the operator's by HTTP, as the hooks of sessions. */
export class Webhooks {
  /** One for each of the events that are wanted. */
  readonly hooks: Hooks;
  readonly #options: WebhooksOptions;
  readonly #breaker: CircuitBreaker;
  readonly #asker: Asker;
  readonly #notices: Notices;
  readonly #client: Deno.HttpClient;
  readonly #outcomes = new Map<WebhookEvent, Map<WebhookOutcome, number>>();
  /** Whether the log was told that the backend does not answer. */
  #told = false;
  #closed: Promise<void> | undefined;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    const { clock, random, now, options: settings } = options;
    this.#client = Deno.createHttpClient({
      poolMaxIdlePerHost: settings.maxConcurrent,
      poolIdleTimeout: POOL_IDLE_MS,
    });
    this.#breaker = new CircuitBreaker(
      { failures: settings.breakerFailures, openMs: settings.breakerOpenMs },
      clock,
      random,
    );
    const shared = {
      options: settings,
      target: {
        url: settings.url,
        keys: new WebhookKeys(settings.secrets),
        client: this.#client,
        maxAnswerBytes: settings.maxAnswerBytes,
        now,
      },
      breaker: this.#breaker,
      clock,
      random,
      onAttempted: (attempted: Attempted, pass: number) => this.#judge(attempted, pass),
    };
    this.#asker = new Asker(shared);
    this.#notices = new Notices({
      ...shared,
      onDone: (outcome) => {
        this.#count("disconnect", outcome);
        if (outcome === "dropped" && this.#closed === undefined) {
          options.warn("The webhook's backend did not take a notice of disconnect: it is dropped");
        }
      },
    });
    this.hooks = this.#createHooks(new DeliveryWriter(now));
  }

  get state(): WebhooksState {
    return {
      outcomes: [...this.#outcomes].flatMap(([event, counts]) =>
        Array.from(counts, ([outcome, count]) => ({ event, outcome, count }))
      ),
      askedAgain: this.#asker.askedAgain,
      breaker: this.#breaker.state,
      asking: this.#asker.asking,
      waiting: this.#asker.waiting,
      notices: this.#notices.count,
    };
  }

  /** Sends what notices there are, within `closeTimeoutMs`; the sessions have ended. Idempotent. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#asker.close();
    const dropped = await this.#notices.close();
    if (dropped > 0) {
      this.#options.warn(
        `Notices of disconnect were dropped, as the server ends and the webhook's backend did not ` +
          `take them: ${dropped}`,
      );
    }
    this.#client.close();
  }

  #createHooks(write: DeliveryWriter): Hooks {
    const { events, namespaces } = this.#options.options;
    const wants = (event: WebhookEvent) => events.includes(event);
    const chosen = namespaces && new Set(namespaces);
    const concerns = (channel: string) =>
      chosen === undefined || chosen.has(channel.split(":", 1)[0]!);
    return {
      ...(wants("connect") && {
        onConnect: (request) => this.#ask(write.connect(request), readConnectAnswer),
      }),
      ...(wants("subscribe") && {
        onSubscribe: ({ session, channel }) =>
          concerns(channel)
            ? this.#ask(write.subscribe(session, channel), readSubscribeAnswer)
            : undefined,
      }),
      ...(wants("publish") && {
        onPublish: (request) =>
          concerns(request.channel)
            ? this.#ask(write.publish(request), readPublishAnswer)
            : undefined,
      }),
      ...(wants("rpc") && {
        onRpc: (request) => this.#ask(write.rpc(request), readRpcAnswer),
      }),
      ...(wants("disconnect") && {
        onDisconnect: (session, info) => this.#notices.add(write.disconnect(session, info)),
      }),
    };
  }

  /** What the backend answers, or `undefined` where it does not and need not. */
  async #ask<Answer>(
    delivery: WrittenDelivery,
    read: (body: Uint8Array) => Answer,
  ): Promise<Answer | undefined> {
    const event = delivery.event as AskedEvent;
    try {
      const answer = read(await this.#asker.ask(delivery));
      this.#count(event, "allowed");
      return answer;
    } catch (error) {
      if (error instanceof CommandError) {
        this.#count(event, "refused");
        throw error;
      }
      if (error instanceof UnansweredError) {
        this.#count(event, error.reason);
        if (this.#isAllowedUnasked(event)) return undefined;
        throw new CommandError(ErrorCode.UNAVAILABLE, "The backend cannot be asked at the moment");
      }
      if (!(error instanceof AnswerError || error instanceof InvalidAnswerError)) throw error;
      this.#count(event, "invalid");
      this.#options.warn(
        `The answer of the webhook's backend makes no sense, and what it was asked is refused: ` +
          `${event}: ${error.message}`,
      );
      throw new CommandError(ErrorCode.UNAVAILABLE, "The backend has not answered as it should");
    }
  }

  #isAllowedUnasked(event: AskedEvent): boolean {
    const { onFailure } = this.#options.options;
    return (typeof onFailure === "string" ? onFailure : onFailure[event]) === "allow";
  }

  #count(event: WebhookEvent, outcome: WebhookOutcome): void {
    let counts = this.#outcomes.get(event);
    if (counts === undefined) this.#outcomes.set(event, counts = new Map());
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }

  /** A backend that speaks is there, even if it makes no sense. */
  #judge(attempted: Attempted, pass: number): void {
    if (attempted.kind === "answer" || attempted.kind === "invalid") {
      if (!this.#breaker.succeed(pass)) return;
      this.#told = false;
      this.#options.info("The webhook's backend answers again");
    } else if (this.#breaker.fail(pass) && !this.#told) {
      this.#told = true;
      const { breakerFailures } = this.#options.options;
      this.#options.warn(
        `The webhook's backend did not answer ${breakerFailures} times in a row, and is asked ` +
          `again now and then: ${attempted.why}`,
      );
    }
  }
}

/**
 * How long a connection is kept for the next request, in milliseconds: shorter than the 5 s after
 * which Node ends it, perhaps just when a request is on its way.
 */
const POOL_IDLE_MS = 4000;
