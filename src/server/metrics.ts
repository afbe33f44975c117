import { Counter, Gauge, Registry } from "prom-client";
import type { RedisState } from "../broker/redis_broker.ts";
import type { Hub } from "../hub/hub.ts";
import type { MetricsOptions } from "../options.ts";
import { isRebindable } from "../policy/origin.ts";
import { equalSecrets } from "../session/secret.ts";
import type { SessionRegistry } from "../session/session_registry.ts";
import { bearerOf } from "../transport/sse_handler.ts";
import type { Door } from "./door.ts";
import type { Webhooks } from "../webhooks/webhooks.ts";
import type { OriginGate } from "./origin_gate.ts";

/** What the metrics are taken from. */
export interface MetricsParts {
  readonly hub: Hub;
  readonly sessions: SessionRegistry;
  readonly door: Door;
  readonly gate: OriginGate;
  readonly redis: () => RedisState | undefined;
  readonly webhooks: Webhooks | undefined;
}

/**
 * The metrics of a node, in the text format of Prometheus. All are read when they are asked for:
 * what happens in between only counts. None is by channel, session or address, of which there is no
 * end.
 */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #registry = new Registry();

  constructor(options: MetricsOptions, parts: MetricsParts) {
    this.#options = options;
    this.#addSessions(parts);
    this.#addChannels(parts);
    this.#addRefusals(parts);
    this.#addRedis(parts);
    this.#addWebhooks(parts);
    this.#addProcess();
  }

  /** Answers `/metrics`: 200, 401 without the key, or 403 to who is not on this machine. */
  async respond(request: Request, { local }: { readonly local: boolean }): Promise<Response> {
    const { key } = this.#options;
    const { headers } = request;
    if (headers.has("origin")) return refuse(403, "A request without an Origin was expected");
    if (key !== undefined && !equalSecrets(bearerOf(headers) ?? "", key)) {
      return refuse(401, 'The key was expected: "Authorization: Bearer <key>"');
    }
    // A page whose name was made to lead here is on this machine too, as its browser is.
    if (key === undefined && (!local || isRebindable(new URL(request.url).origin))) {
      return refuse(403, "Without metrics.key a program on this machine was expected");
    }
    return new Response(await this.#registry.metrics(), {
      headers: { "content-type": this.#registry.contentType, "cache-control": "no-store" },
    });
  }

  #gauge(name: string, help: string, read: (gauge: Gauge) => void, labelNames: string[] = []) {
    new Gauge({
      name: `slipstream_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset();
        read(this);
      },
    });
  }

  /** `read` gives the whole counts so far, by label if there is one. */
  #counter(
    name: string,
    help: string,
    read: (counter: Counter) => void,
    labelNames: string[] = [],
  ) {
    new Counter({
      name: `slipstream_${name}_total`,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset();
        read(this);
      },
    });
  }

  #addSessions({ sessions }: MetricsParts): void {
    this.#gauge(
      "sessions",
      "Sessions by the transport that they have; none: they wait for their client",
      (gauge) => {
        for (const transport of ["webtransport", "websocket", "sse", "none"]) {
          gauge.set({ transport }, 0);
        }
        for (const { transport = "none" } of sessions.all.values()) gauge.inc({ transport });
      },
      ["transport"],
    );
    this.#gauge("queued_bytes", "What waits for all sessions, in bytes", (gauge) => {
      let bytes = 0;
      for (const { queuedBytes } of sessions.all.values()) bytes += queuedBytes;
      gauge.set(bytes);
    });
    this.#gauge("rtt_milliseconds", "Round-trip times of the sessions", (gauge) => {
      const times = Array.from(sessions.all.values(), ({ rttMs }) => rttMs)
        .filter((ms) => ms !== undefined).sort((a, b) => a - b);
      for (const quantile of [0.5, 0.9, 0.99]) {
        const ms = times[Math.ceil(quantile * times.length) - 1];
        if (ms !== undefined) gauge.set({ quantile: String(quantile) }, ms);
      }
    }, ["quantile"]);
    this.#counter("closed_as_slow", "Transports closed with 3002", (counter) => {
      counter.inc(sessions.closedAsSlow);
    });
    this.#counter("refused_commands", "Commands of clients that were too many", (counter) => {
      counter.inc(sessions.refusedCommands);
    });
    this.#counter("limited", "What a limit stood against, by the limit's option", (counter) => {
      for (const [limit, count] of Object.entries(sessions.limitCounts)) {
        counter.inc({ limit }, count);
      }
    }, ["limit"]);
  }

  #addChannels({ hub }: MetricsParts): void {
    this.#gauge("channels", "Channels with subscribers on this node", (gauge) => {
      gauge.set(hub.channels);
    });
    this.#gauge("subscriptions", "Subscriptions on this node", (gauge) => {
      let count = 0;
      for (const { subscribers } of hub.openChannels()) count += subscribers;
      gauge.set(count);
    });
    this.#counter("published", "Publications that were published on this node", (counter) => {
      counter.inc(hub.published);
    });
    this.#counter("received", "Publications that came from the broker", (counter) => {
      counter.inc(hub.received);
    });
    this.#counter("dropped", "Publications dropped for slow subscribers", (counter) => {
      counter.inc(hub.dropped);
    });
    this.#counter(
      "conflated",
      "Values that newer ones replaced before they were sent",
      (counter) => {
        counter.inc(hub.conflated);
      },
    );
  }

  #addRefusals({ gate, door }: MetricsParts): void {
    this.#counter("origin_refusals", "Requests refused for their origin", (counter) => {
      for (const [reason, count] of Object.entries(gate.refusals)) counter.inc({ reason }, count);
    }, ["reason"]);
    this.#counter("refusals", "Clients that there was no place for", (counter) => {
      for (const [reason, count] of door.refusals) counter.inc({ reason }, count);
    }, ["reason"]);
    this.#gauge("lingering_sockets", "Closed sockets whose peer does not take it", (gauge) => {
      gauge.set(door.lingering);
    });
  }

  #addRedis({ redis }: MetricsParts): void {
    if (redis() === undefined) return;
    this.#gauge("redis_connected", "Whether a Redis server is in reach, by shard", (gauge) => {
      redis()!.shards.forEach(({ connected }, shard) => gauge.set({ shard }, Number(connected)));
    }, ["shard"]);
    this.#gauge("redis_lag_milliseconds", "How long a PING takes, by shard", (gauge) => {
      redis()!.shards.forEach(({ lagMs }, shard) => {
        if (lagMs !== undefined) gauge.set({ shard }, lagMs);
      });
    }, ["shard"]);
    this.#gauge("redis_channels", "Channels that are listened to, by shard", (gauge) => {
      redis()!.shards.forEach(({ channels }, shard) => gauge.set({ shard }, channels));
    }, ["shard"]);
    this.#gauge("redis_pending_bytes", "What waits for Redis, in bytes", (gauge) => {
      gauge.set(redis()!.pendingBytes);
    });
  }

  #addWebhooks({ webhooks }: MetricsParts): void {
    if (webhooks === undefined) return;
    this.#counter("webhooks", "What the backend was asked or told, and what came of it", (all) => {
      for (const { event, outcome, count } of webhooks.state.outcomes) {
        all.inc({ event, outcome }, count);
      }
    }, ["event", "outcome"]);
    this.#counter("webhooks_asked_again", "Requests that were sent again", (counter) => {
      counter.inc(webhooks.state.askedAgain);
    });
    this.#gauge("webhook_requests", "What the backend has not answered yet", (gauge) => {
      const { asking, waiting, notices } = webhooks.state;
      gauge.set({ kind: "asking" }, asking);
      gauge.set({ kind: "waiting" }, waiting);
      gauge.set({ kind: "notices" }, notices);
    }, ["kind"]);
    this.#gauge("webhook_circuit", "1 for the state that the circuit breaker is in", (gauge) => {
      for (const state of ["closed", "open", "half-open"] as const) {
        gauge.set({ state }, Number(webhooks.state.breaker === state));
      }
    }, ["state"]);
  }

  #addProcess(): void {
    this.#gauge("memory_bytes", "Memory of the process", (gauge) => {
      const { rss, heapUsed } = Deno.memoryUsage();
      gauge.set({ kind: "resident" }, rss);
      gauge.set({ kind: "heap" }, heapUsed);
    }, ["kind"]);
  }
}

function refuse(status: number, text: string): Response {
  const headers = { "cache-control": "no-store", ...(status === 401 && CHALLENGE) };
  return new Response(`${text}\n`, { status, headers });
}

const CHALLENGE = { "www-authenticate": "Bearer" };
