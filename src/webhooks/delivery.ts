import { withField, withPayload } from "../protocol/json_payload.ts";
import type { CloseInfo } from "../protocol/close_code.ts";
import type { Payload } from "../protocol/message.ts";
import type { Claims } from "../session/rights/access.ts";
import type { ConnectRequest, PublishRequest, RpcRequest } from "../session/hooks.ts";
import type { SessionInfo } from "../session/session_info.ts";
import type { WebhookEvent } from "./options.ts";

/** What a backend is told of a client. Its token is not: it could be used by whoever reads logs. */
export interface WebhookClient {
  readonly user?: string;
  /** What its token says; empty for one that has shown none. */
  readonly claims: Claims;
  /** IP address, without a port. */
  readonly address: string;
  readonly origin?: string;
  /** `webtransport`, `websocket` or `sse`; absent while a session waits for its client. */
  readonly transport?: string;
  /** What it says of itself, if that is JSON. */
  readonly info?: unknown;
  /** The same as bytes, if it is not. */
  readonly infoBase64?: string;
}

/** A client with a session, by whose `id` it is known. */
export interface WebhookSession extends WebhookClient {
  readonly id: string;
}

/** A payload: `data`, any JSON value, or `base64`, bytes. */
export interface WebhookData {
  readonly data?: unknown;
  readonly base64?: string;
}

/** The body of a webhook's request. */
export type WebhookDelivery =
  & {
    /** The name of this delivery; the same when it is sent again. */
    readonly id: string;
    /** When it happened, in milliseconds since 1970. */
    readonly time: number;
  }
  & (
    | {
      readonly event: "connect";
      /** `resumes`: the session that it wants to go on with. */
      readonly client: WebhookClient & { readonly resumes?: string };
    }
    | {
      readonly event: "subscribe";
      readonly session: WebhookSession;
      readonly channel: string;
    }
    | {
      readonly event: "publish";
      readonly session: WebhookSession;
      readonly channel: string;
      readonly key?: string;
      /** The client removes the key. */
      readonly removed?: true;
    } & WebhookData
    | { readonly event: "rpc"; readonly session: WebhookSession; readonly method: string }
      & WebhookData
    | {
      readonly event: "disconnect";
      readonly session: WebhookSession;
      /** Why it ended: a close code and what was said to it. */
      readonly code: number;
      readonly reason: string;
    }
  );

/** A delivery that has been written. */
export interface WrittenDelivery {
  readonly event: WebhookEvent;
  readonly id: string;
  /** Who is the cause of it: a session, or the address of one to be. */
  readonly owner: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Writes deliveries. What clients sent is passed on as its own text: numbers keep all digits. */
export class DeliveryWriter {
  readonly #now: () => number;

  /** @param now Milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  connect(request: ConnectRequest): WrittenDelivery {
    const { resumes, info } = request;
    const client = withInfo({ resumes, ...described(request) }, info);
    return this.#write("connect", request.address, (head) => withField(head, "client", client));
  }

  subscribe(session: SessionInfo, channel: string): WrittenDelivery {
    return this.#write("subscribe", session.id, (head) => about(head, session, { channel }));
  }

  publish({ session, channel, key, removed, data }: PublishRequest): WrittenDelivery {
    return this.#write("publish", session.id, (head) => {
      const named = about(head, session, { channel, key, ...(removed && { removed }) });
      return removed ? named : withData(named, data);
    });
  }

  rpc({ session, method, data }: RpcRequest): WrittenDelivery {
    return this.#write(
      "rpc",
      session.id,
      (head) => withData(about(head, session, { method }), data),
    );
  }

  disconnect(session: SessionInfo, { code, reason }: CloseInfo): WrittenDelivery {
    return this.#write("disconnect", session.id, (head) => about(head, session, { code, reason }));
  }

  #write(
    event: WebhookEvent,
    owner: string,
    complete: (head: string) => string,
  ): WrittenDelivery {
    const id = crypto.randomUUID();
    const text = complete(JSON.stringify({ id, event, time: this.#now() }));
    return { event, id, owner, body: encoder.encode(text) };
  }
}

/** `head` with the session and `fields`, of which those that are `undefined` are left out. */
function about(head: string, session: SessionInfo, fields: Record<string, unknown>): string {
  const text = withInfo({ id: session.id, ...described(session) }, session.info);
  let whole = withField(head, "session", text);
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) whole = withField(whole, name, JSON.stringify(value));
  }
  return whole;
}

function described({ user, claims, address, origin, transport }: SessionInfo | ConnectRequest) {
  return { user, claims, address, origin, transport };
}

function withInfo(client: object, info: Payload | undefined): string {
  const text = JSON.stringify(client);
  return info === undefined || info.bytes.length === 0
    ? text
    : withPayload(text, "info", info, "infoBase64");
}

function withData(head: string, data: Payload): string {
  return data.bytes.length === 0 ? head : withPayload(head, "data", data, "base64");
}

const encoder = new TextEncoder();
