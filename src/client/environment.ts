import { type Clock, systemClock } from "../policy/clock.ts";
import { type Random, systemRandom } from "../policy/random.ts";
import type { ServerInfo } from "../protocol/server_info.ts";
import type { PreferenceStorage } from "./preference.ts";
import { fetchServerInfo } from "./server_info.ts";
import { openSse } from "./transports/sse.ts";
import type { OpenTransport, TransportKind } from "./transports/transport.ts";
import { openWebSocket } from "./transports/websocket.ts";
import { openWebTransport } from "./transports/webtransport.ts";

/** The world around a client: time, chance and network. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds since 1970. */
  readonly wallClockMs: () => number;
  /** Where preferences are kept beyond the page, if anywhere. */
  readonly storage: PreferenceStorage | undefined;
  readonly fetchServerInfo: (
    base: URL,
    signal: AbortSignal,
    resume?: string,
  ) => Promise<ServerInfo>;
  /** What the runtime has. */
  readonly transports: { readonly [Kind in TransportKind]?: OpenTransport };
  /**
   * Calls `listener` when a lost network may be back, or a suspended page goes on; returns what
   * ends that.
   */
  readonly onAwake: (listener: () => void) => () => void;
}

/** The browser, Deno or Node that this runs in. */
export function systemEnvironment(): Environment {
  return {
    clock: systemClock,
    random: systemRandom,
    wallClockMs: Date.now,
    storage: localStorageOf(),
    fetchServerInfo,
    transports: {
      ...("WebTransport" in globalThis && { webtransport: openWebTransport }),
      ...("WebSocket" in globalThis && { websocket: openWebSocket }),
      sse: openSse,
    },
    onAwake,
  };
}

/** Only a browser's: Deno's own would outlive the program, on disk. */
function localStorageOf(): PreferenceStorage | undefined {
  try {
    return "document" in globalThis ? globalThis.localStorage : undefined;
  } catch {
    // The user has forbidden it.
    return undefined;
  }
}

function onAwake(listener: () => void): () => void {
  const page = (globalThis as { document?: EventTarget & { visibilityState: string } }).document;
  if (page === undefined) return () => {};
  const onVisible = () => page.visibilityState === "visible" && listener();
  addEventListener("online", listener);
  page.addEventListener("visibilitychange", onVisible);
  return () => {
    removeEventListener("online", listener);
    page.removeEventListener("visibilitychange", onVisible);
  };
}
